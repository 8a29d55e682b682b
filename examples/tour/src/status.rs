//! How far a node is, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use dsys_core::NodeId;
use tokio::sync::watch;

use crate::manifest::Manifest;

/// How far a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not heard of a folder.
    Waiting,
    /// It knows of one and fetches it.
    Fetching,
    /// It has everything and serves it.
    Whole,
    /// It gave up, for this reason.
    Failed(String),
}

/// Numbers of one node. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Status(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    phase: watch::Sender<Phase>,
    knew: OnceLock<Instant>,
    whole: OnceLock<Instant>,
    manifest: OnceLock<Arc<Manifest>>,
    present: AtomicU64,
    received: Mutex<BTreeMap<NodeId, u64>>,
    sent: AtomicU64,
    notes: Mutex<Vec<String>>,
}

/// Notes beyond this many are dropped until some are taken.
const MAX_NOTES: usize = 100;

impl Status {
    pub(crate) fn new() -> Self {
        Status(Arc::new(Inner {
            phase: watch::Sender::new(Phase::Waiting),
            knew: OnceLock::new(),
            whole: OnceLock::new(),
            manifest: OnceLock::new(),
            present: AtomicU64::new(0),
            received: Mutex::default(),
            sent: AtomicU64::new(0),
            notes: Mutex::default(),
        }))
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.0.phase.borrow().clone()
    }

    /// Waits until it has everything, or has given up.
    ///
    /// # Errors
    /// Why it gave up.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn finished(&self) -> Result<(), String> {
        let mut phase = self.0.phase.subscribe();
        let ended = |phase: &Phase| matches!(phase, Phase::Whole | Phase::Failed(_));
        match phase.wait_for(ended).await.map(|phase| phase.clone()) {
            Ok(Phase::Failed(why)) => Err(why),
            _ => Ok(()),
        }
    }

    /// When it heard of the folder.
    pub fn knew(&self) -> Option<Instant> {
        self.0.knew.get().copied()
    }

    /// When it had everything.
    pub fn whole(&self) -> Option<Instant> {
        self.0.whole.get().copied()
    }

    /// What the folder contains, once it is known.
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        self.0.manifest.get().cloned()
    }

    /// Bytes of files that are here.
    pub fn present(&self) -> u64 {
        self.0.present.load(Ordering::Relaxed)
    }

    /// Bytes of files that came from each peer.
    pub fn received(&self) -> BTreeMap<NodeId, u64> {
        self.0.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of files that were sent to peers.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Takes what there is to say, one sentence each.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes())
    }

    pub(crate) fn note(&self, note: String) {
        let mut notes = self.notes();
        if notes.len() < MAX_NOTES {
            notes.push(note);
        }
    }

    pub(crate) fn set_knew(&self) {
        let _ = self.0.knew.set(Instant::now());
        self.0.phase.send_replace(Phase::Fetching);
    }

    pub(crate) fn set_manifest(&self, manifest: &Arc<Manifest>, present: u64) {
        let _ = self.0.manifest.set(manifest.clone());
        self.0.present.store(present, Ordering::Relaxed);
    }

    pub(crate) fn set_whole(&self) {
        let _ = self.0.whole.set(Instant::now());
        self.0.phase.send_replace(Phase::Whole);
    }

    pub(crate) fn set_failed(&self, why: String) {
        self.0.phase.send_replace(Phase::Failed(why));
    }

    pub(crate) fn add_received(&self, from: NodeId, bytes: u64) {
        *self.0.received.lock().unwrap_or_else(PoisonError::into_inner).entry(from).or_default() += bytes;
        self.0.present.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_sent(&self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn notes(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
