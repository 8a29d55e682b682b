//! Changes from a peer who is not honest: whatever is in a file with a proper head and checksum.
#![no_main]

use dsys_crdt::{Agent, Text, VersionVector};

fn text(name: &str) -> Text {
    Text::new(Agent::new(name).expect("the name is short"))
}

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    // With positions, and resolved.
    [b"dsystxt\x01", b"dsystxt\x02"].into_iter().for_each(|magic| apply(magic, body));
});

fn apply(magic: &[u8], body: &[u8]) {
    let mut changes = magic.to_vec();
    changes.extend_from_slice(body);
    let checksum = crc32fast::hash(&changes).to_le_bytes();
    changes.extend_from_slice(&checksum);
    let mut ours = text("a");
    ours.insert(0, "hello").expect("it is in range");
    for mut text in [text("b"), ours] {
        let before = (text.to_string(), text.version());
        match text.apply(&changes) {
            Err(_) => assert_eq!((text.to_string(), text.version()), before),
            Ok(_) => {
                // What was taken in can be passed on, saved and opened, and says the same everywhere.
                let mut other = self::text("c");
                let all = text.changes_since(&VersionVector::default()).expect("all of it is here");
                other.apply(&all).expect("it was taken in once");
                assert_eq!(other.to_string(), text.to_string());
                // Who has something is sent positions, which a walk follows from nothing.
                let mut something = self::text("nobody else");
                something.insert(0, "x").expect("it is in range");
                let positions = text.changes_since(&something.version()).expect("all of it is here");
                let mut walked = self::text("d");
                walked.apply(&positions).expect("it was taken in once");
                assert_eq!(walked.to_string(), text.to_string());
                let saved = text.save().expect("all of it is here");
                let mut opened = Text::load(&saved, text.agent().clone()).expect("it was saved");
                assert_eq!(opened.to_string(), text.to_string());
                opened.read_past().expect("it was saved");
                assert_eq!(opened.apply(&all), Ok(0));
            }
        }
    }
}
