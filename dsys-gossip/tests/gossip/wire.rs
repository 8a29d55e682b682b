//! The bytes on the wire, version 1. Changed bytes need a new protocol tag.

use bytes::Bytes;
use dsys_gossip::MessageId;
use dsys_gossip::rumor::{Message, Update, Verdict};
use dsys_gossip::{flood, plumtree};

fn check<M: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    message: &M,
    size: usize,
    hex: &str,
) {
    let bytes = postcard::to_allocvec(message).unwrap();
    let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, hex, "{message:?}");
    assert_eq!(postcard::from_bytes::<M>(&bytes).as_ref(), Ok(message));
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<M>(&bytes[..end]).is_err(), "{message:?} cut at {end}");
    }
    assert!(size.abs_diff(bytes.len()) <= 3, "{message:?}: {size} is about {}", bytes.len());
}

#[test]
fn rumor() {
    let id = MessageId([7; 16]);
    let sevens = "07".repeat(16);
    let update = Update { id, hops: 300, payload: Bytes::from_static(b"hi") };
    let cases = [
        (Message::Push(vec![update.clone()]), format!("0001{sevens}ac02026869")),
        (Message::Pull { offers: true }, "0101".into()),
        (Message::Give(vec![update.clone()]), format!("0201{sevens}ac02026869")),
        (
            Message::Judge { verdicts: vec![Verdict { id, news: true }], updates: vec![update] },
            format!("0301{sevens}0101{sevens}ac02026869"),
        ),
        (Message::Busy, "04".into()),
    ];
    for (message, hex) in &cases {
        check(message, message.size(), hex);
    }
}

#[test]
fn flood() {
    let message = flood::Message::Gossip { id: MessageId([7; 16]), hops: 300, payload: "hi".into() };
    check(&message, message.size(), &format!("00{}ac02026869", "07".repeat(16)));
}

#[test]
fn plumtree() {
    use plumtree::Message;
    let id = MessageId([7; 16]);
    let sevens = "07".repeat(16);
    let cases = [
        (Message::Gossip { id, hops: 300, payload: "hi".into() }, format!("00{sevens}ac02026869")),
        (Message::IHave(vec![id, id]), format!("0102{sevens}{sevens}")),
        (Message::Graft(None), "0200".into()),
        (Message::Graft(Some(id)), format!("0201{sevens}")),
        (Message::Prune, "03".into()),
        (Message::Ping, "04".into()),
        (Message::Pong, "05".into()),
    ];
    for (message, hex) in &cases {
        check(message, message.size(), hex);
    }
}

#[test]
fn partial_and_topic() {
    use dsys_core::{NodeAddr, NodeId};
    use dsys_gossip::membership::full;
    use dsys_gossip::membership::partial::Message;
    use dsys_gossip::topic;
    let addr = NodeAddr::new(NodeId::from_number(5)).with("192.0.2.7:443".parse().unwrap());
    // The id, one address, of version 4, its bytes, its port.
    let known = format!("{}050100c0000207bb03", "00".repeat(31));
    let cases = [
        (Message::Join(addr.clone()), format!("00{known}")),
        (Message::ForwardJoin { joiner: addr.clone(), ttl: 6 }, format!("01{known}06")),
        (Message::Neighbour { addr: addr.clone(), high: true }, format!("02{known}01")),
        (Message::Accept, "03".into()),
        (Message::Refuse, "04".into()),
        (Message::Disconnect, "05".into()),
        (
            Message::Shuffle { origin: Box::new(addr.clone()), ttl: 3, nodes: vec![addr.clone()] },
            format!("06{known}0301{known}"),
        ),
        (Message::ShuffleReply(vec![addr.clone()]), format!("0701{known}")),
        (Message::Ping, "08".into()),
        (Message::Pong, "09".into()),
        // 20,000 microseconds in LEB128.
        (
            Message::Swap { addr: addr.clone(), round_trip: 20_000, old: Box::new(addr.clone()) },
            format!("0a{known}a09c01{known}"),
        ),
        (Message::Swapped(addr.clone()), format!("0b{known}")),
        (Message::Instead { addr, ask: true }, format!("0c{known}01")),
    ];
    for (message, hex) in cases {
        check(&message, message.size(), &hex);
        let message = topic::Message::Membership(message);
        check(&message, message.size(), &format!("00{hex}"));
    }
    let message = topic::Message::Full(full::Message::Ping { seq: 300, updates: vec![] });
    check(&message, message.size(), "0200ac0200");
    let message = topic::Message::Broadcast(plumtree::Message::Prune);
    check(&message, message.size(), "0103");
}

