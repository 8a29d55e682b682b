//! The messages' bytes, of `dsys/crdt/sync/4`. Changed bytes want another tag.

use dsys_crdt::change::{ChangeId, DocumentId};
use dsys_crdt::sync::{DocumentRange, Message, Wish};

#[test]
fn the_bytes_are_what_they_were() {
    let document = DocumentId::from_bytes([0x11; 32]);
    let heads = vec![ChangeId::from_bytes([0x22; 32])];
    let (ones, twos, nines) = ("11".repeat(32), "22".repeat(32), "09".repeat(16));
    let range = DocumentRange { first: document, last: document };
    for (message, bytes) in [
        (Message::Heads { document, heads: heads.clone(), wish: Wish::Heads }, format!("00{ones}01{twos}01")),
        (Message::Heads { document, heads: vec![], wish: Wish::Changes }, format!("00{ones}0002")),
        (Message::Heads { document, heads: vec![], wish: Wish::Nothing }, format!("00{ones}0000")),
        (
            Message::Preview { document, heads: heads.clone(), content: vec![5, 6] },
            format!("0b{ones}01{twos}020506"),
        ),
        (Message::Heads { document, heads: vec![], wish: Wish::Preview }, format!("00{ones}0003")),
        (Message::Trimmed { document, after: heads.clone() }, format!("0a{ones}01{twos}")),
        (Message::Have { document, have: heads }, format!("01{ones}01{twos}")),
        (
            Message::Changes { document, piece: 1, left: 300, changes: vec![5, 6] },
            format!("02{ones}01ac02020506"),
        ),
        (Message::Stored { document, piece: 9 }, format!("03{ones}09")),
        (Message::Spare { document }, format!("04{ones}")),
        (Message::Declined { document }, format!("05{ones}")),
        (Message::Presence { document, state: vec![7] }, format!("06{ones}0107")),
        (Message::Digest { ranges: vec![(range, 300, [9; 16])] }, format!("0701{ones}{ones}ac02{nines}")),
        (Message::Same { range }, format!("08{ones}{ones}")),
        (Message::Differ { range }, format!("09{ones}{ones}")),
    ] {
        let encoded = postcard::to_allocvec(&message).unwrap();
        let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, bytes, "{message:?}");
        assert_eq!(postcard::from_bytes::<Message>(&encoded).unwrap(), message);
    }
}
