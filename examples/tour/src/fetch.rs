//! How a node gets its copy: chunk by chunk, from several peers at once, each chunk checked.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, Rng, SecretKey};
use dsys_transport::{Node, OpenError, RequestError, RpcConfig, Tag, frame};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::manifest::{self, Hash, Manifest};
use crate::picker::Picker;
use crate::serve::{Shelf, Slot};
use crate::status::Status;
use crate::store::{Store, StoreError};
use crate::wire::{self, ChunkRequest, Runs};

/// Who is said to have which folder.
pub(crate) type Sources = BTreeMap<NodeId, (Hash, NodeAddr)>;

/// Requests under way to one peer.
const AT_ONCE: usize = 4;
/// Peers that are asked at once.
const MAX_PEERS: usize = 16;
/// A peer that was lost so often, with nothing had from it in between, is given up.
const TRIES: u32 = 3;
/// Between two peers that are asked for the list of files.
const STAGGER: Duration = Duration::from_millis(100);
/// One that did not give it is asked for it once more after this.
const AGAIN: Duration = Duration::from_secs(2);
/// After so long without a chunk the fetch is given up.
const STALL: Duration = Duration::from_secs(30);
/// With nobody left who has what is missing, so long.
const ALONE: Duration = Duration::from_secs(10);

/// Why there is no whole copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nobody who could be asked gave the list of files: is the one who shares it still there?")]
    NoManifest,
    #[error("{missing} of {total} chunks are missing, and nobody is left who has them")]
    NobodyLeft { missing: usize, total: u32 },
    #[error("{missing} of {total} chunks are missing, and none came for {} s", STALL.as_secs())]
    Stalled { missing: usize, total: u32 },
    #[error("the program failed: a task panicked")]
    Panicked,
}

/// What a fetch works with.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) node: Node,
    pub(crate) root: Hash,
    pub(crate) out: PathBuf,
    pub(crate) sources: watch::Receiver<Sources>,
    pub(crate) slot: Slot,
    pub(crate) status: Status,
}

impl Fetch {
    /// Gets the manifest and puts a store on the shelf; from then on the node can serve what it has.
    pub(crate) async fn prepare(&mut self) -> Result<Arc<Store>, FetchError> {
        let (bytes, manifest) = timeout(STALL, self.manifest()).await.map_err(|_| FetchError::NoManifest)?;
        let (out, known) = (self.out.clone(), Arc::new(manifest));
        let manifest = known.clone();
        let store = spawn_blocking(move || Store::create(out, manifest).map(Arc::new));
        let store = store.await.map_err(|_| FetchError::Panicked)??;
        self.status.set_manifest(&known, store.bytes());
        let _ = self.slot.set(Shelf { root: self.root, manifest: bytes, store: store.clone() });
        Ok(store)
    }

    /// Fetches what is missing; returns when all files stand under their names.
    pub(crate) async fn run(mut self, store: Arc<Store>) -> Result<(), FetchError> {
        let total = store.manifest().chunk_count();
        let here = store.since(0, usize::MAX);
        let swarm = Arc::new(Swarm {
            picker: Mutex::new(Picker::new(total, &here, rng())),
            fetch: self.clone(),
            store: store.clone(),
            wake: Notify::new(),
            broken: Mutex::new(None),
        });
        let outcome = self.swarm(&swarm).await;
        let unfinished = spawn_blocking(move || store.drop_partial());
        outcome?;
        unfinished.await.map_err(|_| FetchError::Panicked)?.map_err(FetchError::from)
    }

