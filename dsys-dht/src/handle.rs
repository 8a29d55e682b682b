//! The DHT as an app holds it.

mod builder;
mod disk;
mod idle;
mod results;
mod router;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, Signer};
use tokio::sync::watch as latest;
use tokio::task::AbortHandle;

pub use builder::{Builder, StartError};
pub use disk::NoStore;
pub use results::{Fetched, FetchedMany, Found, Put, Resolved};
pub use watch::{Progress, Providers, Watch};

use crate::records::{
    Command, GetError, Got, GotMany, Kind, LeaveReport, Mutable, Provider, PutError, PutReport, Record,
    RecordId, Salt, Stats, SweepReport, UnixTime, Value, mutable_key,
};
use crate::{FindError, Kademlia, Key};
use router::{Answer, Router};

/// A distributed hash table on a [`Node`](dsys_transport::Node). Clones are handles to the same one; when the last is
/// dropped it ends. So it does when its node shuts down, and when its [`Store`](crate::store::Store) fails.
///
/// ```
/// use dsys_core::SecretKey;
/// use dsys_dht::Dht;
/// use dsys_transport::{MemoryNetwork, Node, NodeConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In memory here; `Quic::bind` makes one on a real network.
/// let network = MemoryNetwork::default();
/// let (one, other) = (SecretKey::generate()?, SecretKey::generate()?);
/// let one = Node::new(network.transport_of(&one), NodeConfig::default());
/// let other = Node::new(network.transport_of(&other), NodeConfig::default());
///
/// let first = Dht::builder(&one).start().await?;
/// let second = Dht::builder(&other).bootstrap([one.ticket()]).start().await?;
/// second.joined().await;
/// let put = second.put(b"hello".as_slice()).await?;
/// assert_eq!((put.report.stored_on, put.report.of), (1, 1));
/// assert_eq!(first.get(&put.key).await?, b"hello".as_slice());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dht {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    router: Router,
    signer: Option<Arc<dyn Signer>>,
    addr: NodeAddr,
    max_ttl: Duration,
    quorum: usize,
    peers: latest::Receiver<usize>,
    ended: latest::Receiver<Option<String>>,
    task: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dht {
    /// A DHT on this node: Kademlia, no store, nobody to begin with, unless something else is asked for.
    pub fn builder(node: &dsys_transport::Node) -> Builder<Kademlia, NoStore> {
        Builder::new(node)
    }

    /// Stores bytes under their BLAKE3 hash, on the nodes responsible for it, and again every
    /// [`republish`](crate::records::Config::republish) until [`unpublish`](Self::unpublish). At most 64 KiB.
    ///
    /// # Errors
    /// [`PutError`]; each variant says what became of the record.
    ///
    /// # Cancel safety
    /// The store goes on.
    pub async fn put(&self, value: impl Into<Bytes>) -> Result<Put, PutError> {
        self.put_record(Record::Immutable(Value::new(value)?), None).await
    }

    /// Fetches the bytes that lie under their BLAKE3 hash. They are checked.
    ///
    /// # Errors
    /// [`GetError`]: nobody to ask is not nobody who has it.
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn get(&self, key: &Key) -> Result<Fetched, GetError> {
        let got = self.get_record(*key, Kind::Immutable, 1).await?;
        Ok(Fetched::new(got))
    }

    /// [`get`](Self::get) for many keys at once, with one search for each region of the space instead of one for each key.
    /// What is not found like this is searched for by itself, one after the other.
    ///
    /// # Errors
    /// [`GetError`], of the whole. What was not found is in the result.
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn get_many(&self, keys: impl IntoIterator<Item = Key>) -> Result<FetchedMany, GetError> {
        let keys = keys.into_iter().collect();
        let answer = self.inner.router.run(|op| Command::Bulk { op, keys }, true).await;
        let Some(Answer::Bulk(result)) = answer else { return Err(GetError::Ended) };
        let GotMany { found, missing: hard, report } = result?;
        let bytes = |(key, record): (Key, Record)| match record {
            Record::Immutable(value) => Some((key, value.into_bytes())),
            _ => None,
        };
        let mut many =
            FetchedMany { found: found.into_iter().filter_map(bytes).collect(), missing: Vec::new(), report };
        for key in hard {
            match self.get(&key).await {
                Ok(fetched) => drop(many.found.insert(key, fetched.into_bytes())),
                Err(GetError::Ended) => return Err(GetError::Ended),
                Err(_) => many.missing.push(key),
            }
        }
        Ok(many)
    }

    /// Publishes a version of a mutable record for [`max_ttl`](crate::records::Rules::max_ttl): whoever knows the public key
    /// and `salt` resolves it. Stored as [`put`](Self::put) does, with its errors, among them [`PutError::Conflict`].
    ///
    /// # Errors
    /// [`PutError`].
    ///
    /// # Cancel safety
    /// The store goes on.
    pub async fn publish(
        &self,
        signer: &dyn Signer,
        salt: impl AsRef<[u8]>,
        seq: u64,
        value: impl Into<Bytes>,
    ) -> Result<Put, PutError> {
        let record = self.signed(signer, salt.as_ref(), seq, value.into())?;
        self.put_record(record, None).await
    }

    /// [`publish`](Self::publish), but only if nobody has published after version `expected`: compare and swap.
    ///
    /// # Errors
    /// [`PutError::Conflict`] if somebody has, and others as there.
    ///
    /// # Cancel safety
    /// The store goes on.
    pub async fn publish_after(
        &self,
        expected: u64,
        signer: &dyn Signer,
        salt: impl AsRef<[u8]>,
        seq: u64,
        value: impl Into<Bytes>,
    ) -> Result<Put, PutError> {
        let record = self.signed(signer, salt.as_ref(), seq, value.into())?;
        self.put_record(record, Some(expected)).await
    }

    /// The newest version of a mutable record, on which a quorum of nodes agrees ([`Builder::quorum`]) or, if fewer have
    /// it, all who do.
    ///
    /// # Errors
    /// [`GetError`].
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn resolve(&self, publisher: &NodeId, salt: impl AsRef<[u8]>) -> Result<Resolved, GetError> {
        let salt = Salt::new(salt.as_ref().to_vec())?;
        let got = self.get_record(mutable_key(*publisher, &salt), Kind::Mutable, self.inner.quorum).await?;
        Resolved::new(got)
    }

    /// Says that this node has what lies under a key, until [`unprovide`](Self::unprovide), signed in
    /// the node's name.
    ///
    /// # Errors
    /// [`PutError::NoSigner`], and others as [`put`](Self::put).
    ///
    /// # Cancel safety
    /// The store goes on.
    pub async fn provide(&self, key: &Key) -> Result<PutReport, PutError> {
        let record = self.inner.provider(*key).ok_or(PutError::NoSigner)?;
        Ok(self.put_record(record, None).await?.report)
    }

    /// [`provide`](Self::provide) for many keys at once, with one search for each region of the space instead of one for
    /// each key. What nobody stored is tried again.
    ///
    /// # Errors
    /// [`PutError`], of the whole.
    ///
    /// # Cancel safety
    /// The stores go on.
    pub async fn provide_many(&self, keys: impl IntoIterator<Item = Key>) -> Result<SweepReport, PutError> {
        let records = keys.into_iter().map(|key| self.inner.provider(key));
        self.put_many(records.collect::<Option<Vec<Record>>>().ok_or(PutError::NoSigner)?).await
    }

    /// [`put_record`](Self::put_record) for many records at once, with one search for each region of the space.
    /// Records that somebody has a newer version of are counted in the report.
    ///
    /// # Errors
    /// [`PutError`], of the whole. Records that do not hold are counted in the report.
    ///
    /// # Cancel safety
    /// The stores go on.
    pub async fn put_many(&self, records: Vec<Record>) -> Result<SweepReport, PutError> {
        match self.inner.router.run(|op| Command::Sweep { op, records }, false).await {
            Some(Answer::Swept(result)) => result,
            _ => Err(PutError::Ended),
        }
    }

    /// The nodes that have what lies under a key, each as soon as it is known.
    pub fn find_providers(&self, key: &Key) -> Providers {
        Providers::new(self.watch_get(*key, Kind::Provider, usize::MAX))
    }

    /// Where a node says it is reached, as its neighbours know it.
    ///
    /// # Errors
    /// [`FindError`] if nobody could be asked. A node that nobody knows is `None`.
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn find_node(&self, node: NodeId) -> Result<Option<NodeAddr>, FindError> {
        let near = self.find_nodes(Key::of_node(node)).await?;
        Ok(near.nodes.into_iter().find(|addr| addr.id == node))
    }

    /// The nodes responsible for a key, and what it cost to find them.
    ///
    /// # Errors
    /// [`FindError`].
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn find_nodes(&self, key: Key) -> Result<Found, FindError> {
        let answer = self.inner.router.run(|op| Command::Find { op, key, steps: false }, true).await;
        match answer {
            Some(Answer::Peers(found)) => found,
            _ => Err(FindError::Ended),
        }
    }

    /// [`find_nodes`](Self::find_nodes) step by step.
    pub fn watch_find(&self, key: Key) -> Watch {
        self.inner.router.watch(|op| Command::Find { op, key, steps: true })
    }

    /// Publishes this one no more; copies elsewhere live until they expire. False if the DHT has ended.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn unpublish(&self, id: RecordId) -> bool {
        self.inner.router.tell(Command::Unpublish(id)).await
    }

    /// As [`unpublish`](Self::unpublish), what [`provide`](Self::provide) said.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn unprovide(&self, key: &Key) -> bool {
        let owner = self.inner.addr.id;
        self.unpublish(RecordId { key: *key, kind: Kind::Provider, owner }).await
    }

    /// Any record, also of the app's own kind, and also one that another node has signed.
    ///
    /// # Errors
    /// [`PutError`].
    ///
    /// # Cancel safety
    /// The store goes on.
    pub async fn put_record(&self, record: Record, after: Option<u64>) -> Result<Put, PutError> {
        let key = record.id().key;
        let put = |op| Command::Put { op, record, after, steps: false };
        match self.inner.router.run(put, false).await {
            Some(Answer::Put(result)) => result.map(|report| Put { key, report }),
            _ => Err(PutError::Ended),
        }
    }

    /// Any record.
    ///
    /// # Errors
    /// [`GetError`].
    ///
    /// # Cancel safety
    /// The search ends.
    pub async fn get_record(&self, key: Key, kind: Kind, enough: usize) -> Result<Got, GetError> {
        let get = |op| Command::Get { op, key, kind, enough, steps: false };
        match self.inner.router.run(get, true).await {
            Some(Answer::Got(result)) => *result,
            _ => Err(GetError::Ended),
        }
    }

    /// [`put_record`](Self::put_record) step by step.
    pub fn watch_put(&self, record: Record, after: Option<u64>) -> Watch {
        self.inner.router.watch(|op| Command::Put { op, record, after, steps: true })
    }

    /// [`get_record`](Self::get_record) step by step, with each version or provider as it is found.
    pub fn watch_get(&self, key: Key, kind: Kind, enough: usize) -> Watch {
        self.inner.router.watch(|op| Command::Get { op, key, kind, enough, steps: true })
    }

    /// Hands all records over to nodes that are responsible without us, which acknowledge them. From then on nothing
    /// is stored here; shut the node down next.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// It goes on.
    pub async fn leave(&self) -> Result<LeaveReport, Ended> {
        match self.inner.router.run(Command::Leave, false).await {
            Some(Answer::Left(report)) => Ok(report),
            _ => Err(Ended),
        }
    }

    /// Waits until another node is known; says how many are. Cancel safety: safe.
    pub async fn joined(&self) -> usize {
        let mut peers = self.inner.peers.clone();
        peers.wait_for(|known| *known > 0).await.map_or(0, |known| *known)
    }

    /// What was counted.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stats(&self) -> Result<Stats, Ended> {
        match self.inner.router.run(Command::Stats, true).await {
            Some(Answer::Stats(stats)) => Ok(*stats),
            _ => Err(Ended),
        }
    }

    /// Waits until the DHT has ended, and says why. Cancel safety: safe.
    pub fn ended(&self) -> impl Future<Output = String> + Send + use<> {
        let mut ended = self.inner.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(why) => why.clone().unwrap_or_default(),
                Err(_) => "the DHT was dropped".into(),
            }
        }
    }

    fn signed(&self, signer: &dyn Signer, salt: &[u8], seq: u64, value: Bytes) -> Result<Record, PutError> {
        let (salt, value) = (Salt::new(salt.to_vec())?, Value::new(value)?);
        let expires = now().after(self.inner.max_ttl);
        Ok(Record::Mutable(Mutable::sign(signer, salt, seq, expires, value)))
    }
}

impl Inner {
    fn provider(&self, key: Key) -> Option<Record> {
        let signer = self.signer.as_ref()?;
        let expires = now().after(self.max_ttl);
        Some(Record::Provider(Provider::sign(signer, key, self.addr.clone(), expires)))
    }
}

/// The DHT has ended, because its node was shut down or its store failed: [`Dht::ended`] says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DHT has ended; Dht::ended says why")]
pub struct Ended;

/// The wall clock. A machine has none, so it is told.
#[allow(clippy::disallowed_types)]
fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixTime(since.as_secs())
}
