//! What a repo promises: nothing that was acknowledged is lost, and what is wrong is named.

mod plug;

use std::sync::Arc;
use std::time::Instant;

use dsys_core::SecretKey;

use super::file::File;
use super::{ChangeError, Doc, Link, Repo, RepoConfig, RepoError, Rule, Update};
use crate::change::{DocumentId, Refused};
use crate::doc::{DocError, Event, Value};

fn type_into(doc: &Doc, times: usize) {
    for at in 0..times {
        doc.change(|doc| doc.insert_text("/body", at, "x")).unwrap();
    }
}

fn with_text(repo: &Repo, name: &str) -> Doc {
    let doc: Doc = repo.create(name).unwrap();
    doc.change(|doc| doc.set("/body", Value::Text(String::new()))).unwrap();
    doc
}

#[tokio::test]
async fn what_was_saved_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let repo = Repo::open(&path).await.unwrap();
    let (id, doc) = (repo.id(), with_text(&repo, "shopping"));
    // Enough for a snapshot on the way, and changes behind it.
    type_into(&doc, 700);
    let link = doc.link();
    doc.saved().await.unwrap();
    assert!(matches!(Repo::open(&path).await, Err(RepoError::InUse)));
    let (value, heads) = (doc.value().unwrap(), doc.heads().unwrap());
    drop((repo, doc));

    let repo = Repo::open(&path).await.unwrap();
    assert_eq!((repo.id(), repo.list()), (id, vec![("shopping".to_owned(), link)]));
    let doc: Doc = repo.get("shopping").unwrap();
    assert_eq!((doc.value().unwrap(), doc.heads().unwrap()), (value, heads));
    type_into(&doc, 3);
    assert_eq!(doc.read(|doc| doc.log().forks().len()).unwrap(), 0);
    assert!(repo.remove("shopping").unwrap());
    assert_eq!(doc.value(), Err(RepoError::Removed));
    assert!(!repo.remove("shopping").unwrap());
    drop((repo, doc));
    let repo = Repo::open(&path).await.unwrap();
    assert!(repo.list().is_empty());
    // The same document again begins with nothing.
    let doc: Doc = repo.join("again", link).unwrap();
    assert_eq!(doc.read(|doc| doc.log().len()).unwrap(), 0);
}

/// More have written than a change may follow: what joins them is on the disk, too, also after one that is refused.
#[cfg(feature = "net")]
#[tokio::test]
async fn heads_are_joined_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    // Nothing is written anew.
    let config = RepoConfig { compact_after: 100_000, ..RepoConfig::default() };
    let repo = Repo::open_with(&path, None, config).await.unwrap();
    let doc: Doc = repo.create_with("shopping", Rule::Open).unwrap();
    doc.change(|doc| doc.set("/n", 0)).unwrap();
    let begun = doc.read(|doc| crate::doc::Doc::of(doc.log().clone())).unwrap();
    let others = (0..600u32).map(|number| {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        let set = |doc: &mut crate::doc::Edit<'_>| doc.set("/n", i64::from(number));
        crate::doc::Doc::of(begun.log().clone()).change(&SecretKey::from_bytes(key), 0, set).unwrap()
    });
    doc.cell().receive(crate::change::Bundle::of(others)).unwrap();
    let stranger = SecretKey::from_bytes([1; 32]).public();
    assert!(matches!(doc.grant([stranger]), Err(ChangeError::Doc(DocError::Refused(Refused::Denied(_))))));
    doc.change(|doc| doc.set("/n", 1_000)).unwrap();
    let lens = |doc: &Doc| doc.read(|doc| (doc.log().len(), doc.log().heads().len())).unwrap();
    assert_eq!(lens(&doc), (1 + 600 + 2 + 1, 1));
    doc.saved().await.unwrap();
    drop((repo, doc));
    let repo = Repo::open(&path).await.unwrap();
    let doc: Doc = repo.get("shopping").unwrap();
    assert_eq!((lens(&doc), doc.get("/n").unwrap()), ((604, 1), Some(Value::Int(1_000))));
}

