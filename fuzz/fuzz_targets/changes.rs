//! Signed changes as bytes, from a peer who is not honest: whatever is in a bundle with a proper head.
#![no_main]

use dsys_crdt::change::{DocumentId, Open, decode_within, encode};
use dsys_crdt::doc::Doc;

libfuzzer_sys::fuzz_target!(|plain: &[u8]| {
    // The columns as they are before they are packed, and as they come.
    let mut packed = b"dsyschg\x01".to_vec();
    let mut length = plain.len();
    while length >= 0x80 {
        packed.push(length as u8 | 0x80);
        length >>= 7;
    }
    packed.push(length as u8);
    packed.extend(lz4_flex::block::compress(plain));
    for bytes in [packed.as_slice(), plain] {
        let Ok(changes) = decode_within(bytes, 1 << 20) else { continue };
        assert_eq!(decode_within(&encode(&changes), usize::MAX).expect("it was decoded"), changes);
        let document = changes.first().map_or(DocumentId::from_bytes([7; 32]), |change| change.header.document);
        let mut doc = Doc::new(document, Open);
        let (received, _) = doc.receive(changes, 0);
        // Nobody can sign in another's name.
        assert_eq!((received.accepted, doc.log().len()), (0, 0));
    }
});
