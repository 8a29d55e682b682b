//! A node as a DNS-SD record, and back. What comes back was written by anybody on the network.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use dsys_core::{NodeAddr, NodeId, ParseIdError};
use mdns_sd::{Error, ResolvedService, ScopedIp, ServiceInfo};

/// Why a record says nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRecord {
    #[error("it has no readable `id`")]
    NoId,
    #[error("its `id` is none: {0}")]
    BadId(#[from] ParseIdError),
    #[error("it gives no address that could be dialled")]
    NoAddress,
}

/// The announcement of a node; `None` without an address to announce.
pub(super) fn encode(id: NodeId, addrs: &[SocketAddr], service: &str) -> Result<Option<ServiceInfo>, Error> {
    let txt = to_txt(id, addrs);
    let port = addrs.first().map_or(0, SocketAddr::port);
    let name = id.to_string();
    // DNS wants host addresses with every service; the library fills in those of each interface.
    let info = ServiceInfo::new(service, &name, &format!("{name}.local."), (), port, txt.as_slice())?;
    Ok((txt.len() > 1).then(|| info.enable_addr_auto()))
}

pub(super) fn decode(found: &ResolvedService) -> Result<NodeAddr, BadRecord> {
    let text = |key: &str| std::str::from_utf8(found.get_property_val(key)??).ok();
    from_txt(text, found.addresses.iter().map(host))
}

fn to_txt(id: NodeId, addrs: &[SocketAddr]) -> Vec<(String, String)> {
    let mut txt = vec![("id".to_owned(), id.to_string())];
    if let Some(every) = addrs.iter().find(|addr| addr.ip().is_unspecified() && addr.port() != 0) {
        txt.push(("port".to_owned(), every.port().to_string()));
    }
    let direct = addrs.iter().filter(|addr| can_be_dialled(addr)).take(NodeAddr::MAX_DIRECT);
    txt.extend(direct.enumerate().map(|(number, addr)| (format!("a{number}"), addr.to_string())));
    txt
}

/// Reads at most `MAX_DIRECT` addresses. `hosts` are those of the interfaces on which the record was heard, with any
/// port.
fn from_txt<'a>(
    text: impl Fn(&str) -> Option<&'a str>,
    hosts: impl Iterator<Item = SocketAddr>,
) -> Result<NodeAddr, BadRecord> {
    let mut node = NodeAddr::new(text("id").ok_or(BadRecord::NoId)?.parse()?);
    for number in 0..NodeAddr::MAX_DIRECT {
        if let Some(addr) =
            text(&format!("a{number}")).and_then(|addr| addr.parse().ok()).filter(can_be_dialled)
        {
            node.insert(addr);
        }
    }
    if let Some(port) = text("port").and_then(|port| port.parse().ok()) {
        for mut addr in hosts {
            addr.set_port(port);
            if can_be_dialled(&addr) {
                node.insert(addr);
            }
        }
    }
    if node.direct().is_empty() { Err(BadRecord::NoAddress) } else { Ok(node) }
}

/// One host, to which packets may be sent on somebody else's word: neither nobody nor everybody.
fn can_be_dialled(addr: &SocketAddr) -> bool {
    let broadcast = matches!(addr.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast() && !broadcast
}

fn host(ip: &ScopedIp) -> SocketAddr {
    match ip {
        // A link-local address means something only together with its interface.
        ScopedIp::V6(ip) if ip.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*ip.addr(), 0, 0, ip.scope_id().index).into()
        }
        ip => SocketAddr::new(ip.to_ip_addr(), 0),
    }
}

