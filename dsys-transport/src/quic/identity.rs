//! TLS 1.3 with raw public keys (RFC 7250), both sides authenticated, and nothing of X.509.

use std::io;
use std::sync::Arc;

use dsys_core::{NodeId, SecretKey, Signature};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

const ALPN: &[u8] = b"dsys/1";

/// RFC 8410 §4: the SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// RFC 8410 §7: the PKCS #8 form of an Ed25519 key is this and the 32 secret bytes.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What we listen with.
pub(super) fn server_config(
    secret: &SecretKey,
    transport: Arc<quinn::TransportConfig>,
) -> io::Result<quinn::ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let key = certified(secret, &provider)?;
    listen_as(key, provider, transport)
}

fn listen_as(
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    transport: Arc<quinn::TransportConfig>,
) -> io::Result<quinn::ServerConfig> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(RawKeys))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // 0-RTT data can be replayed by anybody who recorded it.
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(transport);
    Ok(server)
}

/// What we dial with. One value serves every dial: the sessions it remembers make a second handshake with the same
/// peer cheaper, which a new verifier each time would prevent.
pub(super) fn client_config(
    secret: &SecretKey,
    transport: Arc<quinn::TransportConfig>,
) -> io::Result<quinn::ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let key = certified(secret, &provider)?;
    dial_as(key, provider, transport)
}

fn dial_as(
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    transport: Arc<quinn::TransportConfig>,
) -> io::Result<quinn::ClientConfig> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RawKeys))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_early_data = false;
    // The name below is no host's, and whom we dial is nobody's business on the path.
    tls.enable_sni = false;
    let crypto = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut client = quinn::ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport);
    Ok(client)
}

/// The dialled id as a server name, which is how it reaches the verifier: two labels of 32 hexadecimal digits,
/// since one label holds 63 characters, below a name that never resolves (RFC 2606 §2).
pub(super) fn server_name(id: &NodeId) -> String {
    let mut name = String::with_capacity(32 + 1 + 32 + 8);
    for (at, byte) in id.as_bytes().iter().enumerate() {
        if at == 16 {
            name.push('.');
        }
        name.push_str(&format!("{byte:02x}"));
    }
    name + ".invalid"
}

/// Whom quinn has authenticated; the handshake has found the key sound.
pub(super) fn peer_id(connection: &quinn::Connection) -> Option<NodeId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    claimed_id(chain.first()?)
}

fn certified(secret: &SecretKey, provider: &CryptoProvider) -> io::Result<Arc<CertifiedKey>> {
    let der = [&PKCS8_PREFIX[..], &secret.expose_bytes()].concat();
    let key = provider
        .key_provider
        .load_private_key(PrivatePkcs8KeyDer::from(der).into())
        .map_err(io::Error::other)?;
    let spki = [&SPKI_PREFIX[..], secret.public().as_bytes()].concat();
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], key)))
}

fn node_id(spki: &[u8]) -> Option<NodeId> {
    claimed_id(spki).filter(NodeId::is_sound)
}

/// As [`node_id`], for a key that is judged elsewhere: whether a point is sound takes a square root to find out.
fn claimed_id(spki: &[u8]) -> Option<NodeId> {
    let key: [u8; 32] = spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
    Some(NodeId::from_bytes(key))
}

/// Judges the raw key that the other side shows, whichever side we are.
#[derive(Debug)]
struct RawKeys;