    async fn swarm(&mut self, swarm: &Arc<Swarm>) -> Result<(), FetchError> {
        let total = swarm.store.manifest().chunk_count();
        let mut peers = JoinSet::new();
        let mut asked: HashMap<NodeId, NodeAddr> = HashMap::new();
        let (mut missing, mut moved, mut alone) = (usize::MAX, Instant::now(), Instant::now());
        while !swarm.store.is_whole() {
            if let Some(error) = swarm.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(error.into());
            }
            for (id, addr) in self.sources() {
                if peers.len() < MAX_PEERS && asked.get(&id) != Some(&addr) {
                    asked.insert(id, addr.clone());
                    peers.spawn(swarm.clone().peer(addr));
                }
            }
            while peers.try_join_next().is_some() {}
            let now = Instant::now();
            let left = swarm.picker().missing();
            if left != missing {
                (missing, moved) = (left, now);
            }
            if left == 0 || now.duration_since(moved) < ALONE || swarm.picker().hopeful() {
                alone = now;
            }
            if now.duration_since(moved) > STALL {
                return Err(FetchError::Stalled { missing: left, total });
            }
            if now.duration_since(alone) > ALONE {
                return Err(FetchError::NobodyLeft { missing: left, total });
            }
            // A look now and then is all that giving up and newcomers need; the end is told at once.
            let mut changes = swarm.store.changes();
            let whole = async { while !swarm.store.is_whole() && changes.changed().await.is_ok() {} };
            let _ = timeout(Duration::from_millis(50), whole).await;
        }
        // The last chunk is on disk, and will be counted in a moment.
        let counted = async {
            while swarm.picker().missing() > 0 {
                sleep(Duration::from_millis(1)).await
            }
        };
        let _ = timeout(Duration::from_secs(1), counted).await;
        Ok(())
    }

    fn sources(&mut self) -> Vec<(NodeId, NodeAddr)> {
        let up: Vec<NodeId> = self.node.stats().peers.iter().map(|peer| peer.peer).collect();
        let said = self.sources.borrow_and_update();
        let ours = said.iter().filter(|(_, (root, _))| *root == self.root);
        let mut ours: Vec<_> = ours.map(|(id, (_, addr))| (*id, addr.clone())).collect();
        // Who is there already comes before who is only said to be there.
        ours.sort_by_key(|(id, _)| !up.contains(id));
        ours
    }

    /// Asks one after the other, without waiting for the slow, until one gives a manifest of the right hash.
    async fn manifest(&mut self) -> (Bytes, Manifest) {
        let mut answers = JoinSet::new();
        let mut asked: HashMap<NodeId, Instant> = HashMap::new();
        let mut liars = Vec::new();
        loop {
            let due =
                |id: &NodeId| !liars.contains(id) && asked.get(id).is_none_or(|at| at.elapsed() >= AGAIN);
            if let Some((id, addr)) = self.sources().into_iter().find(|(id, _)| due(id))
                && answers.len() < MAX_PEERS
            {
                asked.insert(id, Instant::now());
                answers.spawn(list(self.node.clone(), addr, self.root));
            }
            tokio::select! {
                Some(answer) = answers.join_next() => match answer {
                    Ok((_, Ok(found))) => return found,
                    Ok((id, Err(Some(why)))) => {
                        self.status.note(format!("the list of files from {} is refused: {why}", id.short()));
                        liars.push(id);
                    }
                    Ok((_, Err(None))) | Err(_) => {}
                },
                () = sleep(STAGGER) => {}
                Ok(()) = self.sources.changed() => {}
            }
        }
    }
}

/// Asks one peer for the manifest; the error says why it was no good, or nothing if none came.
async fn list(node: Node, addr: NodeAddr, root: Hash) -> (NodeId, Result<(Bytes, Manifest), Option<String>>) {
    let id = addr.id;
    let mut config = RpcConfig::default();
    config.max_response = manifest::MAX_MANIFEST;
    let Some(tag) = tag(wire::MANIFEST) else { return (id, Err(None)) };
    let request = Bytes::copy_from_slice(&root);
    let Ok(bytes) = node.request_with(addr, tag, request, &config).await else { return (id, Err(None)) };
    let checked = spawn_blocking(move || {
        if blake3::hash(&bytes) != root {
            return Err(Some("it is not the one that was announced".to_owned()));
        }
        let manifest = Manifest::decode(&bytes).map_err(|error| Some(error.to_string()))?;
        Ok((bytes, manifest))
    });
    (id, checked.await.unwrap_or(Err(None)))
}

struct Swarm {
    fetch: Fetch,
    store: Arc<Store>,
    picker: Mutex<Picker>,
    /// Somebody has something new, or a chunk is free again.
    wake: Notify,
    /// Our own disk has failed.
    broken: Mutex<Option<StoreError>>,
}

/// Why a peer is no longer asked.
enum Parted {
    /// It broke its word.
    Lied(u32),
    /// It did not answer.
    Unreachable(String),
    /// It was there, and is no more.
    Lost(String),
    /// The fault is ours.
    Broken,
}

impl Swarm {
    async fn peer(self: Arc<Self>, addr: NodeAddr) {
        let (id, name, status) = (addr.id, addr.id.short(), &self.fetch.status);
        let (mut tries, mut had) = (0, 0);
        while tries < TRIES {
            let mut count = 0;
            let parted = self.session(&addr, &mut count).await;
            self.picker().forget(&id);
            self.wake.notify_waiters();
            had += count;
            tries = if count > 0 { 1 } else { tries + 1 };
            if matches!(parted, Err(Parted::Unreachable(_))) {
                // A dial takes its time, and the word that it is there may be old.
                tries = TRIES;
            }
            match parted {
                Ok(()) | Err(Parted::Broken) => return,
                Err(Parted::Lied(index)) => {
                    return status
                        .note(format!("{name} sent a wrong chunk ({index}) and is not asked again"));
                }
                Err(Parted::Unreachable(_)) if had == 0 => {
                    return status.note(format!("{name} was said to have it, but does not answer"));
                }
                Err(Parted::Unreachable(why) | Parted::Lost(why)) if tries == TRIES => {
                    let had = if had == 0 { String::new() } else { format!(" after {had} chunks") };
                    return status.note(format!("{name} is given up{had}: {why}"));
                }
                Err(Parted::Unreachable(_) | Parted::Lost(_)) => {
                    sleep(Duration::from_millis(200) * tries).await
                }
            }
        }
    }