/// A record is refused, or names a node that can be dialled, at few addresses; announcing that node says the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn assert_record(pairs: &[(String, String)], hosts: &[SocketAddr]) {
    fn read(pairs: &[(String, String)], hosts: &[SocketAddr]) -> Result<NodeAddr, BadRecord> {
        let text = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        from_txt(text, hosts.iter().copied())
    }
    if let Ok(node) = read(pairs, hosts) {
        assert!(node.id.is_sound());
        assert!(!node.direct().is_empty() && node.direct().len() <= NodeAddr::MAX_DIRECT);
        assert!(node.direct().iter().all(can_be_dialled));
        assert_eq!(read(&to_txt(node.id, node.direct()), &[]), Ok(node));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use dsys_core::SecretKey;
    use proptest::prelude::*;

    use super::*;

    fn read(txt: &[(String, String)], hosts: &[&str]) -> Result<NodeAddr, BadRecord> {
        let map: HashMap<&str, &str> =
            txt.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        from_txt(|key| map.get(key).copied(), hosts.iter().map(|host| host.parse().unwrap()))
    }

    fn id() -> NodeId {
        SecretKey::from_bytes([3; 32]).public()
    }

    fn txt(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let addrs: Vec<SocketAddr> =
            ["192.0.2.7:4433", "[2001:db8::7]:4434"].iter().map(|addr| addr.parse().unwrap()).collect();
        let node = read(&to_txt(id(), &addrs), &["198.51.100.1:0"]).unwrap();
        assert_eq!(node, NodeAddr::new(id()).with(addrs[0]).with(addrs[1]));
    }

    #[test]
    fn an_unspecified_address_stands_for_the_hosts() {
        let any = to_txt(id(), &["0.0.0.0:4433".parse().unwrap()]);
        let node = read(&any, &["192.0.2.7:0", "[fe80::1%3]:0"]).unwrap();
        let texts: Vec<String> = node.direct().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.0.2.7:4433", "[fe80::1%3]:4433"]);
    }

    #[test]
    fn without_addresses_nothing_is_announced() {
        assert!(encode(id(), &[], "_dsys._udp.local.").unwrap().is_none());
        let info = encode(id(), &["192.0.2.7:4433".parse().unwrap()], "_dsys._udp.local.").unwrap().unwrap();
        assert_eq!(info.get_fullname(), format!("{}._dsys._udp.local.", id()));
        assert_eq!(info.get_property_val_str("a0"), Some("192.0.2.7:4433"));
    }

    #[test]
    fn hostile_records_are_refused_or_cut() {
        let me = id().to_string();
        assert_eq!(read(&[], &[]), Err(BadRecord::NoId));
        assert!(matches!(read(&txt(&[("id", "y")]), &[]), Err(BadRecord::BadId(_))));
        // The identity point: a key of small order, for which anybody can sign.
        let weak = NodeId::from_bytes(std::array::from_fn(|i| u8::from(i == 0))).to_string();
        assert!(matches!(read(&txt(&[("id", &weak)]), &[]), Err(BadRecord::BadId(_))));
        for addr in
            ["", "host:1", "192.0.2.1", "192.0.2.1:0", "0.0.0.0:9", "224.0.0.251:5353", "[ff02::fb]:1"]
        {
            let one = txt(&[("id", &me), ("a0", addr)]);
            assert_eq!(read(&one, &["192.0.2.1:0"]), Err(BadRecord::NoAddress), "{addr}");
        }
        let broadcast = txt(&[("id", &me), ("port", "99"), ("a0", "255.255.255.255:9")]);
        assert_eq!(read(&broadcast, &["255.255.255.255:0"]), Err(BadRecord::NoAddress));

        let mut many = txt(&[("id", &me), ("port", "1")]);
        many.extend((0..1000).map(|n| (format!("a{n}"), format!("192.0.2.{}:{}", n % 250, n + 1))));
        let node = read(&many, &["198.51.100.1:0"]).unwrap();
        assert_eq!(node.direct().len(), NodeAddr::MAX_DIRECT);
    }

    proptest! {
        #[test]
        fn whatever_a_record_says_the_result_is_bounded(
            pairs in proptest::collection::vec(("(id|port|a[0-9]{1,2})", ".{0,60}"), 0..40),
            good in any::<bool>(),
        ) {
            let mut pairs = pairs;
            if good {
                pairs.push(("id".into(), id().to_string()));
            }
            assert_record(&pairs, &["192.0.2.1:0".parse().unwrap()]);
        }
    }
}
