//! Three replicas edit, hear of each other, are closed and opened, and meet damaged changes; what they show is what the
//! plain definition of the list gives.
#![no_main]

#[allow(dead_code)]
#[path = "../../dsys-crdt/src/tests/plain.rs"]
mod plain;

use dsys_crdt::{Agent, Text};
use plain::{Edit, Event, Plain};

const REPLICAS: usize = 3;

libfuzzer_sys::fuzz_target!(|steps: Vec<(u8, u8, u8)>| {
    let name = |at: usize| format!("{at}");
    let mut texts: Vec<Text> =
        (0..REPLICAS).map(|at| Text::new(Agent::new(name(at)).expect("the name is short"))).collect();
    let mut plain = Plain::default();
    let mut known = vec![Vec::new(); REPLICAS];
    for (what, at, with) in steps.into_iter().take(64) {
        let who = what as usize / 8 % REPLICAS;
        let from = (who + 1 + with as usize % (REPLICAS - 1)) % REPLICAS;
        known.iter_mut().for_each(|known| known.resize(plain.events.len(), false));
        let length = texts[who].len();
        match what % 8 {
            0..3 => {
                for i in 0..1 + with as usize % 3 {
                    let at = at as usize % (length + 1) + i;
                    let value = char::from(b'a' + with % 26);
                    texts[who].insert(at, &value.to_string()).expect("it is in range");
                    plain.push(Event { name: name(who), known: known[who].clone(), edit: Edit::Insert(at, value) });
                    known[who].push(true);
                }
            }
            3..5 if length > 0 => {
                let at = at as usize % length;
                let end = (at + 1 + with as usize % 3).min(length);
                texts[who].delete(at..end).expect("it is in range");
                for _ in at..end {
                    plain.push(Event { name: name(who), known: known[who].clone(), edit: Edit::Delete(at) });
                    known[who].push(true);
                }
            }
            5 => {
                let saved = texts[who].save().expect("it is honest");
                texts[who] = Text::load(&saved, texts[who].agent().clone()).expect("it was saved");
            }
            6 => {
                // Damaged on the way, with a checksum that fits: a copy takes it or not, and is whole if not.
                let mut changes =
                    texts[from].changes_since(&texts[who].version()).expect("it is honest");
                let body = changes.len() - 4;
                changes[8 + at as usize % (body - 8)] ^= with | 1;
                let checksum = crc32fast::hash(&changes[..body]).to_le_bytes();
                changes[body..].copy_from_slice(&checksum);
                let mut copy = texts[who].clone();
                if copy.apply(&changes).is_err() {
                    assert_eq!(copy.to_string(), texts[who].to_string());
                    assert_eq!(copy.version(), texts[who].version());
                    copy.insert(0, "x").expect("it is in range");
                }
            }
            _ => {
                let changes = texts[from].changes_since(&texts[who].version()).expect("it is honest");
                texts[who].apply(&changes).expect("it is honest");
                let heard = known[from].clone();
                known[who].iter_mut().zip(heard).for_each(|(mine, heard)| *mine |= heard);
            }
        }
        let mut here = known[who].clone();
        here.resize(plain.events.len(), false);
        assert_eq!(texts[who].to_string(), plain.text_at(&here));
    }
});
