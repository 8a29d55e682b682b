//! cola's replica, which holds no text and has no format for changes, with crop for the text.

use super::*;
use cola::{Deletion, Insertion, Replica};
use crop::Rope;

/// An edit as it goes to other replicas, in memory: nothing is decoded.
#[derive(Clone)]
pub enum Sent {
    Insert(Insertion, String),
    Delete(Deletion),
}

struct Doc {
    replica: Replica,
    rope: Rope,
    ascii: bool,
}

fn new(name: usize) -> Doc {
    // All are forks of one, which is empty.
    Doc { replica: Replica::new(1, 0).fork(name as u64 + 2), rope: Rope::new(), ascii: true }
}

fn byte(doc: &Doc, chars: usize) -> usize {
    if doc.ascii { chars } else { doc.rope.chars().take(chars).map(char::len_utf8).sum() }
}

fn edit(doc: &mut Doc, patches: &[(usize, usize, String)]) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (at, deleted, inserted) in patches {
        let from = byte(doc, *at);
        if *deleted > 0 {
            let to = byte(doc, at + deleted);
            sent.push(Sent::Delete(doc.replica.deleted(from..to)));
            doc.rope.delete(from..to);
        }
        if !inserted.is_empty() {
            sent.push(Sent::Insert(doc.replica.inserted(from, inserted.len()), inserted.clone()));
            doc.ascii &= inserted.is_ascii();
            doc.rope.insert(from, inserted);
        }
    }
    sent
}

fn hear(doc: &mut Doc, sent: &Vec<Sent>) {
    for each in sent {
        match each {
            Sent::Insert(insertion, text) => {
                if let Some(at) = doc.replica.integrate_insertion(insertion) {
                    doc.ascii &= text.is_ascii();
                    doc.rope.insert(at, text);
                }
            }
            Sent::Delete(deletion) => {
                for range in doc.replica.integrate_deletion(deletion).into_iter().rev() {
                    doc.rope.delete(range);
                }
            }
        }
    }
}

/// All edits in the recorded order.
pub fn edits(trace: &Trace) -> Vec<Vec<Sent>> {
    let all = std::cell::RefCell::new(Vec::new());
    if trace.kind.is_none() {
        let mut doc = new(0);
        all.borrow_mut().push(edit(&mut doc, &[(0, 0, trace.start_content.clone())]));
        trace.txns.iter().for_each(|txn| all.borrow_mut().push(edit(&mut doc, &txn.patches)));
    } else {
        trace.by_authors(new, hear, |doc, txn: &Txn| {
            let sent = edit(doc, &txn.patches);
            all.borrow_mut().push(sent.clone());
            sent
        });
    }
    all.into_inner()
}

/// Merges them into an empty replica; gives the text.
pub fn merge(edits: &[Vec<Sent>]) -> String {
    let mut doc = new(100);
    edits.iter().for_each(|sent| hear(&mut doc, sent));
    doc.rope.to_string()
}
