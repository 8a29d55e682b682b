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

use super::config::ByPath;

const ALPN: &[u8] = b"dsys/1";

/// RFC 8410 §4: the SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// RFC 8410 §7: the PKCS #8 form of an Ed25519 key is this and the 32 secret bytes.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What we listen with.
pub(super) fn server_config(
    secret: &SecretKey,
    transports: &ByPath<Arc<quinn::TransportConfig>>,
) -> io::Result<ByPath<Arc<quinn::ServerConfig>>> {
    let provider = Arc::new(provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(RawKeys))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(secret, &provider)?)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Each connection gives one ticket and uses one.
    tls.send_tls13_tickets = 1;
    // 0-RTT data can be replayed by anybody who recorded it.
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut other = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    other.transport_config(transports.other.clone());
    let mut loopback = other.clone();
    loopback.transport_config(transports.loopback.clone());
    Ok(ByPath { loopback: Arc::new(loopback), other: Arc::new(other) })
}

/// What we dial with. One value serves every dial: the sessions it remembers make a second handshake with the same
/// peer cheaper, which a new verifier each time would prevent.
pub(super) fn client_config(
    secret: &SecretKey,
    transports: &ByPath<Arc<quinn::TransportConfig>>,
) -> io::Result<ByPath<quinn::ClientConfig>> {
    let provider = Arc::new(provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RawKeys))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(
            secret, &provider,
        )?)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_early_data = false;
    // The name below is no host's, and whom we dial is nobody's business on the path.
    tls.enable_sni = false;
    let crypto = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut other = quinn::ClientConfig::new(Arc::new(crypto));
    other.transport_config(transports.other.clone());
    let mut loopback = other.clone();
    loopback.transport_config(transports.loopback.clone());
    Ok(ByPath { loopback, other })
}

/// ring, with the cipher suite first that costs least where AES is in hardware. 128 bits are what Ed25519 and X25519
/// give, too.
fn provider() -> CryptoProvider {
    let suites = vec![
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    CryptoProvider { cipher_suites: suites, ..ring::default_provider() }
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

/// The name in a SubjectPublicKeyInfo. Whether it is a sound key takes a square root to find out.
fn claimed_id(spki: &[u8]) -> Option<NodeId> {
    let key: [u8; 32] = spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
    Some(NodeId::from_bytes(key))
}

/// Judges the raw key that the other side shows, whichever side we are.
#[derive(Debug)]
struct RawKeys;

impl RawKeys {
    /// The key as it is claimed. Whether it is sound is judged with its signature, without which no TLS 1.3 handshake
    /// ends (RFC 8446 §4.4.3): once is enough.
    fn key(spki: &CertificateDer<'_>) -> Result<NodeId, Error> {
        claimed_id(spki).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn signature(
        message: &[u8],
        spki: &CertificateDer<'_>,
        scheme: SignatureScheme,
        signature: &[u8],
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
        if scheme != SignatureScheme::ED25519 {
            return Err(bad());
        }
        let signature = signature.try_into().map_err(|_| bad())?;
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
        Self::signature(message, spki, signed.scheme, signed.signature())
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
        Self::signature(message, spki, signed.scheme, signed.signature())
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
        assert_eq!(claimed_id(&theirs), Some(secret.public()));
    }

    #[test]
    fn what_is_no_ed25519_key_is_no_identity() {
        let name = ServerName::try_from(server_name(&SecretKey::from_bytes([3; 32]).public())).unwrap();
        let longer = [&spki(SecretKey::from_bytes([3; 32]).public().as_bytes())[..], b"x"].concat();
        for bad in [&b"no key at all"[..], &longer] {
            let (bad, now) =
                (CertificateDer::from(bad), UnixTime::since_unix_epoch(std::time::Duration::ZERO));
            assert!(RawKeys.verify_client_cert(&bad, &[], now).is_err());
            assert!(RawKeys.verify_server_cert(&bad, &[], &name, &[], now).is_err());
        }
    }

    #[test]
    fn a_weak_key_signs_nothing() {
        let secret = SecretKey::from_bytes([3; 32]);
        let signer = certified(&secret, &ring::default_provider()).unwrap();
        let sound = signer.key.choose_scheme(&[SignatureScheme::ED25519]).unwrap().sign(b"message").unwrap();
        let judge = |key: &[u8; 32], signature: &[u8]| {
            RawKeys::signature(b"message", &spki(key), SignatureScheme::ED25519, signature).is_ok()
        };
        assert!(judge(secret.public().as_bytes(), &sound));
        assert!(!judge(SecretKey::from_bytes([4; 32]).public().as_bytes(), &sound));
        // For the identity as a key, R = identity and S = 0 fit every message: S·B = R + k·A (RFC 8032 §5.1.7).
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let forged = [identity_point, [0; 32]].concat();
        assert!(!judge(&identity_point, &forged));
        assert!(!judge(&[0xff; 32], &forged));
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
