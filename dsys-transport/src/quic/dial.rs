//! Dialling: several addresses, one deadline, the first that proves the key wins.

use std::net::{IpAddr, SocketAddr};

use dsys_core::{NodeAddr, NodeId};
use quinn::{ClientConfig, ConnectionError, Endpoint};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::QuicConfig;
use super::config::ByPath;
use super::connection::{QuicConnection, words};
use super::identity::server_name;
use crate::error::DialError;

pub(super) async fn dial(
    endpoints: &[Endpoint],
    clients: &ByPath<ClientConfig>,
    config: &QuicConfig,
    to: &NodeAddr,
) -> Result<QuicConnection, DialError> {
    let mut worst = None;
    match timeout(config.dial_timeout, race(endpoints, clients, config, to, &mut worst)).await {
        Ok(result) => result,
        Err(_) => Err(worse(worst, DialError::TimedOut(to.id))),
    }
}

/// RFC 8305 §5: starts with the first address, adds the next one when the present ones are slow or have failed, and
/// takes whichever succeeds first. Dropping it ends the others, and `worst` tells what the failed ones have said.
async fn race(
    endpoints: &[Endpoint],
    clients: &ByPath<ClientConfig>,
    config: &QuicConfig,
    to: &NodeAddr,
    worst: &mut Option<DialError>,
) -> Result<QuicConnection, DialError> {
    let mut addrs = to.direct().iter();
    let Some(first) = addrs.next() else {
        return Err(DialError::NoAddress(to.id));
    };
    if addrs.len() == 0 {
        return attempt(endpoints, clients, config.max_streams, *first, to.id)?.await;
    }
    let mut attempts = JoinSet::new();
    let mut next = Some(first);
    loop {
        match next.map(|addr| attempt(endpoints, clients, config.max_streams, *addr, to.id)) {
            Some(Ok(attempt)) => drop(attempts.spawn(attempt)),
            Some(Err(error)) => *worst = Some(worse(worst.take(), error)),
            None if attempts.is_empty() => break,
            None => {}
        }
        next = tokio::select! {
            Some(done) = attempts.join_next() => {
                match done {
                    Ok(Ok(connection)) => return Ok(connection),
                    Ok(Err(error)) => *worst = Some(worse(worst.take(), error)),
                    Err(_) => {}
                }
                addrs.next()
            }
            () = sleep(config.dial_stagger), if addrs.len() > 0 => addrs.next(),
            else => addrs.next(),
        };
    }
    Err(worst.take().unwrap_or(DialError::NoAddress(to.id)))
}

/// Starts one handshake; the result owns all it needs.
fn attempt(
    endpoints: &[Endpoint],
    clients: &ByPath<ClientConfig>,
    max_streams: u32,
    addr: SocketAddr,
    id: NodeId,
) -> Result<impl Future<Output = Result<QuicConnection, DialError>> + Send + 'static, DialError> {
    let unreachable = |reason: String| DialError::Unreachable { peer: id, reason };
    let (endpoint, addr) = endpoints
        .iter()
        .find_map(|endpoint| Some((endpoint, reach(endpoint.local_addr().ok()?, addr)?)))
        .ok_or_else(|| unreachable(format!("no socket of this node can send to {addr}")))?;
    let connecting = endpoint.connect_with(clients.of(addr).clone(), addr, &server_name(&id)).map_err(
        |error| match error {
            quinn::ConnectError::EndpointStopping => DialError::ShutDown,
            other => unreachable(other.to_string()),
        },
    )?;
    Ok(async move {
        let connection = connecting.await.map_err(|error| refused(id, error))?;
        QuicConnection::new(connection, max_streams)
            .filter(|connection| connection.id() == id)
            .ok_or(DialError::WrongIdentity(id))
    })
}

/// How a socket bound to `from` writes the address `to`, if it can send there at all.
fn reach(from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
    match (from, to) {
        (SocketAddr::V6(from), SocketAddr::V4(to)) if from.ip().is_unspecified() => {
            // A socket for both families takes IPv4 addresses in their mapped form (RFC 4291 §2.5.5.2).
            Some(SocketAddr::new(IpAddr::V6(to.ip().to_ipv6_mapped()), to.port()))
        }
        (from, to) if from.is_ipv4() == to.is_ipv4() => Some(to),
        _ => None,
    }
}

fn refused(peer: NodeId, error: ConnectionError) -> DialError {
    /// RFC 9001 §4.8: TLS alerts are transport errors from 0x100 on.
    const TLS_ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    match error {
        ConnectionError::TimedOut => DialError::TimedOut(peer),
        ConnectionError::LocallyClosed => DialError::ShutDown,
        // Our own verdict on the key that the peer showed.
        ConnectionError::TransportError(error) if TLS_ALERTS.contains(&error.code.into()) => {
            DialError::WrongIdentity(peer)
        }
        ConnectionError::ApplicationClosed(close) => DialError::Declined {
            peer,
            code: u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX),
            reason: words(&close.reason),
        },
        // The peer's verdict on ours, which is sound: it speaks another kind of TLS.
        ConnectionError::ConnectionClosed(close) if TLS_ALERTS.contains(&close.error_code.into()) => {
            DialError::WrongIdentity(peer)
        }
        ConnectionError::ConnectionClosed(close) => {
            DialError::Declined { peer, code: crate::code::REFUSED, reason: close.to_string() }
        }
        other => DialError::Unreachable { peer, reason: other.to_string() },
    }
}

/// Of two failures, the one that says more: who answered wrongly is worth more than who did not answer.
fn worse(one: Option<DialError>, other: DialError) -> DialError {
    fn rank(error: &DialError) -> u8 {
        match error {
            DialError::WrongIdentity(_) => 3,
            DialError::Declined { .. } => 2,
            DialError::TimedOut(_) => 1,
            _ => 0,
        }
    }
    match one {
        Some(one) if rank(&one) >= rank(&other) => one,
        _ => other,
    }
}
