//! What outlives the process.

use std::time::Duration;

use dsys_core::{NodeAddr, SecretKey};
use dsys_dht::store::{MemoryStore, Store};
use dsys_dht::{Dht, PutError};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};
use tokio::time::timeout;

use crate::handle::node;

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("in time")
}

/// The same node at the same address, as soon as the earlier one has let go of it.
async fn again(secret: &SecretKey, addr: &NodeAddr) -> Node {
    for _ in 0..100 {
        if let Ok(quic) = Quic::bind(secret, &[addr.direct()[0]], QuicConfig::test()) {
            return Node::new(quic, NodeConfig::default());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the address is still in use")
}

/// Two nodes with stores; both end, and start again without being told of each other.
async fn restarts<S: Store>(open: impl AsyncFn(usize) -> S) {
    let secrets = [SecretKey::generate().unwrap(), SecretKey::generate().unwrap()];
    let mut tickets = Vec::new();
    let mut key = None;
    {
        let first = node(&secrets[0]);
        let other = node(&secrets[1]);
        let one = Dht::builder(&first).store(open(0).await).start().await.unwrap();
        let two = Dht::builder(&other).store(open(1).await).bootstrap([first.ticket()]);
        let mut config = dsys_dht::records::Config::default();
        config.repair = Duration::from_millis(200);
        let two = two.config(config).start().await.unwrap();
        within(two.joined()).await;
        within(one.joined()).await;
        key.replace(within(two.put(b"kept".as_slice())).await.unwrap().key);
        // The contacts are written with the next upkeep.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for node in [&first, &other] {
            tickets.push(node.addr());
            node.shutdown(Duration::from_secs(2)).await;
        }
        within(one.ended()).await;
        within(two.ended()).await;
    }
    let key = key.unwrap();
    let (first, other) = (again(&secrets[0], &tickets[0]).await, again(&secrets[1], &tickets[1]).await);
    let one = Dht::builder(&first).store(open(0).await).start().await.unwrap();
    assert_eq!(within(one.get(&key)).await.unwrap(), b"kept".as_slice());
    let two = Dht::builder(&other).store(open(1).await).start().await.unwrap();
    // Nobody was given to begin with.
    let put = within(two.put(b"later".as_slice())).await.unwrap();
    assert_eq!(put.report.stored_on, 1);
    assert_eq!(within(one.get(&put.key)).await.unwrap(), b"later".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_needs_neither_bootstrap_nor_republishing() {
    let stores = [MemoryStore::new(1 << 20), MemoryStore::new(1 << 20)];
    restarts(async |at| stores[at].clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_ends_the_dht_and_says_what_to_do() {
    let secret = SecretKey::generate().unwrap();
    let node = node(&secret);
    let dht = Dht::builder(&node).store(MemoryStore::new(50_000)).start().await.unwrap();
    assert_eq!(within(dht.put(vec![1; 30_000])).await, Err(PutError::NoPeers), "kept here");
    assert_eq!(within(dht.put(vec![2; 30_000])).await, Err(PutError::Ended), "it could not be");
    let why = within(dht.ended()).await;
    assert!(why.contains("full") && why.contains("free space"), "{why}");
}

#[cfg(feature = "redb")]
mod file {
    use dsys_dht::store::{RedbStore, StoreError};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restart_from_files_needs_no_bootstrap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        restarts(async move |at| {
            // The file is closed when the task of the earlier life has ended.
            for _ in 0..100 {
                match RedbStore::open(path.join(format!("{at}.redb"))) {
                    Err(StoreError::InUse) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    opened => return opened.unwrap(),
                }
            }
            panic!("the file is still in use")
        })
        .await;
    }

    #[tokio::test]
    async fn the_order_of_keys_is_that_of_the_twin() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RedbStore::open(folder.path().join("a.redb")).unwrap();
        let mut twin = MemoryStore::new(1 << 20);
        assert_eq!(file.range(None, 9).await.unwrap(), []);
        let mut rng = dsys_core::Rng::from_seed(1);
        for _ in 0..20 {
            let changes: Vec<_> = (0..rng.below(20))
                .map(|_| {
                    let key = vec![rng.below(4) as u8; 1 + rng.index(3)];
                    (key, rng.chance(0.7).then(|| vec![rng.below(256) as u8; rng.index(100)]))
                })
                .collect();
            file.write(changes.clone()).await.unwrap();
            twin.write(changes).await.unwrap();
            let after = rng.chance(0.5).then(|| vec![rng.below(4) as u8; 1]);
            let most = rng.index(6);
            let (one, other) = (file.range(after.clone(), most).await, twin.range(after, most).await);
            assert_eq!(one.unwrap(), other.unwrap());
        }
    }

    #[tokio::test]
    async fn a_file_in_use_or_damaged_is_refused_by_name_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.redb");
        let mut store = RedbStore::open(&path).unwrap();
        assert!(matches!(RedbStore::open(&path), Err(StoreError::InUse)));
        store.write(vec![(b"r".to_vec(), Some(vec![9; 100]))]).await.unwrap();
        drop(store);
        let secret = SecretKey::generate().unwrap();
        // A file that opens, and what lies in it is no record.
        let started =
            Dht::builder(&node(&secret)).store(RedbStore::open(&path).unwrap()).start().await.unwrap_err();
        assert!(started.to_string().contains("move the file away"), "{started}");
        // No store at all.
        std::fs::write(&path, vec![0x5a; 20_000]).unwrap();
        let error = RedbStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains("move the file away"));
        assert_eq!(std::fs::read(&path).unwrap(), vec![0x5a; 20_000]);
        assert!(matches!(RedbStore::open(folder.path().join("no/where")), Err(StoreError::Io(_))));
    }
}