impl RawKeys {
    fn key(spki: &CertificateDer<'_>) -> Result<NodeId, Error> {
        node_id(spki).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn signature(
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(bad());
        }
        let signature = signed.signature().try_into().map_err(|_| bad())?;
        // Which refuses an unsound key by itself.
        let id = claimed_id(spki).ok_or_else(bad)?;
        id.verify_plain(message, &Signature::from_bytes(signature)).map_err(|_| bad())?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has no TLS 1.2 (RFC 9001 §4.2)".into()))
    }
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        spki: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let id = Self::key(spki)?;
        if name.to_str() == server_name(&id) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::signature(message, spki, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        spki: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::key(spki).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::signature(message, spki, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spki(key: &[u8; 32]) -> CertificateDer<'static> {
        CertificateDer::from([&SPKI_PREFIX[..], key].concat())
    }

    #[test]
    fn rustls_writes_the_key_as_we_read_it() {
        let secret = SecretKey::from_bytes([3; 32]);
        let ours = certified(&secret, &ring::default_provider()).unwrap();
        let theirs = ours.key.public_key().unwrap();
        assert_eq!(ours.cert[0].as_ref(), theirs.as_ref());
        assert_eq!(node_id(&theirs), Some(secret.public()));
    }

    #[test]
    fn weak_and_malformed_keys_are_no_identity() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let name = ServerName::try_from(server_name(&NodeId::from_bytes(identity_point))).unwrap();
        for bad in [
            spki(&identity_point),
            spki(&[0xff; 32]),
            CertificateDer::from(b"no key at all".to_vec()),
            CertificateDer::from(
                [&spki(SecretKey::from_bytes([3; 32]).public().as_bytes())[..], b"x"].concat(),
            ),
        ] {
            let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
            assert!(RawKeys.verify_client_cert(&bad, &[], now).is_err());
            assert!(RawKeys.verify_server_cert(&bad, &[], &name, &[], now).is_err());
        }
    }

    /// Dials, in a handshake from end to end, with the keys that are shown and proven; says whether either took the
    /// other.
    async fn handshake(server: Arc<CertifiedKey>, client: Arc<CertifiedKey>, dialled: &NodeId) -> [bool; 2] {
        let provider = Arc::new(ring::default_provider());
        let transport = crate::QuicConfig::test().transport().unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        let listen = listen_as(server, provider.clone(), transport.clone()).unwrap();
        let (far, near) =
            (quinn::Endpoint::server(listen, at).unwrap(), quinn::Endpoint::client(at).unwrap());
        let dial = dial_as(client, provider, transport).unwrap();
        let (to, name) = (far.local_addr().unwrap(), server_name(dialled));
        let connecting = near.connect_with(dial, to, &name).unwrap();
        let (dialled, accepted) =
            tokio::join!(connecting, async { far.accept().await.unwrap().accept().unwrap().await });
        [dialled.is_ok(), accepted.is_ok()]
    }

    /// One key shown, and the signature made with another.
    fn shown(shown: &[u8; 32], proven: &SecretKey) -> Arc<CertifiedKey> {
        let key = certified(proven, &ring::default_provider()).unwrap();
        Arc::new(CertifiedKey::new(vec![spki(shown)], key.key.clone()))
    }

    #[tokio::test]
    async fn a_key_that_is_shown_must_be_proven() {
        let [server, client, thief] = [1, 2, 3].map(|seed| SecretKey::from_bytes([seed; 32]));
        let honest = |secret: &SecretKey| shown(secret.public().as_bytes(), secret);
        let stolen = |of: &SecretKey| shown(of.public().as_bytes(), &thief);
        let name = server.public();
        assert_eq!(handshake(honest(&server), honest(&client), &name).await, [true, true]);
        assert_eq!(handshake(stolen(&server), honest(&client), &name).await, [false, false]);
        // The dialler goes first in TLS 1.3, and learns the verdict later.
        assert!(!handshake(honest(&server), stolen(&client), &name).await[1]);
        assert_eq!(handshake(honest(&thief), honest(&client), &name).await, [false, false]);
    }

    #[tokio::test]
    async fn a_weak_key_gets_through_no_handshake() {
        let [server, client] = [1, 2].map(|seed| SecretKey::from_bytes([seed; 32]));
        let honest = |secret: &SecretKey| shown(secret.public().as_bytes(), secret);
        // The points of order one and two: for either some signature holds for every message.
        let (mut one, mut two) = ([0; 32], [0xff; 32]);
        (one[0], two[0], two[31]) = (1, 0xec, 0x7f);
        for weak in [one, two] {
            let taken = handshake(shown(&weak, &server), honest(&client), &NodeId::from_bytes(weak)).await;
            assert_eq!(taken, [false, false]);
            assert!(!handshake(honest(&server), shown(&weak, &client), &server.public()).await[1]);
        }
    }

    #[test]
    fn only_the_dialled_key_answers_to_its_name() {
        let [one, other] = [1, 2].map(|seed| SecretKey::from_bytes([seed; 32]).public());
        let name = ServerName::try_from(server_name(&one)).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let verdict =
            |id: NodeId| RawKeys.verify_server_cert(&spki(id.as_bytes()), &[], &name, &[], now).is_ok();
        assert!(verdict(one));
        assert!(!verdict(other));
    }
}
