//! A list's changes from a peer who is not honest: whatever is in a file with a proper head and checksum.
#![no_main]

use dsys_crdt::{Agent, List};

fn list(name: &str) -> List<String> {
    List::new(Agent::new(name).expect("the name is short"))
}

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let mut changes = b"dsyslst\x01".to_vec();
    changes.extend_from_slice(body);
    let checksum = crc32fast::hash(&changes).to_le_bytes();
    changes.extend_from_slice(&checksum);
    let mut ours = list("a");
    ours.insert_all(0, ["x", "y", "z"].map(String::from)).expect("it is in range");
    ours.move_to(0, 2).expect("it is in range");
    for mut list in [list("b"), ours] {
        let before = list.clone();
        if list.apply(&changes).is_err() {
            assert_eq!(list.version(), before.version());
            assert!(list.iter().eq(before.iter()));
        }
        // Whatever it holds can be edited, saved and opened, and is the same everywhere.
        for at in 0..list.len() {
            let id = list.id(at).expect("it is in range");
            assert_eq!((list.position(&id), list.value(&id)), (Some(at), list.get(at)));
        }
        list.insert(0, "new".into()).expect("it is in range");
        list.move_to(0, list.len() - 1).expect("it is in range");
        let mut other: List<String> =
            List::load(&list.save(), Agent::new("c").expect("the name is short")).expect("it was taken in");
        assert!(other.iter().eq(list.iter()));
        other.delete(0..other.len()).expect("it is in range");
        assert!(other.is_empty());
    }
});