#[tokio::test]
async fn what_was_cut_stays_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let repo = Repo::open(&path).await.unwrap();
    let doc = with_text(&repo, "shopping");
    type_into(&doc, 1_500);
    let heads = doc.heads().unwrap();
    type_into(&doc, 10);
    assert_eq!(doc.trim(&heads).unwrap(), 1_501);
    assert_eq!(doc.trim(&heads).unwrap(), 1_501);
    type_into(&doc, 10);
    let value = doc.value().unwrap();
    drop((repo, doc));
    for _ in 0..2 {
        let repo = Repo::open(&path).await.unwrap();
        let doc: Doc = repo.get("shopping").unwrap();
        assert_eq!(doc.value().unwrap(), value);
        let lens = doc.read(|doc| (doc.log().len(), doc.log().trimmed(), doc.log().counting().count()));
        assert_eq!(lens, Ok((1_521, 1_501, 20)));
        // It is built again from what was built of what was cut.
        assert!(doc.change(|doc| doc.insert_text("/body", 0, "x").and(Err(DocError::NotFound))).is_err());
        assert_eq!(doc.value().unwrap(), value);
    }
    let repo = Repo::open(&path).await.unwrap();
    let doc: Doc = repo.get("shopping").unwrap();
    type_into(&doc, 2_000);
    assert_eq!(doc.trim(&doc.heads().unwrap()).unwrap(), 3_521);
    let value = doc.value().unwrap();
    repo.close().await;
    drop((repo, doc));
    let repo = Repo::open(&path).await.unwrap();
    assert_eq!(repo.get::<crate::repo::Dynamic>("shopping").unwrap().value().unwrap(), value);
}

#[tokio::test]
async fn handles_are_of_one_document_and_subscribers_hear_of_it() {
    let repo = Repo::memory().unwrap();
    let doc = with_text(&repo, "a");
    let again: Doc = repo.get("a").unwrap();
    let mut updates = again.subscribe();
    doc.change(|doc| doc.insert_text("/body", 0, "hello")).unwrap();
    let (at, inserted) = (Default::default(), String::from("hello"));
    let edits = vec![crate::Edit { at, deleted: at, inserted }];
    let text = Event::Text { pointer: "/body".into(), edits, marked: vec![] };
    assert_eq!(updates.next().await, Some(Update::Local(vec![text])));
    assert_eq!(again.get("/body").unwrap(), Some(Value::Text("hello".into())));
    let error = doc.change(|doc| doc.insert_text("/body", 9, "far")).unwrap_err();
    assert!(matches!(error, ChangeError::Doc(DocError::Place(_))));
    assert!(matches!(repo.create::<()>("a"), Err(RepoError::Exists)));
    assert!(matches!(repo.create::<()>(""), Err(RepoError::Bound(_))));
    for _ in 0..2_000 {
        doc.change(|doc| doc.set("/n", 1)).unwrap();
    }
    let mut missed = false;
    for _ in 0..976 {
        missed |= updates.next().await == Some(Update::Missed);
    }
    assert!(missed, "one who is slow is told so, and holds no more than the bound");
    drop((doc, again));
    assert_eq!(updates.next().await, None);
}

