//! The async face of the router: [`Gossip`] on a node, [`TopicHandle`] for a topic, [`Subscription`] for what comes.

// A handle is no machine: many tasks share it, and it reads the clock for the machine.
#![allow(clippy::disallowed_types)]

mod disk;
mod error;
mod hub;
mod members;
mod subscription;
mod topic;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dsys_core::NodeAddr;
use dsys_transport::{Disk, NoDisk, Node, RunConfig, run_with};

use crate::agent::Agent;
use crate::envelope::{BadTopicName, Timestamp, TopicName};
use crate::links::{self, Detection, Links};
use crate::router::{Config, FeedConfig, Router};
use crate::store::{MemoryStore, Store};

pub use error::{DeleteError, JoinError, MetaError, PublishError, SpawnError};
pub use members::Members;
pub use subscription::{Event, Subscription};
pub use topic::TopicHandle;

use disk::StoreDisk;
use hub::Hub;

/// The protocol's tag on the wire.
pub(crate) const TAG: &str = "dsys/gossip/1";

/// Gossip on a node: topics to join, over the node's connections. Clones are handles to the same; when the last is
/// dropped, with all [`TopicHandle`]s and [`Subscription`]s, the node takes part no more.
#[derive(Clone)]
pub struct Gossip {
    hub: Arc<Hub>,
}

/// How gossip is set up.
#[derive(Debug)]
pub struct Builder<'a, S = MemoryStore> {
    node: &'a Node,
    store: S,
    config: Config,
    links: links::Config,
    queue: usize,
}

impl Gossip {
    /// Sets gossip up on a node, in whose name what we publish is signed.
    pub fn builder(node: &Node) -> Builder<'_> {
        Builder {
            node,
            store: MemoryStore::with_budget(64 << 20),
            config: Config { report_every: Some(Duration::from_millis(500)), ..Config::default() },
            links: links::Config::default(),
            queue: 64,
        }
    }

    /// Why it has ended, if it was not because the node has shut down: its store failed, so it could not keep its word. What
    /// is in the store is there at the next start.
    pub fn failure(&self) -> Option<String> {
        self.hub.state().failure.clone()
    }

    /// Who is there, beyond the neighbours: if the [detection](Builder::detection) is SWIM. Nobody otherwise.
    pub fn members(&self) -> Members {
        Members::of_node(&self.hub)
    }

    /// Takes part in a topic, by those contacts that can be reached. Returns at once: whoever wants to wait for company
    /// calls [`TopicHandle::joined`]. What is published before that waits in the store.
    ///
    /// A topic that was joined before gets the contacts in addition, and the same subscribers and rates.
    ///
    /// # Errors
    /// [`JoinError`]; nothing was joined.
    ///
    /// # Cancel safety
    /// Safe: either nothing was joined, or the topic is left again at once.
    pub async fn join<A: Into<NodeAddr>>(
        &self,
        topic: impl TryInto<TopicName, Error: Into<BadTopicName>>,
        contacts: impl IntoIterator<Item = A>,
    ) -> Result<TopicHandle, JoinError> {
        self.join_as(topic, contacts, topic::Kind::Partial).await
    }

    /// Takes part in a small topic: all are neighbours of each other, and know who is there and what each says of itself
    /// ([`TopicHandle::members`]). For a meeting, a household, the servers of a service; at most 64 nodes unless the
    /// configuration says more, each of which sends a probe a second. All nodes must join a topic in the same way.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    /// As there.
    pub async fn join_full<A: Into<NodeAddr>>(
        &self,
        topic: impl TryInto<TopicName, Error: Into<BadTopicName>>,
        contacts: impl IntoIterator<Item = A>,
    ) -> Result<TopicHandle, JoinError> {
        self.join_as(topic, contacts, topic::Kind::Full).await
    }

    async fn join_as<A: Into<NodeAddr>>(
        &self,
        topic: impl TryInto<TopicName, Error: Into<BadTopicName>>,
        contacts: impl IntoIterator<Item = A>,
        kind: topic::Kind,
    ) -> Result<TopicHandle, JoinError> {
        let name = topic.try_into().map_err(Into::into)?;
        let contacts = contacts.into_iter().map(Into::into).collect();
        topic::join(&self.hub, name, contacts, kind).await
    }

    /// Takes part in a topic that others will join by us: [`join`](Self::join) without contacts.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn open(
        &self,
        topic: impl TryInto<TopicName, Error: Into<BadTopicName>>,
    ) -> Result<TopicHandle, JoinError> {
        self.join(topic, [] as [NodeAddr; 0]).await
    }
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip").finish_non_exhaustive()
    }
}

