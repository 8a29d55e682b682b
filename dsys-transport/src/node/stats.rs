//! What a node has done, as plain numbers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dsys_core::NodeId;

use super::table::Shared;
use crate::tag::Tag;

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dialled: AtomicU64,
    pub(super) dials_failed: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) violations: AtomicU64,
    pub(super) datagrams_dropped: AtomicU64,
    /// Bytes of connections that have ended.
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
}

/// A snapshot of what a node has done since it started. Bytes are those of streams and datagrams with their tags,
/// without the transport's own headers. Those of a stream that lives may be up to 64 KiB behind in each direction; when it
/// ends all are counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStats {
    /// Dials that gave a connection.
    pub dialled: u64,
    /// Dials that did not.
    pub dials_failed: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused because a limit was reached.
    pub refused: u64,
    /// Handshakes of those who dialled us that failed, as far as the transport counts them.
    pub handshakes_failed: u64,
    /// Handshakes that the transport refused because too many were under way.
    pub handshakes_refused: u64,
    /// Streams refused because their protocol is not spoken here.
    pub unknown_protocol: u64,
    /// Streams refused because their protocol was at a limit.
    pub busy: u64,
    /// Times a peer broke a rule of `dsys/1`.
    pub violations: u64,
    /// Datagrams that nobody took.
    pub datagrams_dropped: u64,
    /// Bytes sent to all peers, those that are gone included.
    pub sent: u64,
    /// Bytes received from all peers, those that are gone included.
    pub received: u64,
    /// The peers that are connected now, in the order of their ids.
    pub peers: Vec<PeerStats>,
}

/// One connected peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerStats {
    /// Who.
    pub peer: NodeId,
    /// Where its packets come from.
    pub remote: Option<SocketAddr>,
    /// Whether we dialled it.
    pub dialled: bool,
    /// The present estimate of the round-trip time.
    pub rtt: Duration,
    /// The largest datagram just now, in bytes, its tag included.
    pub max_datagram: Option<usize>,
    /// What it speaks.
    pub protocols: Vec<Tag>,
    /// Streams that live now, of both sides.
    pub streams: usize,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

pub(super) fn snapshot(shared: &Shared) -> NodeStats {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &shared.counters;
    let transport = shared.transport.stats();
    let mut peers: Vec<PeerStats> = shared
        .table()
        .links()
        .iter()
        .map(|link| PeerStats {
            peer: link.peer,
            remote: link.remote_addr(),
            dialled: link.dialled,
            rtt: link.rtt(),
            max_datagram: link.max_datagram_size(),
            protocols: link.protocols().to_vec(),
            streams: link.meter.streams.load(Ordering::Relaxed),
            sent: count(&link.meter.sent),
            received: count(&link.meter.received),
        })
        .collect();
    peers.sort_unstable_by_key(|peer| peer.peer);
    NodeStats {
        dialled: count(&counters.dialled),
        dials_failed: count(&counters.dials_failed),
        accepted: count(&counters.accepted),
        refused: count(&counters.refused),
        handshakes_failed: transport.handshakes_failed,
        handshakes_refused: transport.handshakes_refused,
        unknown_protocol: count(&counters.unknown),
        busy: count(&counters.busy),
        violations: count(&counters.violations),
        datagrams_dropped: count(&counters.datagrams_dropped),
        sent: count(&counters.sent) + peers.iter().map(|peer| peer.sent).sum::<u64>(),
        received: count(&counters.received) + peers.iter().map(|peer| peer.received).sum::<u64>(),
        peers,
    }
}
