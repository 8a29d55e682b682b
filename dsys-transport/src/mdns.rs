//! Finding nodes on the local network: multicast DNS (RFC 6762) and DNS-SD (RFC 6763).

mod discovery;
mod record;

pub use discovery::Discovery;
#[cfg(any(test, fuzzing))]
pub(crate) use record::assert_record;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId};
use mdns_sd::{Error, IfKind, MDNS_PORT, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};

/// How long `stop` waits for each of its two steps.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Announces a node on the local network and finds others.
///
/// Nothing is sent before [`start`](Mdns::start). Everybody on the network can hear the node's id and addresses, and
/// anybody can claim any: what [`next`](Mdns::next) gives is a hint to dial, and the dial proves who answers. A
/// record that does not decode is dropped with a line at DEBUG.
///
/// The announcement is the instance `<id>._dsys._udp.local.`, whose TXT record holds `id`, `a0` to `a15` (socket
/// addresses), and `port` for a node that listens on every interface.
///
/// Work is done by one thread of `mdns-sd`, which ends with [`stop`](Mdns::stop) or when this is dropped.
pub struct Mdns {
    daemon: ServiceDaemon,
    own: NodeId,
    service: String,
    /// The full name of our announcement, if there is one.
    announced: Option<String>,
    found: Receiver<ServiceEvent>,
}

/// Why discovery did not start. Nothing runs and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MdnsError {
    /// No interface of this machine can do multicast.
    #[error(
        "no network interface takes part in multicast ({0}): connect to a local network, or add peers by ticket"
    )]
    NoMulticast(String),
    /// The name of the service is not one.
    #[error("\"{service}\" cannot be announced ({reason}): use a name such as `_dsys._udp.local.`")]
    BadService {
        /// What was given.
        service: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system did not let it start.
    #[error("multicast DNS could not start ({0}): see whether the system allows UDP port 5353")]
    Failed(String),
}

impl Mdns {
    /// The service under which nodes find each other unless an app has its own.
    pub const SERVICE: &str = "_dsys._udp.local.";

    /// Announces `id` at `addrs`, at most [`NodeAddr::MAX_DIRECT`] of them, and looks for others of the same
    /// `service`, such as [`Mdns::SERVICE`]. An unspecified address (`0.0.0.0:4433`) stands for the addresses of all
    /// interfaces. Without any address it looks and announces nothing.
    ///
    /// # Errors
    /// [`MdnsError`]; nothing was started.
    pub fn start(id: NodeId, addrs: &[SocketAddr], service: &str) -> Result<Mdns, MdnsError> {
        can_multicast()?;
        Self::start_on(id, addrs, service, MDNS_PORT, None)
    }

    /// The next node that was found; it may be one that was found before, when its record changes. `None` once
    /// discovery has ended.
    ///
    /// If nobody calls this while very many are found, the search starts anew with the next call.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn next(&mut self) -> Option<NodeAddr> {
        loop {
            match self.found.recv_async().await {
                Ok(ServiceEvent::ServiceResolved(found)) => match record::decode(&found) {
                    Ok(node) if node.id == self.own => {}
                    Ok(node) => return Some(node),
                    Err(error) => {
                        tracing::debug!(name = %found.fullname.escape_debug(), %error, "a bad record")
                    }
                },
                Ok(_) => {}
                // The library drops a listener that falls behind.
                Err(_) => match self.daemon.browse(&self.service) {
                    Ok(found) => self.found = found,
                    Err(Error::Again) => tokio::time::sleep(Duration::from_millis(100)).await,
                    Err(_) => return None,
                },
            }
        }
    }

    /// Says goodbye, so that others forget the announcement, and ends the thread. Takes at most about 2 s.
    ///
    /// Cancel safety: dropping the future ends the thread, perhaps without the goodbye.
    pub async fn stop(mut self) {
        if let Some(name) = self.announced.take()
            && let Ok(said) = self.daemon.unregister(&name)
        {
            let _ = tokio::time::timeout(STOP_WAIT, said.recv_async()).await;
        }
        if let Ok(over) = self.daemon.shutdown() {
            let _ = tokio::time::timeout(STOP_WAIT, over.recv_async()).await;
        }
    }

    fn start_on(
        own: NodeId,
        addrs: &[SocketAddr],
        service: &str,
        port: u16,
        only: Option<IfKind>,
    ) -> Result<Mdns, MdnsError> {
        let service = format!("{}.", service.trim_end_matches('.'));
        let bad = |reason: String| MdnsError::BadService { service: service.clone(), reason };
        check_service(&service).map_err(|reason| bad(reason.to_owned()))?;
        let info = record::encode(own, addrs, &service).map_err(|error| bad(error.to_string()))?;
        let announced = info.as_ref().map(|info| info.get_fullname().to_owned());
        let failed = |error: Error| MdnsError::Failed(error.to_string());
        let daemon = ServiceDaemon::new_with_port(port).map_err(failed)?;
        match begin(&daemon, &service, info, only) {
            Ok(found) => Ok(Mdns { daemon, own, service, announced, found }),
            Err(error) => {
                let _ = daemon.shutdown();
                Err(failed(error))
            }
        }
    }
}

