//! Stores: after a restart history is there and numbers go on; a store that fails ends gossip and says why.

// A store is shared between two lives.
#![allow(clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dsys_core::SecretKey;
use dsys_gossip::{
    Cursor, Event, Gossip, KeyChange, KeyValue, MemoryStore, PublishError, SpawnError, Store, StoreError,
};
use dsys_transport::{MemoryNetwork, Node, NodeConfig};

use super::{message, soon, texts};

/// A user's own store. Clones share what they keep.
#[derive(Clone, Debug, Default)]
struct Shared {
    entries: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    full: Arc<AtomicBool>,
}

impl Store for Shared {
    fn bounds(&self) -> MemoryStore {
        MemoryStore::with_budget(1 << 20)
    }

    async fn write(&mut self, changes: Vec<KeyChange>) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError::Full);
        }
        let mut entries = self.entries.lock().unwrap();
        for (key, value) in changes {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }

    async fn range(&mut self, after: Option<Vec<u8>>, most: usize) -> Result<Vec<KeyValue>, StoreError> {
        let entries = self.entries.lock().unwrap();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = entries.range((from, Bound::Unbounded)).take(most);
        Ok(range.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Two lives of a node; in the second another catches up with it. `open` gives the same store each time.
async fn two_lives<S: Store>(open: impl Fn() -> S) {
    let network = MemoryNetwork::new();
    let key = SecretKey::generate().unwrap();
    let live = || Node::new(network.transport_of(&key), NodeConfig::default());
    let node = live();
    let gossip = Gossip::builder(&node).store(open()).start().await.unwrap();
    let topic = gossip.open("a").await.unwrap();
    // More than one page of the store.
    for number in 0..300 {
        topic.publish(number.to_string()).await.unwrap();
    }
    let wrong = topic.publish("wrong").await.unwrap();
    topic.delete(wrong.id).await.unwrap();
    // Left and joined again: nothing is forgotten, and what was read is not read again.
    drop(topic);
    let topic = gossip.open("a").await.unwrap();
    let mut newest = topic.subscribe();
    let last = topic.publish("last").await.unwrap();
    assert_eq!(texts(&mut newest, 1).await, ["last"]);
    drop((newest, topic, gossip));
    node.shutdown(std::time::Duration::from_secs(40)).await;

    let node = live();
    let gossip = soon("the file", async {
        loop {
            // The task of the first life may hold it still.
            match Gossip::builder(&node).store(open()).start().await {
                Ok(gossip) => return gossip,
                Err(SpawnError::Store(StoreError::InUse)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    let topic = gossip.open("a").await.unwrap();
    let mut newest = topic.subscribe();
    assert_eq!(topic.publish("new").await.unwrap().seq, last.seq + 1);
    assert_eq!(texts(&mut newest, 1).await, ["new"], "history is not new");
    let other = Node::new(network.transport_of(&SecretKey::generate().unwrap()), NodeConfig::default());
    let theirs = Gossip::builder(&other).spawn().unwrap();
    let theirs = theirs.join("a", [node.ticket()]).await.unwrap();
    for topic in [topic, theirs] {
        let mut reader = topic.subscribe_from(Cursor::Oldest);
        let expected: Vec<String> = (0..300).map(|number| number.to_string()).collect();
        assert_eq!(texts(&mut reader, 300).await, expected);
        let deleted = soon("the deletion", async {
            loop {
                match reader.next().await.unwrap() {
                    Event::Deleted { id, .. } => return id,
                    Event::Message(message) => panic!("{message:?} was deleted"),
                    _ => {}
                }
            }
        });
        assert_eq!(deleted.await, wrong.id);
        assert_eq!(texts(&mut reader, 2).await, ["last", "new"]);
    }
}

#[tokio::test]
async fn history_and_numbers_outlive_a_restart_in_a_store_of_ones_own() {
    let store = Shared::default();
    two_lives(|| store.clone()).await;
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn history_and_numbers_outlive_a_restart_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gossip.redb");
    // Opened once: a task that is aborted lets go of the file when it pleases.
    let store = dsys_gossip::RedbStore::open(&path).unwrap();
    assert!(matches!(dsys_gossip::RedbStore::open(&path), Err(StoreError::InUse)));
    two_lives(|| store.clone()).await;
}

#[tokio::test]
async fn a_store_that_fails_ends_gossip_and_a_damaged_one_does_not_begin() {
    let network = MemoryNetwork::new();
    let node = Node::new(network.transport_of(&SecretKey::generate().unwrap()), NodeConfig::default());
    let store = Shared::default();
    let gossip = Gossip::builder(&node).store(store.clone()).start().await.unwrap();
    let topic = gossip.open("a").await.unwrap();
    topic.publish("one").await.unwrap();
    assert_eq!(&message(&mut topic.subscribe_from(Cursor::Oldest)).await.payload[..], b"one");
    assert_eq!(gossip.failure(), None);
    store.full.store(true, Ordering::Relaxed);
    assert_eq!(topic.publish("two").await, Err(PublishError::Ended), "it cannot be kept");
    assert!(gossip.failure().unwrap().contains("full"), "{:?}", gossip.failure());
    // Damaged, each entry in turn.
    let whole = store.entries.lock().unwrap().clone();
    assert!(whole.len() >= 2);
    for key in whole.keys() {
        let mut entries = whole.clone();
        entries.insert(key.clone(), b"what is this".to_vec());
        let store = Shared { entries: Arc::new(Mutex::new(entries)), ..Shared::default() };
        let node = Node::new(network.transport_of(&SecretKey::generate().unwrap()), NodeConfig::default());
        let error = Gossip::builder(&node).store(store).start().await.unwrap_err();
        assert!(matches!(error, SpawnError::Store(StoreError::Damaged(_))), "{error:?}");
    }
}
