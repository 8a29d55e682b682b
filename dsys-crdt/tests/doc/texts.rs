//! Texts of documents by more than their characters: marks, undo, cursors, what views are told.

use dsys_crdt::doc::{DocError, Event, Value};
use dsys_crdt::repo::{Doc as Kept, Repo};
use dsys_crdt::schema::{Crdt, RichText};
use dsys_crdt::{Expand, Side};

use crate::{empty, key, meet};

#[test]
fn marks_merge_as_people_mean_them() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| doc.set("/t", Value::Text("The fox jumped.".into()))).unwrap();
    let mut there = empty();
    meet(&mut here, &mut there);
    here.change(&key(1), 0, |doc| doc.mark("/t", 0..7, "bold", "", Expand::After)).unwrap();
    there.change(&key(2), 0, |doc| doc.mark("/t", 4..14, "italic", "", Expand::After)).unwrap();
    let (_, events) = here.decode_and_receive(&there.encode_since(&here.heads()), 0).unwrap();
    assert_eq!(
        events,
        [Event::Text { pointer: "/t".into(), edits: vec![], marked: std::iter::once(4..14).collect() }]
    );
    meet(&mut here, &mut there);
    for doc in [&mut here, &mut there] {
        assert_eq!(doc.to_markdown("/t").unwrap(), "**The** <strong><em>fox</em></strong> *jumped*.");
    }
    // What is typed at an end of what grows belongs to it, also where the text has been deleted.
    here.change(&key(1), 0, |doc| doc.insert_text("/t", 7, "es")).unwrap();
    there
        .change(&key(2), 0, |doc| {
            doc.insert_text("/t", 15, " See here")?;
            doc.mark("/t", 20..24, "link", "a", Expand::Neither)?;
            doc.delete_text("/t", 23..24)?;
            doc.insert_text("/t", 23, "s now")
        })
        .unwrap();
    meet(&mut here, &mut there);
    let spans = here.spans("/t").unwrap();
    assert_eq!(spans, there.spans("/t").unwrap());
    let of = |key: &str| -> String {
        spans.iter().filter(|span| span.marks.contains_key(key)).map(|span| &span.text[..]).collect()
    };
    assert_eq!((of("bold"), of("link")), ("The foxes".into(), "her".into()));
}

#[test]
fn what_one_did_is_taken_back_and_what_others_did_stays() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| doc.set("/t", Value::Text("milk".into()))).unwrap();
    let mut there = empty();
    meet(&mut here, &mut there);
    let mut undo = here.undo(&key(1).public(), "/t").unwrap();
    here.change(&key(1), 0, |doc| doc.insert_text("/t", 4, " and eggs")).unwrap();
    here.end_group(&mut undo);
    here.change(&key(1), 0, |doc| {
        doc.delete_text("/t", 0..4)?;
        doc.mark("/t", 0..4, "bold", "", Expand::After)
    })
    .unwrap();
    meet(&mut here, &mut there);
    there.change(&key(2), 0, |doc| doc.insert_text("/t", 9, "!")).unwrap();
    meet(&mut here, &mut there);
    let text = |doc: &mut dsys_crdt::doc::Doc<_>| doc.to_markdown("/t").unwrap();
    assert_eq!(text(&mut there), "&#32;**and** eggs\\!");
    let take_back = |doc: &mut dsys_crdt::doc::Doc<_>, undo: &mut _, redo| {
        let mut done = false;
        let (_, events) = doc
            .change_telling(&key(1), 0, |doc| {
                done = if redo { doc.redo(undo)? } else { doc.undo(undo)? };
                Ok(())
            })
            .unwrap();
        (done, events)
    };
    let (done, events) = take_back(&mut here, &mut undo, false);
    let [Event::Text { edits, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((done, edits.len(), &edits[0].inserted[..]), (true, 1, "milk"));
    meet(&mut here, &mut there);
    assert_eq!(text(&mut there), "milk and eggs\\!");
    assert!(take_back(&mut here, &mut undo, false).0);
    meet(&mut here, &mut there);
    assert_eq!(text(&mut there), "milk\\!");
    assert!(!take_back(&mut here, &mut undo, false).0);
    for expected in ["milk and eggs\\!", "&#32;**and** eggs\\!"] {
        assert!(take_back(&mut here, &mut undo, true).0);
        meet(&mut here, &mut there);
        assert_eq!((text(&mut here), text(&mut there)), (expected.into(), expected.into()));
    }
    // A change that is not made takes nothing back, and what was done before it can be.
    let failed = here.change(&key(1), 0, |doc| {
        assert!(doc.undo(&mut undo)? && doc.undo(&mut undo)?);
        doc.insert_text("/t", 0, "x")?;
        Err(DocError::NotFound)
    });
    assert_eq!((failed, text(&mut here)), (Err(DocError::NotFound), "&#32;**and** eggs\\!".into()));
    for (redo, expected) in
        [(false, "milk and eggs\\!"), (true, "&#32;**and** eggs\\!"), (false, "milk and eggs\\!")]
    {
        assert!(take_back(&mut here, &mut undo, redo).0);
        assert_eq!(text(&mut here), expected);
    }
}

#[test]
fn cursors_stay_and_authors_are_known() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| doc.set("/t", Value::Text("milk".into()))).unwrap();
    let mut there = empty();
    meet(&mut here, &mut there);
    let cursor = here.places("/t", |places| places.anchor(2, Side::Right)).unwrap();
    there.change(&key(2), 0, |doc| doc.insert_text("/t", 0, "oat ")).unwrap();
    meet(&mut here, &mut there);
    for doc in [&mut here, &mut there] {
        let (at, authors) = doc.places("/t", |places| (places.position(&cursor), places.authors())).unwrap();
        assert_eq!((at, authors.len(), authors[0].0.clone()), (Some(6), 2, 0..4));
        assert_eq!(authors[0].1.as_bytes(), key(2).public().as_bytes());
    }
    assert!(here.places("/none", |_| ()).is_err());
}

#[derive(Crdt)]
struct Page {
    body: RichText,
}

#[test]
fn a_typed_rich_text_is_marked_and_taken_back_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pages.redb");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let repo = Repo::open(&path).await.unwrap();
        let doc: Kept<Page> = repo.create("page").unwrap();
        doc.change(|page| page.body.insert(0, "milk and eggs")).unwrap();
        let mut undo = doc.undo("/body").unwrap();
        doc.change(|page| page.body.mark(0..4, "bold", "", Expand::After)).unwrap();
        doc.change(|page| page.body.delete(4..8)).unwrap();
        assert_eq!(doc.to_markdown("/body").unwrap(), "**milk** eggs");
        assert!(doc.take_back(&mut undo).unwrap() && !doc.take_back(&mut undo).unwrap());
        assert_eq!(doc.to_markdown("/body").unwrap(), "milk and eggs");
        assert!(doc.bring_back(&mut undo).unwrap());
        repo.close().await;
        drop(doc);
        let repo = Repo::open(&path).await.unwrap();
        let doc: Kept<Page> = repo.get("page").unwrap();
        assert_eq!(doc.to_markdown("/body").unwrap(), "**milk** eggs");
        doc.change(|page| page.body.insert(4, "y way")).unwrap();
        assert_eq!(doc.to_markdown("/body").unwrap(), "**milky way** eggs");
        assert_eq!(doc.look(|page| page.body.get()).unwrap(), "milky way eggs");
    });
}
