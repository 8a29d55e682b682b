//! Whether a peer could be reached by somebody new.

use std::net::IpAddr;

use dsys_core::NodeAddr;

use super::Node;
use crate::error::DialError;

impl Node {
    /// Whether a node of this key answers at these addresses, or where no address is given at those that are known:
    /// dials it by a fresh connection, beside the one that stands, and closes that as soon as the key is proven. Gives
    /// the address that answered, or `addr` as it is where the transport has no addresses.
    ///
    /// Over QUIC it comes from a socket that the peer has never sent to, so that a NAT lets it pass only if it would let
    /// anybody pass who knocks from our IP address. Neither table of connections is touched, and the peer counts it as
    /// nothing.
    ///
    /// # Errors
    /// [`DialError`], as of a dial.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn probe(&self, addr: impl Into<NodeAddr>) -> Result<NodeAddr, DialError> {
        let mut addr = addr.into();
        if addr.id == self.id() {
            return Err(DialError::OwnId(addr.id));
        }
        if self.is_shutting_down() {
            return Err(DialError::ShutDown);
        }
        if addr.direct().is_empty() {
            addr = self.shared().book().complete(&addr);
        }
        let reached = self.shared().transport.clone().probe(addr.clone()).await?;
        Ok(reached.map_or(addr.clone(), |at| NodeAddr::new(addr.id).with(at)))
    }

    /// [`probe`](Self::probe) on behalf of the peer: only if it is connected, and only at addresses whose IP address is
    /// the one that its connection comes from. Whoever asks thus has nobody else knocked at.
    pub(crate) async fn probe_for_peer(&self, addr: NodeAddr) -> Result<NodeAddr, DialError> {
        let id = addr.id;
        let Some(link) = self.shared().table().link(&id) else {
            return Err(DialError::Unreachable { peer: id, reason: "it is not connected".into() });
        };
        let Some(seen) = link.remote_addr() else {
            return self.probe(addr).await;
        };
        let claimed = match addr.direct() {
            [] => self.shared().book().complete(&addr),
            _ => addr,
        };
        let own = claimed.direct().iter().filter(|at| plain(at.ip()) == plain(seen.ip()));
        let own = own.fold(NodeAddr::new(id), |addr, at| addr.with(*at));
        if own.direct().is_empty() {
            return Err(DialError::NoAddress(id));
        }
        self.probe(own).await
    }
}

/// An IPv4 address as such, in whatever form a socket for both families writes it (RFC 4291 §2.5.5.2).
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
