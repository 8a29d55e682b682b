//! Peers that show a key they cannot sign with, or one for which everybody can sign, in a whole QUIC handshake: no
//! link comes of it, on either side, and the node goes on.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use common::{World, soon, until};
use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_transport::{
    DialError, Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig, Service, Tag,
};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureAlgorithm, SignatureScheme};

/// The point of order one, and the same point with y = p + 1 for y = 1.
const WEAK: [[u8; 32]; 2] = [first_and_last(0x01, 0x00, 0x00), first_and_last(0xee, 0xff, 0x7f)];

/// R is the base point B and S is 1. RFC 8032 §5.1.7 asks for [S]B = R + [k]A, which holds for every message when A
/// is the neutral point: a verifier that does not look at the key itself takes it.
fn forged() -> Vec<u8> {
    [first_and_last(0x58, 0x66, 0x66), first_and_last(0x01, 0x00, 0x00)].concat()
}

#[tokio::test]
async fn a_weak_key_does_not_get_in_as_a_client() {
    for key in WEAK {
        assert_no_entry(key).await;
    }
}

#[tokio::test]
async fn a_weak_key_is_not_taken_for_a_server() {
    for key in WEAK {
        assert_no_dial(key).await;
    }
}

#[tokio::test]
async fn the_key_of_another_is_of_no_use_without_its_secret() {
    let stolen = *SecretKey::generate().unwrap().public().as_bytes();
    assert_no_entry(stolen).await;
    assert_no_dial(stolen).await;
}

#[tokio::test]
async fn a_server_that_asks_for_no_key_is_not_who_was_dialled() {
    let secret = SecretKey::generate().unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown(
            *secret.public().as_bytes(),
        ))));
    tls.alpn_protocols = vec![b"dsys/1".to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let other = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let at = other.local_addr().unwrap();
    let accepting = tokio::spawn(async move { other.accept().await.unwrap().await.map(drop) });
    let (dialler, _service) = victim(QuicConfig::test());
    let dialled = soon("dial", dialler.connect(NodeAddr::new(secret.public()).with(at))).await;
    assert_eq!(dialled, Err(DialError::WrongIdentity(secret.public())));
    assert!(soon("it is told", accepting).await.unwrap().is_err());
}

/// The forger dials: more often than handshakes may be under way, so that one which is not over shows.
async fn assert_no_entry(key: [u8; 32]) {
    let mut config = QuicConfig::test();
    config.max_handshakes = 2;
    let (victim, _service) = victim(config);
    let forger = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    for _ in 0..5 {
        let at = victim.addr().direct()[0];
        let connecting = forger.connect_with(client_config(key), at, "victim.invalid").unwrap();
        // The client of TLS 1.3 is done before the server has seen its key (RFC 8446 §2).
        let verdict = match soon("handshake", connecting).await {
            Ok(connection) => soon("verdict", connection.closed()).await,
            Err(error) => error,
        };
        assert_alert(verdict);
    }
    let stats = victim.stats();
    assert_eq!((stats.accepted, stats.refused, stats.violations, stats.peers.len()), (0, 0, 0, 0));
    until("all are counted", || victim.stats().handshakes_failed == 5).await;
    assert_still_serves(&victim).await;
}

/// The forger listens, and is dialled under the name that it can show.
async fn assert_no_dial(key: [u8; 32]) {
    let forger = Endpoint::server(server_config(key), "127.0.0.1:0".parse().unwrap()).unwrap();
    let at: SocketAddr = forger.local_addr().unwrap();
    let accepting = tokio::spawn(async move { forger.accept().await.unwrap().await.map(drop).unwrap_err() });
    let (victim, _service) = victim(QuicConfig::test());
    let id = NodeId::from_bytes(key);
    let error = soon("dial", victim.connect(NodeAddr::new(id).with(at))).await.unwrap_err();
    assert_eq!(error, DialError::WrongIdentity(id));
    assert_alert(soon("the forger is told", accepting).await.unwrap());
    let stats = victim.stats();
    assert_eq!((stats.dialled, stats.dials_failed, stats.peers.len()), (0, 1, 0));
    assert_still_serves(&victim).await;
}

fn victim(config: QuicConfig) -> (Node, Service) {
    let quic =
        Quic::bind(&SecretKey::generate().unwrap(), &["127.0.0.1:0".parse().unwrap()], config).unwrap();
    let node = Node::new(quic, NodeConfig::default());
    let service = node
        .serve("echo/1", ProtocolConfig::default(), RpcConfig::default(), |_, request| async { Ok(request) })
        .unwrap();
    (node, service)
}

async fn assert_still_serves(victim: &Node) {
    let honest = World::Quic.node();
    let answer = soon("answer", honest.request(victim.addr(), Tag::new("echo/1").unwrap(), "x")).await;
    assert_eq!(answer.unwrap(), "x");
    assert_eq!(victim.stats().accepted, 1);
}

/// RFC 9001 §4.8: a failed handshake is closed with 0x100 and the alert; RFC 8446 §6.2: bad_certificate for a key
/// that is none, decrypt_error for a signature that does not fit.
fn assert_alert(error: ConnectionError) {
    let ConnectionError::ConnectionClosed(close) = &error else { panic!("{error:?}") };
    assert!([0x100 + 42, 0x100 + 51].contains(&u64::from(close.error_code)), "{error:?}");
}

/// A key pair without a secret.
#[derive(Clone, Copy, Debug)]
struct Forger;

impl SigningKey for Forger {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Forger))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Forger {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(forged())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// RFC 8410 §4: the prefix of an Ed25519 key.
fn shown(key: [u8; 32]) -> Arc<CertifiedKey> {
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let spki = CertificateDer::from([&prefix[..], &key].concat());
    Arc::new(CertifiedKey::new(vec![spki], Arc::new(Forger)))
}

fn client_config(key: [u8; 32]) -> quinn::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(shown(key))));
    tls.alpn_protocols = vec![b"dsys/1".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

fn server_config(key: [u8; 32]) -> quinn::ServerConfig {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown(key))));
    tls.alpn_protocols = vec![b"dsys/1".to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}

/// The forger does not care whom it talks to.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("not in QUIC".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("not in QUIC".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// 32 bytes of which all but the first and the last are equal.
const fn first_and_last(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    [bytes[0], bytes[31]] = [first, last];
    bytes
}
