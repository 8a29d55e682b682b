//! Between real nodes, on QUIC over loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dsys_core::{NodeAddr, SecretKey};
use dsys_crdt::doc::Value;
use dsys_crdt::repo::{Doc, Repo, Rule, Subscription, Update};
use dsys_crdt::sync::{SpawnError, Sync};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};

pub(crate) struct Peer {
    pub(crate) node: Node,
    pub(crate) repo: Repo,
    pub(crate) sync: Sync,
}

pub(crate) fn node() -> Node {
    let key = SecretKey::generate().unwrap();
    let quic = Quic::bind(&key, &["127.0.0.1:0".parse().unwrap()], QuicConfig::test()).unwrap();
    Node::new(quic, NodeConfig::default())
}

pub(crate) fn peer() -> Peer {
    peer_with(Repo::memory().unwrap())
}

pub(crate) fn peer_with(repo: Repo) -> Peer {
    let node = node();
    let sync = Sync::spawn(&node, &repo).unwrap();
    Peer { node, repo, sync }
}

/// Waits, as long as it takes on the slowest machine, for what must come.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !done() {
        assert!(Instant::now() < end, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn update(updates: &mut Subscription, wanted: impl Fn(&Update) -> bool) -> Update {
    let found = async {
        loop {
            let update = updates.next().await.unwrap();
            if wanted(&update) {
                return update;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(40), found).await.expect("it never came")
}

pub(crate) fn text(doc: &Doc) -> String {
    match doc.get("/body").unwrap() {
        Some(Value::Text(text)) => text,
        other => format!("{other:?}"),
    }
}

pub(crate) fn begun(repo: &Repo) -> Doc {
    let doc: Doc = repo.create_with("notes", Rule::Open).unwrap();
    doc.change(|doc| doc.set("/body", Value::Text(String::new()))).unwrap();
    doc
}

#[tokio::test(flavor = "multi_thread")]
async fn three_lines_do_it() {
    let (anna, ben) = (peer(), peer());
    assert!(matches!(Sync::spawn(&ben.node, &anna.repo), Err(SpawnError::Taken)));
    let here = begun(&anna.repo);
    here.change(|doc| doc.insert_text("/body", 0, "milk\n")).unwrap();
    // What is not on the disk yet is told to nobody, and both would be in step with nothing.
    here.saved().await.unwrap();
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();

    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    let mut updates = there.subscribe();
    ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
    update(&mut updates, |update| matches!(update, Update::InStep { .. })).await;
    assert_eq!(text(&there), "milk\n");
    there.change(|doc| doc.insert_text("/body", 5, "eggs\n")).unwrap();
    until("Ben's eggs", || text(&here) == "milk\neggs\n").await;

    // What Anna shows, Ben sees, until she has gone.
    anna.sync.show(&here, b"anna".to_vec()).await.unwrap();
    let shown = update(&mut updates, |update| matches!(update, Update::Presence { .. })).await;
    assert_eq!(shown, Update::Presence { peer: anna.node.id(), state: b"anna".to_vec() });
    anna.node.shutdown(Duration::from_secs(5)).await;
    let gone = update(&mut updates, |update| matches!(update, Update::Presence { .. })).await;
    assert_eq!(gone, Update::Presence { peer: anna.node.id(), state: vec![] });
    assert!(anna.sync.share(&here, [] as [NodeAddr; 0]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_offline_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ben.redb");
    let anna = peer();
    let here = begun(&anna.repo);
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    for round in 0..3 {
        let repo = Repo::open(&path).await.unwrap();
        let there: Doc = match repo.get("notes") {
            Some(doc) => doc,
            None => repo.join("notes", here.link()).unwrap(),
        };
        if round > 0 {
            // Offline, on both sides.
            there.change(|doc| doc.insert_text("/body", 0, "b")).unwrap();
            here.change(|doc| doc.insert_text("/body", 0, "a")).unwrap();
        }
        let node = node();
        let sync = Sync::spawn(&node, &repo).unwrap();
        sync.share(&there, [anna.node.ticket().0]).await.unwrap();
        let heads = || (here.heads().unwrap(), there.heads().unwrap());
        until("the same on both sides", || {
            let (here, there) = heads();
            here == there && !here.is_empty()
        })
        .await;
        assert_eq!((text(&here).len(), text(&there)), (round * 2, text(&here)));
        node.shutdown(Duration::from_secs(5)).await;
        repo.close().await;
        assert!(there.change(|doc| doc.set("/n", 1)).is_err());
    }
    assert!(here.read(|doc| doc.log().forks().is_empty()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_the_apps_choice_and_owners_say_who_writes() {
    let (node, repo, open) = (node(), Repo::memory().unwrap(), Arc::new(AtomicBool::new(false)));
    let allowed = open.clone();
    let sync =
        Sync::builder(&node, &repo).readers(move |_, _| allowed.load(Ordering::Acquire)).spawn().unwrap();
    let here: Doc = repo.create("notes").unwrap();
    here.change(|doc| doc.set("/body", Value::Text("secret".into()))).unwrap();
    sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();

    let ben = peer();
    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    let mut updates = there.subscribe();
    ben.sync.share(&there, [node.ticket().0]).await.unwrap();
    update(&mut updates, |update| matches!(update, Update::Declined { .. })).await;
    assert_eq!(there.read(|doc| doc.log().len()).unwrap(), 0);
    open.store(true, Ordering::Release);
    ben.sync.share(&there, [node.ticket().0]).await.unwrap();
    until("the secret", || text(&there) == "secret").await;
    // Ben reads, and may not write before he is granted it.
    assert!(there.change(|doc| doc.insert_text("/body", 0, "no")).is_err());
    here.grant([ben.repo.id()]).unwrap();
    until("the grant", || there.change(|doc| doc.insert_text("/body", 0, "yes, ")).is_ok()).await;
    until("Ben's change", || text(&here) == "yes, secret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_documents_share_one_connection() {
    let (anna, ben) = (peer(), peer());
    let mut docs = Vec::new();
    for number in 0..300 {
        let here: Doc = anna.repo.create(&format!("{number}")).unwrap();
        here.change(|doc| doc.set("/n", number)).unwrap();
        let there: Doc = ben.repo.join(&format!("{number}"), here.link()).unwrap();
        anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
        ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
        docs.push(there);
    }
    for (number, there) in docs.iter().enumerate() {
        until(&format!("document {number}, {:?} {:?}", ben.node.stats(), anna.node.stats()), || {
            there.get("/n").unwrap() == Some(Value::Int(number as i64))
        })
        .await;
    }
    assert_eq!(anna.node.stats().peers.len(), 1);

    // Ben goes and comes again, and all are in step by ranges.
    let mut updates: Vec<Subscription> = docs.iter().map(Doc::subscribe).collect();
    ben.node.shutdown(Duration::from_secs(5)).await;
    drop(ben.sync);
    let here: Doc = anna.repo.get("8").unwrap();
    here.change(|doc| doc.set("/n", 80)).unwrap();
    let again = node();
    let sync = Sync::spawn(&again, &ben.repo).unwrap();
    for there in &docs {
        sync.share(there, [anna.node.ticket().0]).await.unwrap();
    }
    for updates in &mut updates {
        update(updates, |update| matches!(update, Update::InStep { .. })).await;
    }
    until("the change", || docs[8].get("/n").unwrap() == Some(Value::Int(80))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_turned_away_hears_when_it_is_shared() {
    let (anna, ben) = (peer(), peer());
    let here: Doc = anna.repo.create("notes").unwrap();
    here.change(|doc| doc.set("/n", 7)).unwrap();
    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    let mut updates = there.subscribe();
    let mut config = dsys_crdt::sync::Config::default();
    // Ben would ask again in an hour.
    (config.patience, config.announce_every) = (Duration::from_secs(3_600), Duration::from_secs(3_600));
    drop(ben.sync);
    let again = node();
    let sync = Sync::builder(&again, &ben.repo).config(config).spawn().unwrap();
    sync.share(&there, [anna.node.ticket().0]).await.unwrap();
    update(&mut updates, |update| matches!(update, Update::Declined { .. })).await;
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    until("what Anna shares now", || there.get("/n").unwrap() == Some(Value::Int(7))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_nobody_uses_are_closed_though_they_are_shared() {
    let mut config = dsys_crdt::repo::RepoConfig::default();
    config.close_after = Duration::from_millis(40);
    let [anna, ben] = [0, 1].map(|_| {
        let (node, repo) = (node(), Repo::memory_with(None, config.clone()).unwrap());
        let sync = Sync::spawn(&node, &repo).unwrap();
        Peer { node, repo, sync }
    });
    let mut names = Vec::new();
    for number in 0..20 {
        let here: Doc = anna.repo.create_with(&format!("{number}"), Rule::Open).unwrap();
        here.change(|doc| doc.set("/n", number)).unwrap();
        let there: Doc = ben.repo.join(&format!("{number}"), here.link()).unwrap();
        anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
        ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
        let mut updates = there.subscribe();
        until("the document", || there.get("/n").unwrap() == Some(Value::Int(number as i64))).await;
        names.push(there.id());
        if number == 7 {
            // A handle keeps it open, and updates come to who follows it, open or not.
            let kept: Doc = ben.repo.get("7").unwrap();
            drop((here, there));
            until("all but one are closed", || (anna.repo.open_count(), ben.repo.open_count()) == (0, 1))
                .await;
            drop(kept);
            until("that too", || ben.repo.open_count() == 0).await;
            let here: Doc = anna.repo.get("7").unwrap();
            here.change(|doc| doc.set("/n", 70)).unwrap();
            drop(here);
            update(&mut updates, |update| matches!(update, Update::Remote(_))).await;
        }
    }
    until("all are closed", || (anna.repo.open_count(), ben.repo.open_count()) == (0, 0)).await;
    let there: Doc = ben.repo.get_by_id(&names[7]).unwrap();
    assert_eq!((there.get("/n").unwrap(), ben.repo.open_count()), (Some(Value::Int(70)), 1));
}