    /// Asks the peer for what it has until everything is here.
    async fn session(&self, addr: &NodeAddr, count: &mut u64) -> Result<(), Parted> {
        let lost = |error: &dyn std::fmt::Display| Parted::Lost(error.to_string());
        let tag = tag(wire::HAVE).ok_or(Parted::Broken)?;
        let mut stream = self.fetch.node.open(addr.clone(), tag).await.map_err(|error| match error {
            OpenError::Dial(error) => Parted::Unreachable(error.to_string()),
            other => Parted::Lost(other.to_string()),
        })?;
        let root = Bytes::copy_from_slice(&self.fetch.root);
        stream.send.write_chunk(root).await.map_err(|error| lost(&error))?;
        stream.send.finish().await.map_err(|error| lost(&error))?;
        let mut frames = frame::FrameReader::new(stream.recv, wire::MAX_RUNS_FRAME);
        let listen = async {
            while let Some(bytes) = frames.next().await.map_err(|error| lost(&error))? {
                let runs: Runs = frame::decode(&bytes).map_err(|error| lost(&error))?;
                self.picker().learn(addr.id, &runs);
                self.wake.notify_waiters();
            }
            Ok(())
        };
        let counter = std::sync::atomic::AtomicU64::new(0);
        let workers = || self.worker(addr.id, &counter);
        const { assert!(AT_ONCE == 4) };
        let outcome = tokio::try_join!(listen, workers(), workers(), workers(), workers());
        *count = counter.into_inner();
        outcome.map(drop)
    }

    async fn worker(&self, peer: NodeId, count: &std::sync::atomic::AtomicU64) -> Result<(), Parted> {
        loop {
            let woken = self.wake.notified();
            let picked = {
                let mut picker = self.picker();
                if picker.missing() == 0 {
                    return Ok(());
                }
                picker.pick(peer, Instant::now())
            };
            match picked {
                Some(index) => {
                    if self.chunk(peer, index).await? {
                        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
                None => drop(timeout(Duration::from_millis(250), woken).await),
            }
        }
    }

    /// Asks for one chunk; whether it came and was the right one.
    async fn chunk(&self, peer: NodeId, index: u32) -> Result<bool, Parted> {
        let mut config = RpcConfig::default();
        config.timeout = STALL;
        config.max_response = manifest::CHUNK;
        let request = ChunkRequest { root: self.fetch.root, index };
        let (Some(tag), Ok(request)) = (tag(wire::CHUNK), postcard::to_allocvec(&request)) else {
            return Err(Parted::Broken);
        };
        let data = match self.fetch.node.request_with(peer, tag, request, &config).await {
            Ok(data) => data,
            Err(RequestError::Busy) => {
                self.picker().release(peer, index);
                sleep(Duration::from_millis(50)).await;
                return Ok(false);
            }
            Err(RequestError::Failed(wire::NOT_HERE | wire::CHANGED)) => {
                self.picker().refused(peer, index);
                return Ok(false);
            }
            Err(RequestError::TooLong(_)) => return Err(Parted::Lied(index)),
            Err(error) => return Err(Parted::Lost(error.to_string())),
        };
        let (store, length) = (self.store.clone(), data.len() as u64);
        match spawn_blocking(move || store.put(index, &data)).await {
            Ok(Ok(new)) => {
                if new {
                    self.fetch.status.add_received(peer, length);
                }
                let mut picker = self.picker();
                picker.had(index);
                if picker.missing() == 0 {
                    self.wake.notify_waiters();
                }
                Ok(true)
            }
            Ok(Err(StoreError::WrongChunk)) => Err(Parted::Lied(index)),
            Ok(Err(error)) => {
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(Parted::Broken)
            }
            Err(_) => Err(Parted::Broken),
        }
    }

    fn picker(&self) -> MutexGuard<'_, Picker> {
        self.picker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tags of this crate are sound, so there always is one.
fn tag(text: &str) -> Option<Tag> {
    Tag::new(text).ok()
}

fn rng() -> Rng {
    SecretKey::generate().map_or_else(|_| Rng::from_seed(0), |key| Rng::from_entropy(key.expose_bytes()))
}
