//! Limits and timings of the QUIC transport, with presets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::connection::FIRST_STREAMS;
use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig};

/// Limits and timings of the QUIC transport. Start from a preset and change what you must.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuicConfig {
    /// A dial fails after this long, over all addresses.
    pub dial_timeout: Duration,
    /// The next address of a dial is tried after this long without an answer (RFC 8305 §5 recommends 250 ms).
    pub dial_stagger: Duration,
    /// A connection of which nothing is heard for so long is dead.
    pub silence_timeout: Duration,
    /// How often a quiet connection is kept alive; must be well below the peers' `silence_timeout`.
    pub keep_alive: Duration,
    /// Streams of each kind that a peer may have open at once; the contract of a transport asks for 1,024. A
    /// connection begins with 48 and is given more as streams are accepted, because each costs memory when it may
    /// be opened, not only when it is.
    pub max_streams: u32,
    /// Bytes in flight to us on one stream before the reader must take some.
    pub stream_window: u32,
    /// Bytes in flight to us on one connection: what a peer can make us hold for streams that nobody reads.
    pub receive_window: u32,
    /// Bytes that we keep unacknowledged on one connection.
    pub send_window: u64,
    /// The largest UDP payload that path MTU discovery (RFC 8899) tries. At most 6,550: above it a batch of segments
    /// (GSO) exceeds one datagram of 64 KiB and throughput collapses.
    pub max_udp_payload: u16,
    /// The UDP payload with a peer at a loopback address, within the same bounds. The loopback interfaces of all
    /// systems carry 16 KiB and more, so nothing is tried there. Each connection keeps one packet of memory.
    pub loopback_udp_payload: u16,
    /// The UDP payload assumed before discovery, which every path must carry. At least 1,200 (RFC 9000 §14).
    pub initial_mtu: u16,
    /// Bytes of incoming datagrams held for a reader; the oldest are dropped.
    pub datagram_buffer: usize,
    /// Handshakes under way at once on each socket; a peer beyond that is refused. From the half of it on, each
    /// must first prove that it can hear us at its address (RFC 9000 §8.1.2).
    pub max_handshakes: usize,
    /// Finished connections that wait for `accept`.
    pub accept_queue: usize,
}

impl QuicConfig {
    /// For the open Internet, and the default: MTU up to 1,452 (4,096 within one machine), windows for 100 Mbit/s at 100 ms.
    pub fn wan() -> Self {
        QuicConfig {
            dial_timeout: Duration::from_secs(10),
            dial_stagger: Duration::from_millis(250),
            silence_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            max_streams: 1_024,
            stream_window: 1_250_000,
            receive_window: 16 << 20,
            send_window: 10_000_000,
            max_udp_payload: 1_452,
            loopback_udp_payload: 4_096,
            initial_mtu: 1_200,
            datagram_buffer: 1_250_000,
            max_handshakes: 256,
            accept_queue: 64,
        }
    }

    /// For one machine or a local network with large frames: MTU up to 6,500, windows of 8 MiB, quick to give up.
    pub fn lan() -> Self {
        QuicConfig {
            dial_timeout: Duration::from_secs(5),
            dial_stagger: Duration::from_millis(100),
            silence_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(3),
            stream_window: 8 << 20,
            receive_window: 64 << 20,
            send_window: 16 << 20,
            max_udp_payload: 6_500,
            loopback_udp_payload: 6_500,
            ..Self::wan()
        }
    }

    /// For tests: as `lan`, and times so short that a test sees them run out.
    pub fn test() -> Self {
        QuicConfig {
            dial_timeout: Duration::from_secs(2),
            silence_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_millis(500),
            max_udp_payload: 1_452,
            loopback_udp_payload: 1_452,
            stream_window: 256 << 10,
            ..Self::lan()
        }
    }

    /// quinn's form of this.
    pub(super) fn transports(&self) -> io::Result<ByPath<Arc<TransportConfig>>> {
        let mut discovery = MtuDiscoveryConfig::default();
        let largest = self.max_udp_payload.clamp(1_200, MAX_UDP_PAYLOAD);
        // Each step of the search costs both ends the reading of a packet full of padding.
        discovery.upper_bound(largest).minimum_change((largest.saturating_sub(self.initial_mtu) / 8).max(20));
        let mut other = self.transport()?;
        other
            .initial_mtu(self.initial_mtu.clamp(1_200, MAX_UDP_PAYLOAD))
            .mtu_discovery_config(Some(discovery));
        let mut loopback = self.transport()?;
        // Known to be short: until the first is measured, patience is counted in round trips, and so is the time for which a
        // dial that nobody answered holds its socket.
        loopback.initial_rtt(Duration::from_millis(50));
        loopback
            .initial_mtu(self.loopback_udp_payload.clamp(1_200, MAX_UDP_PAYLOAD))
            .mtu_discovery_config(None);
        Ok(ByPath { loopback: Arc::new(loopback), other: Arc::new(other) })
    }

    /// The largest UDP payload that we take.
    pub(super) fn max_incoming(&self) -> u16 {
        // quinn's own default is the least.
        self.max_udp_payload.max(self.loopback_udp_payload).clamp(1_472, MAX_UDP_PAYLOAD)
    }

    /// What does not depend on the path.
    fn transport(&self) -> io::Result<TransportConfig> {
        let idle = IdleTimeout::try_from(self.silence_timeout).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "`silence_timeout` is too long for QUIC")
        })?;
        let mut transport = TransportConfig::default();
        transport
            // The rest is given as it is used: see `Allowance`.
            .max_concurrent_bidi_streams(self.max_streams.min(FIRST_STREAMS).into())
            .max_concurrent_uni_streams(self.max_streams.saturating_add(1).min(FIRST_STREAMS).into())
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .stream_receive_window(self.stream_window.into())
            .receive_window(self.receive_window.into())
            .send_window(self.send_window)
            .datagram_receive_buffer_size(Some(self.datagram_buffer));
        Ok(transport)
    }
}

/// One value for paths within this machine, one for all others.
#[derive(Clone, Debug)]
pub(super) struct ByPath<T> {
    pub(super) loopback: T,
    pub(super) other: T,
}

impl<T> ByPath<T> {
    /// The value for the path to `addr`.
    pub(super) fn of(&self, addr: SocketAddr) -> &T {
        if addr.ip().to_canonical().is_loopback() { &self.loopback } else { &self.other }
    }
}

/// See [`QuicConfig::max_udp_payload`].
pub(super) const MAX_UDP_PAYLOAD: u16 = 6_550;

impl Default for QuicConfig {
    fn default() -> Self {
        Self::wan()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_within_the_machine_are_told_from_others() {
        let paths = ByPath { loopback: true, other: false };
        for addr in ["127.0.0.1:1", "127.9.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(paths.of(addr.parse().unwrap()), "{addr}");
        }
        for addr in ["10.0.0.1:1", "1.1.1.1:1", "[::]:1", "[fe80::1]:1", "[::ffff:1.1.1.1]:1"] {
            assert!(!paths.of(addr.parse().unwrap()), "{addr}");
        }
    }
}
