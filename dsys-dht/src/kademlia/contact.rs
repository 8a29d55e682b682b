//! A node in the table.

use std::net::SocketAddr;

use dsys_core::{NodeAddr, NodeId, Time};

/// A node in the table.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) id: NodeId,
    /// Boxed, because a table has hundreds of contacts and most have one or two addresses.
    pub(super) addrs: Box<[SocketAddr]>,
    /// When it last answered or asked.
    pub(super) seen: Time,
    /// Questions it has left without an answer since it last answered.
    pub(super) failures: u8,
    /// The mean of how long its answers took, in seconds.
    pub(super) round_trip: Option<f32>,
}

impl Contact {
    pub(super) fn new(addr: &NodeAddr, seen: Time) -> Self {
        Contact { id: addr.id, addrs: addr.direct().into(), seen, failures: 0, round_trip: None }
    }

    pub(super) fn addr(&self) -> NodeAddr {
        self.addrs.iter().fold(NodeAddr::new(self.id), |addr, direct| addr.with(*direct))
    }
}
