//! automerge, with one change for a sequential trace.

use super::*;
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};

pub const PEER: Peer = Peer {
    name: "automerge 0.7",
    local,
    history,
    merge,
    load: merge,
    open: |saved| Box::new(opened(saved)),
    trim: None,
};

fn new(name: usize) -> AutoCommit {
    let mut doc =
        AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(b"nobody"));
    doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    doc.commit();
    doc.with_actor(ActorId::from(format!("author{name}").as_bytes()))
}

fn text(doc: &AutoCommit) -> ObjId {
    doc.get(ROOT, "text").unwrap().expect("it was put there").1
}

fn edit(doc: &mut AutoCommit, text: &ObjId, patches: &[(usize, usize, String)]) {
    for (at, deleted, inserted) in patches {
        doc.splice_text(text, *at, *deleted as isize, inserted).unwrap();
    }
}

fn replay(trace: &Trace) -> AutoCommit {
    let mut doc = new(0);
    let text = text(&doc);
    edit(&mut doc, &text, &[(0, 0, trace.start_content.clone())]);
    trace.txns.iter().for_each(|txn| edit(&mut doc, &text, &txn.patches));
    doc.commit();
    doc
}

fn local(trace: &Trace) -> usize {
    let doc = replay(trace);
    doc.length(text(&doc))
}

/// Not of concurrent traces: to type them change by change takes minutes.
fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
    let bytes = trace.kind.is_none().then(|| replay(trace).save())?;
    Some((bytes.clone(), bytes))
}

fn opened(bytes: &[u8]) -> AutoCommit {
    AutoCommit::load(bytes).unwrap()
}

fn merge(bytes: &[u8]) -> String {
    let doc = opened(bytes);
    doc.text(text(&doc)).unwrap()
}
