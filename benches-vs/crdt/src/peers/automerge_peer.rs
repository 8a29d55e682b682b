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
    read: |open| {
        let doc = open.downcast_ref::<AutoCommit>()?;
        doc.text(text(doc)).ok()
    },
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

fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
    let bytes = if trace.kind.is_none() { replay(trace).save() } else { kept(trace) };
    Some((bytes.clone(), bytes))
}

/// A concurrent trace, typed by its authors, each change of which goes to the others. It takes minutes, so the result is
/// kept in the folder of the build.
fn kept(trace: &Trace) -> Vec<u8> {
    let program = std::env::current_exe().expect("the program has a place");
    let name = format!("automerge-0.7-{}-{}.bin", trace.txns.len(), trace.end_content.len());
    let file = program.with_file_name(name);
    std::fs::read(&file).unwrap_or_else(|_| {
        println!("automerge types a concurrent trace once, for {}", file.display());
        let bytes = typed(trace).save();
        std::fs::write(&file, &bytes).expect("there is room");
        bytes
    })
}

fn typed(trace: &Trace) -> AutoCommit {
    let start = new(usize::MAX).save();
    let text_of = text(&AutoCommit::load(&start).expect("it was saved"));
    trace.by_authors(
        |author| {
            let doc = AutoCommit::load_with_options(
                &start,
                automerge::LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint),
            );
            doc.expect("it was saved").with_actor(ActorId::from(format!("author{author}").as_bytes()))
        },
        |doc, change: &Option<automerge::Change>| {
            doc.apply_changes(change.clone()).expect("it is in order");
        },
        |doc, txn| {
            edit(doc, &text_of, &txn.patches);
            doc.commit();
            doc.get_last_local_change()
        },
    )
}

fn opened(bytes: &[u8]) -> AutoCommit {
    AutoCommit::load(bytes).unwrap()
}

fn merge(bytes: &[u8]) -> String {
    let doc = opened(bytes);
    doc.text(text(&doc)).unwrap()
}