impl Drop for Mdns {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

impl fmt::Debug for Mdns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mdns").field("own", &self.own).field("service", &self.service).finish_non_exhaustive()
    }
}

fn begin(
    daemon: &ServiceDaemon,
    service: &str,
    info: Option<ServiceInfo>,
    only: Option<IfKind>,
) -> Result<Receiver<ServiceEvent>, Error> {
    if let Some(only) = only {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(only)?;
    }
    let found = daemon.browse(service)?;
    if let Some(info) = info {
        daemon.register(info)?;
    }
    Ok(found)
}

/// RFC 6763 §7: an underscore, 1 to 15 letters, digits and hyphens (RFC 6335 §5.1), and the protocol. The library
/// would notice a bad one only in its thread, and say nothing.
fn check_service(service: &str) -> Result<(), &'static str> {
    let name = service
        .strip_suffix("._udp.local.")
        .ok_or("it does not end with `._udp.local.`")?
        .strip_prefix('_')
        .ok_or("it does not begin with `_`")?;
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && (1..=15).contains(&name.len());
    if sound { Ok(()) } else { Err("its name is not 1 to 15 letters, digits and hyphens") }
}

/// The library starts without an interface and is silent; this asks the system first. It joins the groups of RFC
/// 6762 §3 for a moment and sends nothing of ours.
fn can_multicast() -> Result<(), MdnsError> {
    let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::UNSPECIFIED));
    let Err(error) = v4 else { return Ok(()) };
    let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.join_multicast_v6(&Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb), 0));
    v6.map_err(|_| MdnsError::NoMulticast(error.to_string()))
}

#[cfg(test)]
mod tests {
    use dsys_core::SecretKey;

    use super::*;

    #[test]
    fn a_name_that_is_no_service_is_refused() {
        let id = SecretKey::from_bytes([1; 32]).public();
        let addr = "192.0.2.1:4433".parse().unwrap();
        for service in
            ["", "dsys", "_dsys._udp", "_a-name-too-long-._udp.local.", "_._udp.local.", "_a.b._udp.local."]
        {
            let started = Mdns::start_on(id, &[addr], service, 15353, Some(IfKind::LoopbackV4));
            assert!(matches!(started, Err(MdnsError::BadService { .. })), "{service}: {started:?}");
        }
    }

    // Other systems do not loop multicast on their loopback interface.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn two_nodes_on_loopback_find_each_other() {
        let ids = [1, 2].map(|seed| SecretKey::from_bytes([seed; 32]).public());
        let addrs: [SocketAddr; 2] = ["192.0.2.1:4433", "192.0.2.2:4433"].map(|addr| addr.parse().unwrap());
        let start = |id, addr| {
            Mdns::start_on(id, &[addr], "_dsys-test._udp.local.", 15354, Some(IfKind::LoopbackV4)).unwrap()
        };
        let [mut one, mut two] = [start(ids[0], addrs[0]), start(ids[1], addrs[1])];
        let deadline = Duration::from_secs(60);
        let found = tokio::time::timeout(deadline, async { tokio::join!(one.next(), two.next()) }).await;
        let (by_one, by_two) = found.expect("multicast on the loopback interface");
        assert_eq!(by_one, Some(NodeAddr::new(ids[1]).with(addrs[1])));
        assert_eq!(by_two, Some(NodeAddr::new(ids[0]).with(addrs[0])));
        one.stop().await;
        two.stop().await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn nodes_that_found_each_other_may_be_dialled_by_id() {
        let network = crate::MemoryNetwork::new();
        let [one, two] = [1, 2].map(|seed| {
            let id = SecretKey::from_bytes([seed; 32]).public();
            crate::Node::new(network.transport(id), crate::NodeConfig::default())
        });
        let follow = |node: &crate::Node, addr: &str| {
            let addr: SocketAddr = addr.parse().unwrap();
            let only = Some(IfKind::LoopbackV4);
            node.follow(Mdns::start_on(node.id(), &[addr], "_dsys-nodes._udp.local.", 15355, only).unwrap())
        };
        let (mut by_one, _by_two) = (follow(&one, "192.0.2.1:4433"), follow(&two, "192.0.2.2:4433"));
        let found = tokio::time::timeout(Duration::from_secs(60), by_one.next()).await.expect("multicast");
        assert_eq!(found, Some(NodeAddr::new(two.id()).with("192.0.2.2:4433".parse().unwrap())));
        assert_eq!(one.shared().known(two.id()), found.unwrap());
        for node in [one, two] {
            node.shutdown(Duration::from_secs(5)).await;
        }
        assert_eq!(by_one.next().await, None);
    }
}
