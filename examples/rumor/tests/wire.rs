//! The bytes on the wire, version 1. Changed bytes need a new protocol tag.

use bytes::Bytes;
use rumor::{Message, RumorId};

#[test]
fn messages_have_the_recorded_bytes() {
    let id = RumorId([7; 16]);
    let sevens = "07".repeat(16);
    let cases = [
        (
            Message::Push { id, hops: 300, payload: Bytes::from_static(b"hi") },
            format!("00{sevens}ac02026869"),
        ),
        (Message::Feedback { id, knew: true }, format!("01{sevens}01")),
        (Message::Digest(vec![id, id]), format!("0202{sevens}{sevens}")),
        (Message::Want(vec![]), "0300".to_string()),
    ];
    for (message, hex) in cases {
        let bytes = postcard::to_allocvec(&message).unwrap();
        let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, hex);
        assert_eq!(postcard::from_bytes::<Message>(&bytes), Ok(message.clone()));
        let (size, real) = (message.size(), bytes.len());
        assert!(size.abs_diff(real) <= 2, "{size} is about {real}");
    }
}

#[test]
fn torn_and_hostile_bytes_are_refused() {
    let whole = postcard::to_allocvec(&Message::Digest(vec![RumorId([1; 16]); 3])).unwrap();
    for end in 0..whole.len() {
        assert!(postcard::from_bytes::<Message>(&whole[..end]).is_err());
    }
    // A digest that claims 2^63 names and has none.
    let lies = [2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(postcard::from_bytes::<Message>(&lies).is_err());
}