#[test]
fn full() {
    use dsys_core::{NodeAddr, NodeId};
    use dsys_gossip::membership::full::{Claim, Message, Meta, Update};
    let addr = NodeAddr::new(NodeId::from_number(5)).with("192.0.2.7:443".parse().unwrap());
    let meta = Meta::from([("k".to_owned(), "v".to_owned())]);
    let of = |claim| Update { id: NodeId::from_number(5), incarnation: 300, claim };
    let five = format!("{}05", "00".repeat(31));
    let alive = format!("{five}ac0200{five}0100c0000207bb0301016b0176");
    let updates = vec![of(Claim::Alive { addr, meta })];
    let cases = [
        (Message::Ping { seq: 300, updates }, format!("00ac0201{alive}")),
        (Message::Ack { seq: 1, updates: vec![of(Claim::Down)] }, format!("010101{five}ac0202")),
        (
            Message::PingReq {
                seq: 1,
                target: NodeId::from_number(5),
                updates: vec![of(Claim::Suspect(NodeId::from_number(5)))],
            },
            format!("0201{five}01{five}ac0201{five}"),
        ),
        (Message::Nack { seq: 1, updates: vec![] }, "030100".into()),
        (Message::Join { updates: vec![] }, "0400".into()),
        (Message::Members { updates: vec![] }, "0500".into()),
    ];
    for (message, hex) in cases {
        check(&message, message.size(), &hex);
    }
}

#[test]
fn certificates_and_reconciliation() {
    use dsys_core::NodeId;
    use dsys_gossip::Timestamp;
    use dsys_gossip::certificate::{Entry, Message, Seen, Stamp, What};
    use dsys_gossip::reconcile::{Cell, Fingerprint, Range};
    let five = format!("{}05", "00".repeat(31));
    let time = Timestamp::from_millis(300);
    let stamp = Stamp { time, by: NodeId::from_number(5) };
    let sites = std::collections::BTreeSet::from([NodeId::from_number(5)]);
    let dead = What::Dead { activated: time, sites: sites.clone(), held: sites };
    let seen = Seen { key: "k".into(), stamp, activated: time, held: 2 };
    let entries = vec![
        ("k".into(), Entry { stamp, what: What::Item("v".into()) }),
        ("k".into(), Entry { stamp, what: dead }),
    ];
    let (written, id) = (format!("ac02{five}"), MessageId([7; 16]));
    let sevens = "07".repeat(16);
    let message = Message::Compare { from: "k".into(), to: None, have: vec![seen] };
    let hex = format!("00016b0001016b{written}ac0202");
    check(&message, hex.len() / 2, &hex);
    let message = Message::Differ { entries, want: vec!["k".into()] };
    let hex = format!("0102016b{written}000176016b{written}01ac0201{five}01{five}01016b");
    check(&message, hex.len() / 2, &hex);
    let cell = Cell { count: -1, hashes: 300, names: [7; 16] };
    check(&cell, 19, &format!("01ac02{sevens}"));
    let range = |has| Range { from: id, to: Some(id), has };
    check(&range(Fingerprint::Sum(300, [7; 16])), 52, &format!("{sevens}01{sevens}00ac02{sevens}"));
    check(&range(Fingerprint::All(vec![id])), 51, &format!("{sevens}01{sevens}0101{sevens}"));
    check(&range(Fingerprint::Besides(vec![])), 35, &format!("{sevens}01{sevens}0200"));
}