impl<'a, S: Store> Builder<'a, S> {
    /// What keeps messages for those who come later; before: 64 MiB in memory. With one that outlives the process, messages,
    /// deletions and the numbers of our own messages are there at the next start.
    #[must_use]
    pub fn store<T: Store>(self, store: T) -> Builder<'a, T> {
        let Builder { node, config, links, queue, .. } = self;
        Builder { node, store, config, links, queue }
    }

    /// Other settings and bounds.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// For links that are slow, dear or mostly not there: frames of at most 256 bytes, no traffic while nothing waits, store
    /// and forward. A topic's contacts are [fed](crate::router::feed); there is no tree and no detection of deaths, and
    /// [`Event::PeerUp`] means that a contact was heard. The settings are those of
    /// [`Config::low_power`](crate::router::Config::low_power) with this `feed`; those given before are replaced. Nodes that
    /// are to hear each other over such links all say this, or [`TopicHandle::feed`].
    ///
    /// ```
    /// # async fn demo(node: dsys_transport::Node, gateway: dsys_core::NodeAddr) -> Result<(), Box<dyn std::error::Error>> {
    /// use dsys_gossip::Gossip;
    /// use dsys_gossip::router::FeedConfig;
    ///
    /// // As the profile has it: 256 bytes a frame, 25 bytes a second, a small frame an hour while a neighbour is away.
    /// let gossip = Gossip::builder(&node).low_power(FeedConfig::low_power()).spawn()?;
    /// let topic = gossip.join("weather.alps", [gateway]).await?;
    /// topic.publish("-12 C, wind from the north").await?; // waits in the store for the next contact
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn low_power(mut self, feed: FeedConfig) -> Self {
        let report_every = self.config.report_every;
        let feed = FeedConfig { only: true, ..feed };
        self.config = Config { feed, report_every, ..Config::low_power() };
        self
    }

    /// How deaths of nodes are found out, for all topics at once; before: by the transport, and by each topic's own probes.
    #[must_use]
    pub fn detection(mut self, detection: Detection) -> Self {
        self.links.detection = detection;
        self
    }

    /// So many messages to publish may wait in one topic; then [`TopicHandle::publish`] waits for room. At first 64.
    #[must_use]
    pub fn queue(mut self, most: usize) -> Self {
        self.queue = most.max(1);
        self
    }

    /// Reads what the store has, and starts.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing was started, and nothing written.
    ///
    /// # Cancel safety
    /// Safe: nothing was started.
    pub async fn start(self) -> Result<Gossip, SpawnError> {
        let Builder { node, store, config, links, queue } = self;
        let mut disk = StoreDisk(store);
        let written = disk.load().await?;
        let builder = Builder { node, store: disk.0.bounds(), config, links, queue };
        builder.run(disk, Some(written))
    }
}

impl Builder<'_> {
    /// Starts, with a store in memory: others have to be read first, by [`start`](Self::start). Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`SpawnError`]; nothing was started.
    pub fn spawn(self) -> Result<Gossip, SpawnError> {
        self.run(NoDisk, None)
    }

    /// With what was `written`, if changes are written.
    fn run(self, disk: impl Disk, written: Option<Vec<Vec<u8>>>) -> Result<Gossip, SpawnError> {
        let Builder { node, store, mut config, links, queue } = self;
        let signer = node.signer().ok_or(SpawnError::NoSigner)?;
        // The handle's own queue is the bound.
        config.max_pending = config.max_pending.max(queue);
        let mut running = RunConfig::default();
        running.max_message = running.max_message.max(config.door.max_payload.saturating_add(64 << 10));
        let (most, max_topics) = (config.door.max_payload, config.max_topics);
        let (full, neighbours) = (config.topic.full.clone(), config.topic.broadcast.max_neighbours);
        let durable = written.is_some();
        let links = if config.feed.only { links::Config::default() } else { links };
        let mut router = Router::new(signer, node.addr(), store, now(), config);
        if let Some(written) = written {
            router = router.restore(written.iter().map(Vec::as_slice))?;
        }
        let ends = router.ends();
        let swim = match &links.detection {
            Detection::Swim(config) => Some((config.max_members, config.max_meta)),
            _ => None,
        };
        let full = (full.max_members.min(neighbours), full.max_meta);
        let agent = Agent::new(router, Links::new(node.addr(), links));
        let running = run_with(agent, node, TAG, disk, running)?;
        let limits = hub::Limits { queue, max_topics, max_payload: most, durable, swim, full };
        Ok(Gossip { hub: Hub::start(running, limits, ends) })
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since)
}
