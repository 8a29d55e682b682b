//! The QUIC transport (RFC 9000), over quinn: one UDP socket or several, TLS 1.3 with raw public keys.

mod config;
mod connection;
mod dial;
mod identity;
mod listen;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey, Signer};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use config::ByPath;
pub use config::QuicConfig;
pub use connection::QuicConnection;
pub use stream::{QuicRecv, QuicSend};

use crate::error::{DialError, code};
use crate::transport::{Connection, Transport, TransportStats};

/// A probe's socket stays for so long at most, for the end to arrive.
const LINGER: Duration = Duration::from_millis(200);

/// The QUIC transport. Both sides prove their Ed25519 key in the TLS 1.3 handshake by raw public keys (RFC 7250);
/// there are no certificates. One ALPN, `dsys/1`. 0-RTT is off.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use dsys_core::SecretKey;
/// use dsys_transport::{Quic, QuicConfig};
///
/// let quic = Quic::bind(&SecretKey::generate()?, &["0.0.0.0:7000".parse().unwrap()], QuicConfig::wan())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Quic {
    id: NodeId,
    signer: Arc<dyn Signer>,
    endpoints: Vec<quinn::Endpoint>,
    clients: ByPath<quinn::ClientConfig>,
    config: QuicConfig,
    accepted: Mutex<mpsc::Receiver<QuicConnection>>,
    listeners: Vec<JoinHandle<()>>,
    counters: Arc<listen::Counters>,
    /// `shutdown` was called.
    closed: AtomicBool,
}

impl Quic {
    /// Binds a UDP socket to each of `addrs` and listens there; with none, to a free port of all interfaces, IPv6
    /// and IPv4 alike. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses a socket; the message names the address. No socket stays open.
    pub fn bind(secret: &SecretKey, addrs: &[SocketAddr], config: QuicConfig) -> io::Result<Self> {
        let transports = config.transports()?;
        let server = identity::server_config(secret, &transports)?;
        let clients = identity::client_config(secret, &transports)?;
        let endpoints = listen::bind(addrs, &server.other, &config)?;
        let counters = Arc::new(listen::Counters::default());
        let (sender, accepted) = mpsc::channel(config.accept_queue.max(1));
        let listeners = endpoints
            .iter()
            .map(|endpoint| {
                tokio::spawn(listen::listen(
                    endpoint.clone(),
                    server.clone(),
                    config.max_handshakes.max(1),
                    config.max_streams,
                    counters.clone(),
                    sender.clone(),
                ))
            })
            .collect();
        Ok(Quic {
            id: secret.public(),
            signer: Arc::new(secret.clone()),
            endpoints,
            clients,
            config,
            accepted: Mutex::new(accepted),
            listeners,
            counters,
            closed: AtomicBool::new(false),
        })
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        for endpoint in &self.endpoints {
            endpoint.close(code::GOING_AWAY.into(), b"");
        }
    }
}

impl Transport for Quic {
    type Connection = QuicConnection;

    fn id(&self) -> NodeId {
        self.id
    }

    fn signer(&self) -> Option<Arc<dyn Signer>> {
        Some(self.signer.clone())
    }

    fn local_addrs(&self) -> Vec<SocketAddr> {
        listen::local_addrs(&self.endpoints)
    }

    fn stats(&self) -> TransportStats {
        TransportStats {
            handshakes_failed: self.counters.failed.load(Ordering::Relaxed),
            handshakes_refused: self.counters.refused.load(Ordering::Relaxed),
        }
    }

    async fn dial(&self, to: &NodeAddr) -> Result<QuicConnection, DialError> {
        dial::dial(&self.endpoints, &self.clients, &self.config, to).await
    }

    async fn probe(&self, to: &NodeAddr) -> Result<Option<SocketAddr>, DialError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(DialError::ShutDown);
        }
        let failed = |error: io::Error| DialError::Unreachable { peer: to.id, reason: error.to_string() };
        let endpoints = listen::strangers(&self.endpoints).map_err(failed)?;
        let connection = dial::dial(&endpoints, &self.clients, &self.config, to).await?;
        let addr = Connection::remote_addr(&connection);
        Connection::close(&connection, code::DONE, "only a probe");
        // Until the peer has heard of the end; the sockets go with the endpoints.
        for endpoint in &endpoints {
            let _ = tokio::time::timeout(LINGER, endpoint.wait_idle()).await;
        }
        Ok(addr)
    }

    async fn accept(&self) -> Option<QuicConnection> {
        let mut accepted = self.accepted.lock().await;
        loop {
            let connection = accepted.recv().await?;
            // Those that nobody had taken by the end are closed, and were never given.
            if !self.closed.load(Ordering::Acquire) {
                return Some(connection);
            }
        }
    }

    async fn shutdown(&self) {
        self.closed.store(true, Ordering::Release);
        for listener in &self.listeners {
            listener.abort();
        }
        for endpoint in &self.endpoints {
            endpoint.close(code::GOING_AWAY.into(), b"the node shuts down");
        }
        for endpoint in &self.endpoints {
            // quinn ends this by itself after three probe timeouts, some hundred milliseconds on most links.
            endpoint.wait_idle().await;
        }
    }
}
