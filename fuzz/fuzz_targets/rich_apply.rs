//! Marks from a peer who is not honest: whatever is in a file with a proper head and checksum, on a text that is there.
#![no_main]

use dsys_crdt::{Agent, Expand, RichText, RichUndo};

fn rich(name: &str) -> RichText {
    RichText::new(Agent::new(name).expect("the name is short"))
}

libfuzzer_sys::fuzz_target!(|marks: &[u8]| {
    let mut ours = rich("a");
    ours.insert(0, "some text").expect("it is in range");
    let text = ours.text().changes_since(&Default::default()).expect("all of it is here");
    let mut changes = b"dsysrch\x01".to_vec();
    changes.push(text.len() as u8);
    changes.extend_from_slice(&text);
    changes.extend_from_slice(marks);
    let checksum = crc32fast::hash(&changes).to_le_bytes();
    changes.extend_from_slice(&checksum);
    for mut rich in [rich("b"), ours] {
        let before = rich.version();
        if rich.apply(&changes).is_err() {
            assert_eq!(rich.version(), before);
        }
        // Whatever it holds can be edited, taken back, saved and opened, and says the same everywhere.
        let spans = rich.spans().expect("it is small");
        let mut undo = RichUndo::new(&rich);
        rich.insert(0, "new").expect("it is in range");
        rich.mark(0..2, "bold", "", Expand::After).expect("it is in range");
        undo.undo(&mut rich).expect("it is small");
        let after = rich.spans().expect("it is small");
        assert_eq!(after, spans);
        rich.to_markdown().expect("it is small");
        let saved = rich.save().expect("it is small");
        let mut other = RichText::load(&saved, Agent::new("c").expect("the name is short")).expect("it was taken in");
        assert_eq!(other.spans().expect("it is small"), after);
    }
});