#[tokio::test]
async fn a_closure_that_panics_changes_nothing() {
    let repo = Repo::memory().unwrap();
    let doc = with_text(&repo, "a");
    let panics = || {
        doc.change(|edit| {
            edit.insert_text("/body", 0, "half").unwrap();
            panic!("the app's own");
        })
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!(doc.get("/body").unwrap(), Some(Value::Text(String::new())));
    type_into(&doc, 2);
    assert_eq!(doc.get("/body").unwrap(), Some(Value::Text("xx".into())));
}

#[tokio::test]
async fn keys_and_versions_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = [1, 2].map(|byte| Arc::new(SecretKey::from_bytes([byte; 32])));
    let path = folder.path().join("ours.redb");
    assert_eq!(Repo::open_as(&path, ours.clone()).await.unwrap().id(), ours.public());
    assert!(matches!(Repo::open_as(&path, theirs).await, Err(RepoError::OtherKey)));
    assert!(matches!(Repo::open(&path).await, Err(RepoError::OtherKey)));
    assert!(Repo::open_as(&path, ours.clone()).await.is_ok());

    let table = redb::TableDefinition::<&[u8], &[u8]>::new("dsys-crdt/meta");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(b"version".as_slice(), [9].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(Repo::open_as(&path, ours.clone()).await, Err(RepoError::Newer(9))));

    let path = folder.path().join("other.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("somebody's")).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(Repo::open(&path).await, Err(RepoError::NotRepo)));
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear Anna, this is no database.").unwrap();
    assert!(matches!(Repo::open(&path).await, Err(RepoError::Damaged(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"Dear Anna, this is no database.");
}

#[tokio::test]
async fn a_damaged_file_is_an_error_or_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let repo = Repo::open(&path).await.unwrap();
    let doc = with_text(&repo, "a");
    type_into(&doc, 600);
    let value = doc.value().unwrap();
    drop((repo, doc));
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut same, mut told) = (0, 0);
    for step in 0..60 {
        let mut bytes = whole.clone();
        let at = used * step / 60;
        bytes[at..(at + 32).min(whole.len())].iter_mut().for_each(|byte| *byte ^= 0x55);
        let path = folder.path().join(format!("{step}.redb"));
        std::fs::write(&path, bytes).unwrap();
        let opened = Repo::open(&path).await;
        let read = opened.and_then(|repo| {
            repo.get::<super::Dynamic>("a").ok_or(RepoError::Damaged("no such document".into()))?.value()
        });
        match read {
            Ok(read) if read == value => same += 1,
            Ok(read) => panic!("byte {at}: {read:?} instead"),
            Err(_) => told += 1,
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(same > 0 && told > 0, "{same} as before, {told} refused");
}

#[tokio::test]
async fn a_thousand_documents_are_opened_when_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let repo = Repo::open(&path).await.unwrap();
    for number in 0..1_000 {
        let doc: Doc = repo.create(&format!("note {number}")).unwrap();
        doc.change(|doc| doc.set("/number", number)).unwrap();
    }
    repo.flush().await.unwrap();
    drop(repo);
    let started = Instant::now();
    let repo = Repo::open(&path).await.unwrap();
    let docs: Vec<Doc> = (0..1_000).map(|number| repo.get(&format!("note {number}")).unwrap()).collect();
    let opened = started.elapsed();
    assert_eq!(docs[777].get("/number").unwrap(), Some(Value::Int(777)));
    println!("1,000 documents: opened in {opened:?}, one read after {:?}", started.elapsed());
    assert!(docs.iter().filter(|doc| doc.cell().is_read()).count() == 1);
}

#[test]
fn links_come_back_from_their_text() {
    let document = DocumentId::from_bytes([7; 32]);
    for rule in [Rule::Open, Rule::Owner(SecretKey::from_bytes([1; 32]).public())] {
        let link = Link { document, rule };
        assert_eq!(link.to_string().parse(), Ok(link));
    }
    for bad in [
        "",
        "dsysdoc",
        "dsysdoc07",
        &format!("dsysdoc{}", "+7".repeat(32)),
        &format!("dsysdoc{}ä", "7".repeat(62)),
    ] {
        assert!(bad.parse::<Link>().is_err(), "{bad}");
    }
}

#[test]
fn a_full_queue_waits_and_goes_on() {
    let config = RepoConfig { max_unwritten: 1, ..RepoConfig::default() };
    let repo = Repo::of(File::memory(1 << 20).unwrap(), None, config).unwrap();
    let doc = with_text(&repo, "a");
    type_into(&doc, 2_000);
    assert_eq!(doc.read(|doc| doc.log().len()).unwrap(), 2_001);
}
