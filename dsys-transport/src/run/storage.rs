//! Where a machine's writes become durable.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use dsys_core::Write;

/// Stable storage for the records of one machine.
pub trait Disk: Send + 'static {
    /// Makes all `writes` durable, in order; returns only then. After an error the driver stops for good, because
    /// nobody can say what is on the disk: a restart reads it again.
    ///
    /// Cancel safety is not asked for: a driver that is dropped here is as one that crashed.
    fn write(&mut self, writes: Vec<Write>) -> impl Future<Output = io::Result<()>> + Send;
}

/// For machines that store nothing; a write is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDisk;

impl Disk for NoDisk {
    async fn write(&mut self, _: Vec<Write>) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the machine stores records, but was given no disk: use `run_with`",
        ))
    }
}

/// Records in memory, for tests: clones share them, so a machine can be "restarted" from what it stored.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    records: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl MemoryDisk {
    /// What was stored, oldest first.
    pub fn records(&self) -> Vec<Vec<u8>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Disk for MemoryDisk {
    async fn write(&mut self, writes: Vec<Write>) -> io::Result<()> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            match write {
                Write::Append(record) => records.push(record),
                Write::Checkpoint(record) => *records = vec![record],
            }
        }
        Ok(())
    }
}
