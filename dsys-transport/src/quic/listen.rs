//! Sockets, and the handshakes of those who dial us.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::debug;

use super::QuicConfig;
use super::config::ByPath;
use super::connection::QuicConnection;

/// Handshakes of those who dialled us and got no connection.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) failed: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// One endpoint per address; with none given, one for both families, or for IPv4 where there is no IPv6.
pub(super) fn bind(
    addrs: &[SocketAddr],
    server: &Arc<quinn::ServerConfig>,
    config: &QuicConfig,
) -> io::Result<Vec<Endpoint>> {
    if addrs.is_empty() {
        let both = endpoint((Ipv6Addr::UNSPECIFIED, 0).into(), server, config);
        let one = both.or_else(|_| endpoint((Ipv4Addr::UNSPECIFIED, 0).into(), server, config))?;
        return Ok(vec![one]);
    }
    addrs.iter().map(|addr| endpoint(*addr, server, config)).collect()
}

/// Sockets that nobody has ever heard of, on free ports of the same interfaces. They take no connections.
pub(super) fn strangers(endpoints: &[Endpoint]) -> io::Result<Vec<Endpoint>> {
    let fresh = |endpoint: &Endpoint| Endpoint::client((endpoint.local_addr()?.ip(), 0).into());
    endpoints.iter().map(fresh).collect()
}

/// Where the endpoints can be reached, as far as this machine knows. For a socket bound to all interfaces that is
/// the loopback address and the one from which packets leave for the world.
pub(super) fn local_addrs(endpoints: &[Endpoint]) -> Vec<SocketAddr> {
    let mut addrs = Vec::new();
    for bound in endpoints.iter().filter_map(|endpoint| endpoint.local_addr().ok()) {
        if !bound.ip().is_unspecified() {
            addrs.push(bound);
            continue;
        }
        // RFC 5737 §3 and RFC 3849: documentation addresses. Connecting a UDP socket sends nothing; it only asks
        // the routing table.
        addrs.extend(route(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into(), bound.port()));
        addrs.push((Ipv4Addr::LOCALHOST, bound.port()).into());
        if bound.is_ipv6() {
            let world = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            addrs.extend(route(Ipv6Addr::UNSPECIFIED.into(), world.into(), bound.port()));
            addrs.push((Ipv6Addr::LOCALHOST, bound.port()).into());
        }
    }
    addrs
}

/// Finishes at most `limit` handshakes at once and hands the connections on; ends when the endpoint closes.
pub(super) async fn listen(
    endpoint: Endpoint,
    servers: ByPath<Arc<quinn::ServerConfig>>,
    limit: usize,
    max_streams: u32,
    counters: Arc<Counters>,
    accepted: mpsc::Sender<QuicConnection>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) if handshakes.len() >= limit => {
                    counters.refused.fetch_add(1, Ordering::Relaxed);
                    incoming.refuse();
                }
                Some(incoming) if handshakes.len() >= limit / 2 && incoming.may_retry() => {
                    if let Err(error) = incoming.retry() {
                        debug!(%error, "no retry was sent");
                    }
                }
                Some(incoming) => {
                    let server = servers.of(incoming.remote_address()).clone();
                    let (counters, accepted) = (counters.clone(), accepted.clone());
                    handshakes.spawn(handshake(incoming, server, max_streams, counters, accepted));
                }
                None => return,
            },
            Some(_) = handshakes.join_next() => {}
        }
    }
}

async fn handshake(
    incoming: Incoming,
    server: Arc<quinn::ServerConfig>,
    max_streams: u32,
    counters: Arc<Counters>,
    accepted: mpsc::Sender<QuicConnection>,
) {
    let from = incoming.remote_address();
    let connection = async { incoming.accept_with(server)?.await };
    match connection.await {
        Ok(connection) => match QuicConnection::new(connection, max_streams) {
            // Waits while the queue is full, and counts as a handshake so long: that bounds both.
            Some(connection) => drop(accepted.send(connection).await),
            None => debug!(%from, "a connection without a key"),
        },
        Err(error) => {
            counters.failed.fetch_add(1, Ordering::Relaxed);
            debug!(%from, %error, "a handshake failed");
        }
    }
}

fn endpoint(
    addr: SocketAddr,
    server: &Arc<quinn::ServerConfig>,
    config: &QuicConfig,
) -> io::Result<Endpoint> {
    let socket = socket(addr).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on UDP address {addr}: {error}"))
    })?;
    let mut endpoint = EndpointConfig::default();
    endpoint
        .max_udp_payload_size(config.max_incoming())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    Endpoint::new(endpoint, Some(server.as_ref().clone()), socket, Arc::new(TokioRuntime))
}

fn socket(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        // The default differs between systems; all interfaces means both families here.
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn route(from: IpAddr, to: IpAddr, port: u16) -> Option<SocketAddr> {
    let socket = UdpSocket::bind((from, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(SocketAddr::new(ip, port))
}
