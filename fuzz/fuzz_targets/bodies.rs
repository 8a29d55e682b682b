//! Changes that are signed, and say anything: all replicas make the same of them, however they come.
#![no_main]

use dsys_core::SecretKey;
use dsys_crdt::change::{DocumentId, Log, Open};
use dsys_crdt::doc::{Doc, Value};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let document = DocumentId::from_bytes([7; 32]);
    let keys = [1, 2].map(|number| SecretKey::from_bytes([number; 32]));
    let mut first = Doc::new(document, Open);
    let begun = first.change(&keys[0], 0, |doc| {
        doc.set("/t", Value::Text("text".into()))?;
        doc.set("/l", vec![1, 2])?;
        doc.set("/c", Value::Counter(0))
    });
    begun.expect("it makes sense");
    let base: Vec<_> = first.log().since(&[]);
    // Two authors who have not seen each other; each body begins behind a byte that says how long it is.
    let mut logs = [0, 1].map(|_| {
        let mut log = Log::new(document, Open);
        log.receive(base.clone(), 0);
        log
    });
    let (mut rest, mut changes) = (input, Vec::new());
    while let Some((&head, after)) = rest.split_first() {
        let (body, after) = after.split_at(usize::from(head >> 1).min(after.len()));
        let author = usize::from(head & 1);
        let body = [&[4], body].concat();
        changes.extend(logs[author].commit(&keys[author], 0, body));
        rest = after;
    }
    let (mut one_by_one, mut cut) = (first.clone(), first.clone());
    for (at, change) in changes.iter().enumerate() {
        one_by_one.receive([change.clone()], 0);
        cut.receive([change.clone()], 0);
        if at % 3 == 1 {
            cut.trim(&cut.heads()).expect("nothing is damaged");
        }
    }
    let mut at_once = first;
    changes.reverse();
    at_once.receive(changes, 0);
    assert_eq!(one_by_one.value(), at_once.value());
    assert_eq!(one_by_one.heads(), at_once.heads());
    assert_eq!((cut.value(), cut.heads()), (at_once.value(), at_once.heads()));
    // Kept and opened it is the same.
    for doc in [&cut, &at_once] {
        let kept = Doc::restore(Open, &doc.snapshot(0).expect("nothing is damaged")).expect("it was kept");
        assert_eq!(kept.value(), at_once.value());
    }
});
