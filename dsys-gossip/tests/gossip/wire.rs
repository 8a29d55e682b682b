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
