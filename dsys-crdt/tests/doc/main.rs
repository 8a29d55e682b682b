//! Documents: what edits do, that replicas agree, and that no body can harm them.
#![allow(clippy::print_stdout, clippy::disallowed_types, clippy::disallowed_methods)] // it measures, too
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // clippy.toml's leave is for test functions

mod bodies;
mod converging;
mod edits;
mod hostile;
mod kept;
mod texts;
mod trimmed;
mod typed;
mod undo;

use dsys_core::SecretKey;
use dsys_crdt::change::{DocumentId, Open};
use dsys_crdt::doc::Doc;

const DOCUMENT: DocumentId = DocumentId::from_bytes([7; 32]);

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32])
}

fn empty() -> Doc<Open> {
    Doc::new(DOCUMENT, Open)
}

fn json(doc: &Doc<impl dsys_crdt::change::Policy>) -> String {
    serde_json::to_string(&doc.value()).unwrap()
}

/// Gives each what the other lacks. Twice, for what had waited is not passed on before it is taken in.
fn meet<P: dsys_crdt::change::Policy>(a: &mut Doc<P>, b: &mut Doc<P>) {
    for _ in 0..2 {
        let (to_a, to_b) = (b.encode_since(&a.summary()), a.encode_since(&b.summary()));
        assert_eq!(a.decode_and_receive(&to_a, 0).unwrap().0.refused, []);
        assert_eq!(b.decode_and_receive(&to_b, 0).unwrap().0.refused, []);
    }
    assert_eq!((json(a), a.heads()), (json(b), b.heads()));
}
