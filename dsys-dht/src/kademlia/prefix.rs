//! Which contacts share a network, for the limits on how many of one network are believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The part of an address that one owner usually has whole: IPv4 /24, IPv6 /48. The rest is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Prefix {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Prefix {
    /// `None` for addresses of this host and of local networks, which are no sign of one attacker.
    pub(super) fn of(addr: &SocketAddr) -> Option<Prefix> {
        match addr.ip().to_canonical() {
            IpAddr::V4(ip) => (!local_v4(ip)).then(|| {
                let [a, b, c, _] = ip.octets();
                Prefix::V4([a, b, c])
            }),
            IpAddr::V6(ip) => (!local_v6(ip)).then(|| {
                let [a, b, c, ..] = ip.segments();
                Prefix::V6([a, b, c])
            }),
        }
    }

    /// Those of a node, each once.
    pub(super) fn of_all(addrs: &[SocketAddr]) -> impl Iterator<Item = Prefix> + '_ {
        addrs.iter().enumerate().filter_map(|(at, addr)| {
            let prefix = Prefix::of(addr)?;
            let before = addrs.iter().take(at).any(|earlier| Prefix::of(earlier) == Some(prefix));
            (!before).then_some(prefix)
        })
    }
}

fn local_v4(ip: Ipv4Addr) -> bool {
    // RFC 1918, RFC 3927, RFC 6598 (carriers' shared space, 100.64/10).
    let [a, b, ..] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_unspecified()
        || (a == 100 && b & 0xc0 == 64)
}

fn local_v6(ip: Ipv6Addr) -> bool {
    // RFC 4193 (fc00::/7), RFC 4291 (fe80::/10).
    ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_one_prefix_and_local_addresses_have_none() {
        let of = |text: &str| Prefix::of(&text.parse().unwrap());
        assert_eq!(of("192.0.2.1:1"), of("192.0.2.255:9"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.3.1:1"));
        assert_eq!(of("[2001:db8:1::1]:1"), of("[2001:db8:1:ffff::1]:1"));
        assert_ne!(of("[2001:db8:1::1]:1"), of("[2001:db8:2::1]:1"));
        assert_eq!(of("[::ffff:192.0.2.1]:1"), of("192.0.2.1:1"));
        for local in [
            "127.0.0.1:1",
            "10.1.2.3:1",
            "192.168.0.1:1",
            "169.254.1.1:1",
            "100.64.0.1:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(of(local), None, "{local}");
        }
        assert_ne!(of("100.128.0.1:1"), None);
    }
}
