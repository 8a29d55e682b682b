//! The plug is pulled at any byte: the disk has what was synced, and of what was written since any part.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::super::file::File;
use super::super::{Doc, Repo, RepoConfig, RepoError};
use super::with_text;
use crate::doc::Value;
use crate::laws::Random;

#[derive(Clone, Debug)]
enum Op {
    Length(u64),
    Write(u64, Vec<u8>),
    Sync,
}

/// A disk that remembers all that was done to it.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    ops: Arc<Mutex<Vec<Op>>>,
    /// From the next sync on it fails.
    fails: Arc<Mutex<bool>>,
}

fn apply(bytes: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Length(length) => bytes.resize(*length as usize, 0),
        Op::Write(at, data) => {
            let end = *at as usize + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*at as usize..end].copy_from_slice(data);
        }
        Op::Sync => {}
    }
}

impl Disk {
    fn on(bytes: Vec<u8>) -> Disk {
        Disk { bytes: Arc::new(Mutex::new(bytes)), ..Disk::default() }
    }

    fn act(&self, op: Op) {
        apply(&mut self.bytes.lock().unwrap(), &op);
        self.ops.lock().unwrap().push(op);
    }

    fn done(&self) -> usize {
        self.ops.lock().unwrap().len()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let from = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(Op::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if *self.fails.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.act(Op::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act(Op::Write(offset, data.to_vec()));
        Ok(())
    }
}

fn open(disk: Disk) -> Result<Repo, RepoError> {
    let config = RepoConfig { compact_after: 20, ..RepoConfig::default() };
    Repo::of(File::on(disk, 1 << 20)?, None, config)
}

fn count(doc: &Doc) -> i64 {
    match doc.get("/n") {
        Ok(Some(Value::Int(count))) => count,
        Ok(None) => 0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_the_plug_is_pulled() {
    let disk = Disk::default();
    let repo = open(disk.clone()).unwrap();
    let doc = with_text(&repo, "a");
    doc.saved().await.unwrap();
    // So much was done to the disk when this many changes were acknowledged.
    let mut acknowledged = vec![(disk.done(), 0)];
    for n in 1..=60_i64 {
        doc.change(|doc| {
            doc.set("/n", n)?;
            doc.insert_text("/body", 0, "some text ")
        })
        .unwrap();
        if n == 25 || n == 40 {
            // Also while its history is cut.
            assert!(doc.trim(&doc.heads().unwrap()).unwrap() > 20);
        }
        if n % 3 == 0 {
            doc.saved().await.unwrap();
            acknowledged.push((disk.done(), n));
        }
    }
    drop((doc, repo));
    let ops = disk.ops.lock().unwrap().clone();
    let begun = acknowledged[0].0;
    let mut random = Random::new(7);
    let (mut pulled, mut behind) = (0, 0);
    for cut in begun..ops.len() {
        let synced = ops[..cut].iter().rposition(|op| matches!(op, Op::Sync)).unwrap_or(0);
        // In order to a byte; and, of what was not synced, any part in any order.
        for reordered in [false, true] {
            if reordered && random.below(4) > 0 {
                continue;
            }
            let mut bytes = Vec::new();
            ops[..synced].iter().for_each(|op| apply(&mut bytes, op));
            for op in &ops[synced..cut] {
                if !reordered || random.below(2) == 0 || matches!(op, Op::Length(_)) {
                    apply(&mut bytes, op);
                }
            }
            if let Op::Write(at, data) = &ops[cut] {
                let part = data[..random.below(data.len() as u64) as usize].to_vec();
                apply(&mut bytes, &Op::Write(*at, part));
            }
            let (_, at_least) = *acknowledged.iter().rev().find(|(done, _)| *done <= cut).unwrap();
            let repo = open(Disk::on(bytes)).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let doc: Doc = repo.get("a").unwrap();
            let found = count(&doc);
            assert!((at_least..=60).contains(&found), "cut at {cut}: {found} of {at_least}");
            // A change is there as a whole, and the document goes on.
            let text = Value::Text("some text ".repeat(found as usize));
            assert_eq!(doc.get("/body").unwrap(), Some(text), "cut at {cut}");
            doc.change(|doc| doc.set("/n", 99)).unwrap();
            (pulled, behind) = (pulled + 1, behind + u32::from(found > at_least));
        }
    }
    assert!(pulled > 200 && behind > 5, "{pulled} cuts, {behind} with more than was acknowledged");
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_what_was_written_before_stands() {
    let disk = Disk::default();
    let repo = open(disk.clone()).unwrap();
    let doc = with_text(&repo, "a");
    doc.change(|doc| doc.set("/n", 1)).unwrap();
    doc.saved().await.unwrap();
    *disk.fails.lock().unwrap() = true;
    doc.change(|doc| doc.set("/n", 2)).unwrap();
    assert_eq!(doc.saved().await, Err(RepoError::Full));
    assert!(doc.change(|doc| doc.set("/n", 3)).is_err());
    drop((doc, repo));
    let repo = open(Disk::on(disk.bytes.lock().unwrap().clone())).unwrap();
    assert!((1..=2).contains(&count(&repo.get("a").unwrap())));
}

/// Before that a crash would take it back, and we would sign another in its place; what came from others we would not.
#[cfg(feature = "net")]
#[tokio::test]
async fn what_is_ours_may_be_told_when_it_is_on_the_disk() {
    use dsys_core::SecretKey;

    use super::super::Rule;
    use crate::change::Bundle;
    let disk = Disk::default();
    let repo = Repo::of(File::on(disk.clone(), 0).unwrap(), None, RepoConfig::default()).unwrap();
    let doc: Doc = repo.create_with("notes", Rule::Open).unwrap();
    let may_tell = || doc.cell().look(|_, told| told).unwrap();
    doc.change(|doc| doc.set("/a", 1)).unwrap();
    repo.flush().await.unwrap();
    assert_eq!(may_tell(), 1);
    let (mut other, key) = (crate::doc::Doc::new(doc.id(), Rule::Open), SecretKey::from_bytes([7; 32]));
    let mut theirs = || Bundle::of([other.change(&key, 0, |doc| doc.set("/b", 1)).unwrap()]);
    {
        // Nothing is written for so long.
        let _held = disk.ops.lock().unwrap();
        doc.cell().receive(theirs()).unwrap();
        assert_eq!(may_tell(), 2);
        (0..2).for_each(|_| doc.change(|doc| doc.set("/c", 1)).unwrap());
        doc.cell().receive(theirs()).unwrap();
        doc.change(|doc| doc.set("/c", 2)).unwrap();
        assert_eq!((may_tell(), doc.cell().stored_count()), (2, 1));
    }
    repo.flush().await.unwrap();
    assert_eq!((may_tell(), doc.cell().stored_count()), (6, 6));
}
