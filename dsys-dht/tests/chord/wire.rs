//! Golden bytes of Chord's messages. Changed bytes mean a new tag.

use dsys_core::NodeId;
use dsys_dht::Key;
use dsys_dht::chord::{Ask, Message, Place, Places, Tell};

fn check(message: Message, golden: &[u8]) {
    assert_eq!(postcard::to_allocvec(&message).unwrap(), golden);
    assert_eq!(postcard::from_bytes::<Message>(golden).unwrap(), message);
}

#[test]
fn the_bytes_are_what_they_were() {
    let node = Place::new(NodeId::from_bytes([9; 32]), 3);
    let with = |start: &[u8], middle: [u8; 32], end: &[u8]| [start, &middle, end].concat();
    check(Message::Request { call: 5, at: 4, ask: Ask::Ping }, &[0, 5, 4, 0]);
    check(
        Message::Request { call: 5, at: 4, ask: Ask::Way(Key::from_bytes([7; 32])) },
        &with(&[0, 5, 4, 1], [7; 32], &[]),
    );
    check(Message::Request { call: 5, at: 4, ask: Ask::Neighbours }, &[0, 5, 4, 2]);
    let owns = Ask::Owns(Key::from_bytes([7; 32]));
    check(Message::Request { call: 5, at: 4, ask: owns }, &with(&[0, 5, 4, 3], [7; 32], &[]));
    check(Message::Answer { call: 6, tell: Tell::Pong }, &[1, 6, 0]);
    let nodes = || Places::from(vec![node.clone()]);
    check(Message::Answer { call: 6, tell: Tell::Owners(nodes()) }, &with(&[1, 6, 1, 1, 3], [9; 32], &[0]));
    check(Message::Answer { call: 6, tell: Tell::Nearer(nodes()) }, &with(&[1, 6, 2, 1, 3], [9; 32], &[0]));
    let neighbours = Tell::Neighbours { predecessor: None, successors: nodes() };
    check(Message::Answer { call: 6, tell: neighbours }, &with(&[1, 6, 3, 0, 1, 3], [9; 32], &[0]));
    check(Message::Notify { at: 4, by: node.clone() }, &with(&[2, 4, 3], [9; 32], &[0]));
    let mut long = vec![1, 6, 1, 33];
    (0..33).for_each(|_| long.extend([0; 34]));
    assert!(postcard::from_bytes::<Message>(&long).is_err());
}
