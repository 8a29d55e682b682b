#![no_main]
//! A record of a trace is one line of JSON that says what was recorded, whatever text is in it.

use dsys_core::trace::{Kind, Record};
use dsys_core::{NodeId, Time};

libfuzzer_sys::fuzz_target!(|input: (u64, [u8; 32], Option<[u8; 32]>, Option<u64>, Option<&str>)| {
    let (t, node, peer, bytes, detail) = input;
    let (node, peer) = (NodeId::from_bytes(node), peer.map(NodeId::from_bytes));
    let mut line = Vec::new();
    let record = Record { t: Time::from_nanos(t), node, kind: Kind::Receive, peer, bytes, detail };
    record.write_json(&mut line).unwrap();
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
    let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(read["t"].as_u64(), Some(t));
    assert_eq!(read["node"].as_str(), Some(&node.to_string()[..]));
    assert_eq!(read["kind"].as_str(), Some("recv"));
    assert_eq!(read["peer"].as_str(), peer.map(|peer| peer.to_string()).as_deref());
    assert_eq!(read["bytes"].as_u64(), bytes);
    assert_eq!(read["detail"].as_str(), detail);
});
