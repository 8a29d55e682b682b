//! A saved text that was made with malice: it opens or not, and what opens can be edited.
#![no_main]

use dsys_crdt::{Agent, Text, VersionVector};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let mut saved = b"dsystxt\x01".to_vec();
    saved.extend_from_slice(body);
    let checksum = crc32fast::hash(&saved).to_le_bytes();
    saved.extend_from_slice(&checksum);
    let agent = Agent::new("b").expect("the name is short");
    let Ok(mut text) = Text::load(&saved, agent) else { return };
    let known = text.version();
    text.insert(0, "x").expect("it is in range");
    text.delete(0..1).expect("it is in range");
    text.changes_since(&known).expect("it was made here");
    let before = text.to_string();
    let whole = text.changes_since(&VersionVector::default());
    let saved = text.save();
    let read = text.read_past();
    assert!(text.to_string() == before);
    assert_eq!(saved.is_ok(), read.is_ok() || text.trimmed().is_some());
    if let (Ok(saved), Ok(whole)) = (saved, whole) {
        assert!(Text::read_saved(&saved) == Ok(before.clone()));
        let mut other = Text::new(Agent::new("c").expect("the name is short"));
        other.apply(&whole).expect("it was read");
        assert!(other.to_string() == before);
    }
});
