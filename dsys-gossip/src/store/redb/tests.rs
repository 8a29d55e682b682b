// A file is shared between the store and the test that looks at it.
#![allow(clippy::disallowed_types)]

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ::redb::StorageBackend;
use ::redb::backends::InMemoryBackend;
use dsys_core::Rng;

use super::*;

/// What was done to a disk.
#[derive(Clone, Debug)]
enum Done {
    Write(u64, Vec<u8>),
    Length(u64),
    Synced,
}

/// A disk that remembers what was done to it, and on which only so many bytes fit.
#[derive(Debug)]
struct Disk {
    bytes: InMemoryBackend,
    most: Arc<AtomicU64>,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Disk {
    fn new(most: u64) -> Self {
        Disk { bytes: InMemoryBackend::new(), most: Arc::new(AtomicU64::new(most)), done: Arc::default() }
    }

    fn did(&self, done: Done) {
        self.done.lock().unwrap().push(done);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.most.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.did(Done::Length(len));
        self.bytes.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.did(Done::Synced);
        self.bytes.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.did(Done::Write(offset, data.to_vec()));
        self.bytes.write(offset, data)
    }
}

fn open(disk: Disk) -> Result<RedbStore, StoreError> {
    RedbStore::with(Database::builder().create_with_backend(disk).map_err(opening)?)
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_nothing_is_half_written() {
    let mut store = open(Disk::new(1 << 22)).unwrap();
    let mut written = 0_u32;
    let error = loop {
        let change = |part: u8| (vec![written as u8, part], Some(vec![7; 60_000]));
        match store.write(vec![change(0), change(1)]).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 200, "it never fills");
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
}

#[tokio::test]
async fn the_plug_may_be_pulled_at_any_byte_and_nothing_acknowledged_is_lost() {
    let disk = Disk::new(u64::MAX);
    let done = disk.done.clone();
    let mut store = open(disk).unwrap();
    // How much had been done to the disk when so many writes were acknowledged.
    let mut acknowledged = Vec::new();
    for number in 0..30u8 {
        let removed = (number >= 20).then(|| (vec![number - 20], None));
        let added = (vec![number], Some(vec![number; 300]));
        store.write([Some(added), removed].into_iter().flatten().collect()).await.unwrap();
        acknowledged.push(done.lock().unwrap().len());
    }
    let done = done.lock().unwrap().clone();
    let mut rng = Rng::from_seed(1);
    let mut between = 0;
    for cut in 1..done.len() {
        let synced = done[..cut].iter().rposition(|one| matches!(one, Done::Synced)).unwrap_or(0);
        let image = InMemoryBackend::new();
        for (at, one) in done[..cut].iter().enumerate() {
            // What was not synced may have come or not, the last of it in part.
            let lost = at > synced && rng.chance(0.3);
            match one {
                Done::Length(length) => image.set_len(*length).unwrap(),
                Done::Write(offset, data) if !lost => {
                    let part = if at + 1 == cut { rng.index(data.len() + 1) } else { data.len() };
                    image.write(*offset, &data[..part]).unwrap();
                }
                _ => {}
            }
        }
        let count = acknowledged.iter().filter(|at| **at <= cut).count();
        let disk = Disk { bytes: image, ..Disk::new(u64::MAX) };
        let mut store = match open(disk) {
            Ok(store) => store,
            // Nothing was there yet but half of a new file.
            Err(_) if count == 0 => continue,
            Err(error) => panic!("after {cut} of {}: {error}", done.len()),
        };
        let kept: Vec<u8> = store.range(None, 100).await.unwrap().iter().map(|(key, _)| key[0]).collect();
        let expected = |count: u8| (count.saturating_sub(20)..count).collect::<Vec<u8>>();
        let whole = [expected(count as u8), expected(count as u8 + 1)];
        assert!(whole.contains(&kept), "after {cut}: {count} were acknowledged, {kept:?} are there");
        between += usize::from(!acknowledged.contains(&cut));
    }
    assert!(between > 60, "{between} cuts were in the midst of a write");
}

#[tokio::test]
async fn files_that_are_no_store_of_ours_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let with_table = |name: &str, table: &str| {
        let file = Database::create(path(name)).unwrap();
        let transaction = file.begin_write().unwrap();
        transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(table)).unwrap();
        transaction.commit().unwrap();
    };
    with_table("newer", "dsys-gossip/2");
    with_table("another", "dsys-dht/1");
    std::fs::write(path("text"), "no file of redb").unwrap();
    let error = |name: &str| RedbStore::open(path(name)).unwrap_err();
    assert!(matches!(error("newer"), StoreError::Newer(_)), "{:?}", error("newer"));
    assert!(matches!(error("another"), StoreError::Damaged(_)));
    assert!(matches!(error("text"), StoreError::Damaged(_)), "{:?}", error("text"));
    let _first = RedbStore::open(path("ours")).unwrap();
    assert!(matches!(error("ours"), StoreError::InUse));
}