#[cfg(feature = "keys")]
#[test]
fn router() {
    use dsys_core::{NodeId, Signature};
    use dsys_gossip::envelope::TopicId;
    use dsys_gossip::path::Hops;
    use dsys_gossip::reconcile::Cell;
    use dsys_gossip::router::{Body, Compare, Wire};
    use dsys_gossip::{agent, links, membership::full};
    let id = MessageId([7; 16]);
    let (sevens, topic) = ("07".repeat(16), "09".repeat(8));
    let hops = Hops {
        from: NodeId::from_bytes([1; 32]),
        signed: vec![(NodeId::from_bytes([2; 32]), Signature::from_bytes([3; 64]))],
    };
    let way = format!("{}01{}{}", "01".repeat(32), "02".repeat(32), "03".repeat(64));
    let (give, signed) = (Body::Give { id, hops: 300, envelope: "hi".into(), path: None }, |path| {
        Body::Give { id, hops: 300, envelope: "hi".into(), path: Some(path) }
    });
    let cell = Cell { count: -1, hashes: 1 << 63, names: [7; 16] };
    let cases = [
        (Body::Topic(dsys_gossip::topic::Message::Broadcast(plumtree::Message::Prune)), "000103".to_owned()),
        (Body::Signed { message: plumtree::Message::Prune, hops: hops.clone() }, format!("0103{way}")),
        (Body::Ask { after: None, compare: None }, "020000".into()),
        (
            Body::Ask {
                after: Some((1 << 63, 300)),
                compare: Some(Compare { held: 300, expected: Some(5) }),
            },
            "020180808080808080808001ac0201ac020105".into(),
        ),
        (
            Body::Names { upto: (1 << 63, 300), more: true, ids: vec![id] },
            format!("0380808080808080808001ac020101{sevens}"),
        ),
        (Body::Want(vec![id, id]), format!("0402{sevens}{sevens}")),
        (give, format!("05{sevens}ac0202686900")),
        (signed(hops), format!("05{sevens}ac0202686901{way}")),
        (Body::Gone(vec![id]), format!("0601{sevens}")),
        (Body::News, "07".into()),
        (
            Body::Cells { upto: (1 << 63, 300), key: (1 << 63, 1 << 63), cells: vec![cell] },
            format!(
                "0880808080808080808001ac02{0}{0}010180808080808080808001{sevens}",
                "80808080808080808001"
            ),
        ),
        (Body::Offer { batch: 40_000, log: 40_000, ids: vec![id] }, format!("09c0b802c0b80201{sevens}")),
        (Body::Need { batch: 40_000, missing: 0xffff, have: 1 << 30 }, "0ac0b802ffff038080808004".into()),
        (
            Body::Part {
                batch: 40_000,
                which: 3,
                offset: 1 << 20,
                last: true,
                answer: false,
                bytes: "hi".into(),
            },
            "0bc0b80203808040010002".to_owned() + "6869",
        ),
    ];
    for (body, hex) in cases {
        let wire = Wire { topic: TopicId([9; 8]), body };
        check(&wire, wire.size(), &format!("{topic}{hex}"));
        let message = agent::Message::Topic(wire);
        check(&message, message.size(), &format!("00{topic}{hex}"));
    }
    let swim = full::Message::Nack { seq: 300, updates: vec![] };
    let cases = [
        (links::Message::Beat(300), "00ac02"),
        (links::Message::Here(300), "01ac02"),
        (links::Message::Swim(swim), "0203ac0200"),
    ];
    for (message, hex) in cases {
        let message = agent::Message::Link(message);
        check(&message, message.size(), &format!("01{hex}"));
    }
}

#[test]
fn scuttlebutt() {
    use dsys_core::NodeId;
    use dsys_gossip::scuttlebutt::{Known, Message, Version, Write, Writes};
    let (one, two) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
    let (ones, twos) = ("01".repeat(32), "02".repeat(32));
    let known = Known {
        from: one,
        to: Some(two),
        versions: vec![(one, Version { life: 1_800_000_000_000, number: 5 })],
    };
    let hex = format!("{ones}01{twos}01{ones}80a0f1c2b13405");
    let write = |value| Write { number: 300, key: "k".into(), value };
    let writes = vec![write(Some("v".into())), write(None)];
    let writes = vec![Writes { of: one, life: 1_800_000_000_000, after: 5, writes }];
    let said = format!("01{ones}80a0f1c2b1340502ac02016b010176ac02016b00");
    for (message, hex) in [
        (Message::Digest(known.clone()), format!("00{hex}")),
        (Message::Differ { writes: writes.clone(), known }, format!("01{said}{hex}")),
        (Message::Writes(writes), format!("02{said}")),
    ] {
        check(&message, message.size(), &hex);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_as_what_they_are(bytes in proptest::collection::vec(0u8..12, 0..60)) {
        // Small numbers, so that many of them mean something.
        fn read<M: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
            if let Ok((message, rest)) = postcard::take_from_bytes::<M>(bytes) {
                let read = &bytes[..bytes.len() - rest.len()];
                assert_eq!(postcard::to_allocvec(&message).unwrap(), read);
            }
        }
        read::<Message>(&bytes);
        read::<flood::Message>(&bytes);
        read::<dsys_gossip::topic::Message>(&bytes);
        read::<dsys_gossip::certificate::Message>(&bytes);
        read::<dsys_gossip::scuttlebutt::Message>(&bytes);
        read::<Vec<dsys_gossip::reconcile::Range>>(&bytes);
        #[cfg(feature = "keys")]
        read::<dsys_gossip::agent::Message>(&bytes);
    }
}
