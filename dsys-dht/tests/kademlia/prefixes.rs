//! How many nodes of one network are believed.

use std::net::SocketAddr;

use dsys_core::{NodeAddr, NodeId, Rng};
use dsys_dht::Overlay;
use dsys_dht::kademlia::{Config, Kademlia};

fn table(address: impl Fn(u32) -> String) -> Kademlia {
    table_with(Config::default(), address)
}

fn table_with(config: Config, address: impl Fn(u32) -> String) -> Kademlia {
    let mut rng = Rng::from_seed(1);
    let nodes = (0..400).map(|index| {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        let addr: SocketAddr = address(index).parse().unwrap();
        NodeAddr::new(NodeId::from_bytes(bytes)).with(addr)
    });
    Kademlia::new(NodeId::from_number(0), Vec::new(), config).with_contacts(nodes)
}

#[test]
fn one_network_gets_a_few_places_and_two_in_a_bucket() {
    let crowd = table(|index| format!("192.0.2.{}:{}", index % 250, 1_000 + index));
    assert_eq!(crowd.known(), 2, "not enough contacts for a bucket to split, and two in one bucket");
    let crowd_v6 = table(|index| format!("[2001:db8:1:{index:x}::1]:1"));
    assert_eq!(crowd_v6.known(), 2);
}

#[test]
fn many_networks_and_local_ones_are_not_limited() {
    let free = table(|index| format!("203.{}.{}.1:1", index / 250, index % 250)).known();
    assert!(free > 100, "{free}");
    assert_eq!(table(|index| format!("127.0.0.1:{}", 1_000 + index)).known(), free);
    assert_eq!(table(|index| format!("10.0.0.{}:{}", index % 250, 1_000 + index)).known(), free);
}

#[test]
fn a_network_that_has_its_share_of_the_table_gets_no_more() {
    // Every other node is of the crowd, so that buckets split and offer it ever more places.
    let crowd = |max_prefix_in_table| {
        let mixed =
            table_with(Config { max_prefix_in_table, ..Config::default() }, |index| match index % 2 {
                0 => format!("192.0.2.{}:1", index % 250),
                _ => format!("203.{}.{}.1:1", index / 250, index % 250),
            });
        mixed.contacts().filter(|c| c.direct()[0].to_string().starts_with("192.0.2.")).count()
    };
    assert!((5..=10).contains(&crowd(10)), "{}", crowd(10));
    assert_eq!(crowd(3), 3);
}
