//! Golden bytes of `dsys/kad/2`. Changed bytes mean a new tag.

use dsys_core::{NodeAddr, NodeId};
use dsys_dht::Key;
use dsys_dht::kademlia::{Addresses, Ask, Message, Nodes};

fn check(message: Message, golden: &[u8]) {
    assert_eq!(postcard::to_allocvec(&message).unwrap(), golden);
    assert_eq!(postcard::from_bytes::<Message>(golden).unwrap(), message);
    assert_eq!(message.size(), golden.len(), "the size that the simulator counts");
}

#[test]
fn the_bytes_are_what_they_were() {
    check(Message::Request { call: 5, server: None, ask: Ask::Ping }, &[0, 5, 0, 0]);
    let addrs = Addresses::from(vec!["192.0.2.1:4433".parse().unwrap()]);
    let find = Ask::FindNode(Key::from_bytes([7; 32]));
    let mut golden = vec![0, 6, 1, 1, 0, 192, 0, 2, 1, 0xd1, 0x22, 1];
    golden.extend([7; 32]);
    check(Message::Request { call: 6, server: Some(addrs), ask: find }, &golden);
    check(Message::Answer { call: 7, nodes: Nodes::default() }, &[1, 7, 0]);
    let node = NodeAddr::new(NodeId::from_bytes([9; 32]));
    let mut golden = vec![1, 8, 1];
    golden.extend([9; 32]);
    golden.push(0);
    check(Message::Answer { call: 8, nodes: Nodes::from(vec![node]) }, &golden);
    let addrs = Addresses::from(vec!["192.0.2.1:4433".parse().unwrap()]);
    check(Message::DialBack { call: 9, addrs }, &[2, 9, 1, 0, 192, 0, 2, 1, 0xd1, 0x22]);
    check(Message::DialledBack { call: 9, reached: None }, &[3, 9, 0]);
    check(Message::DialledBack { call: 9, reached: Some(true) }, &[3, 9, 1, 1]);
}

#[test]
fn lists_that_are_too_long_are_refused() {
    let mut bytes = vec![1, 8, 33];
    (0..33).for_each(|_| bytes.extend([0; 33]));
    assert!(postcard::from_bytes::<Message>(&bytes).is_err());
    bytes[2] = 32;
    assert!(postcard::from_bytes::<Message>(&bytes).is_ok());
    assert!(postcard::from_bytes::<Message>(&[1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
}
