//! What a node does for others: it gives away the manifest, says what it has, and gives away chunks.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dsys_transport::{
    Incoming, Node, Protocol, ProtocolConfig, ProtocolError, RpcConfig, Service, code, frame,
};
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::manifest::Hash;
use crate::status::Status;
use crate::store::{Store, StoreError};
use crate::wire::{self, ChunkRequest};

/// A copy that is served: its manifest and its store.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) root: Hash,
    pub(crate) manifest: Bytes,
    pub(crate) store: Arc<Store>,
}

/// Empty until the node knows what the folder contains.
pub(crate) type Slot = Arc<OnceLock<Shelf>>;

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    _services: [Service; 2],
    _streams: JoinSet<()>,
}

/// News of what has come goes out at most so often.
const PACE: Duration = Duration::from_millis(20);
/// A peer that is told nothing for so long is told that.
const BEAT: Duration = Duration::from_secs(10);
const MAX_REQUEST: usize = 64;

pub(crate) fn serve(node: &Node, slot: &Slot, status: &Status) -> Result<Serving, ProtocolError> {
    let mut limits = ProtocolConfig::default();
    limits.max_streams = 256;
    limits.max_streams_per_peer = 16;
    let mut rpc = RpcConfig::default();
    rpc.max_request = MAX_REQUEST;

    let shelf = slot.clone();
    let manifest = node.serve(wire::MANIFEST, limits.clone(), rpc.clone(), move |_, request| {
        let found = shelf.get().filter(|shelf| shelf.root == request.as_ref());
        let manifest = found.map(|shelf| shelf.manifest.clone()).ok_or(wire::NOT_HERE);
        async move { manifest }
    })?;
    let (shelf, tally) = (slot.clone(), status.clone());
    let chunks = node.serve(wire::CHUNK, limits.clone(), rpc, move |_, request| {
        chunk(shelf.clone(), tally.clone(), request)
    })?;
    let have = node.protocol(wire::HAVE, limits)?;
    let mut streams = JoinSet::new();
    streams.spawn(answer_have(have, slot.clone()));
    Ok(Serving { _services: [manifest, chunks], _streams: streams })
}

async fn chunk(slot: Slot, status: Status, request: Bytes) -> Result<Bytes, u32> {
    let request: ChunkRequest = frame::decode(&request).map_err(|_| code::BAD_FRAME)?;
    let shelf = slot.get().filter(|shelf| shelf.root == request.root).ok_or(wire::NOT_HERE)?;
    let store = shelf.store.clone();
    match spawn_blocking(move || store.get(request.index)).await {
        Ok(Ok(data)) => {
            status.add_sent(data.len() as u64);
            Ok(data.into())
        }
        Ok(Err(StoreError::NotHere)) => Err(wire::NOT_HERE),
        Ok(Err(error)) => {
            status.note(error.to_string());
            Err(wire::CHANGED)
        }
        Err(_) => Err(code::FAILED),
    }
}

async fn answer_have(protocol: Protocol, slot: Slot) {
    let mut streams = JoinSet::new();
    while let Some(Incoming { stream, .. }) = protocol.accept().await {
        while streams.try_join_next().is_some() {}
        streams.spawn(tell(stream, slot.clone()));
    }
}

/// Tells one peer what is here, and what comes, until everything is here.
async fn tell(stream: dsys_transport::Stream, slot: Slot) {
    let (mut send, mut recv) = stream.into_split();
    let asked = timeout(Duration::from_secs(10), recv.read_to_end(MAX_REQUEST)).await;
    let shelf = match (asked, slot.get()) {
        (Ok(Ok(root)), Some(shelf)) if root == shelf.root.as_slice() => shelf,
        _ => return send.reset(wire::NOT_HERE),
    };
    let mut changes = shelf.store.changes();
    let mut told = 0;
    loop {
        changes.mark_unchanged();
        let whole = shelf.store.is_whole();
        loop {
            let runs = shelf.store.since(told, wire::MAX_RUNS);
            if runs.is_empty() {
                break;
            }
            told += runs.len();
            let mut bytes = Vec::new();
            if frame::encode(&runs, wire::MAX_RUNS_FRAME, &mut bytes).is_err()
                || send.write_all(&bytes).await.is_err()
            {
                return;
            }
        }
        if whole {
            // It does not matter whether the peer still listens.
            return drop(send.finish().await);
        }
        sleep(PACE).await;
        // Now and then an empty list goes out, for only a write tells whether the peer is still there.
        if timeout(BEAT, changes.changed()).await.is_err() && send.write_all(&[1, 0]).await.is_err() {
            return;
        }
    }
}
