//! How a node takes part in its topics, and its bounds.

use std::sync::Arc;
use std::time::Duration;

use super::{FeedConfig, Rate};
use crate::envelope::DoorConfig;
use crate::membership::full;
use crate::{plumtree, topic};

/// How a node takes part in its topics, and its bounds. Each bound is counted in [`Stats`](super::Stats) when it is hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Each topic's membership and tree. The tree's bounds of payload and of the age of names are set by `door`.
    pub topic: topic::Config,
    /// What is let in.
    pub door: DoorConfig,
    /// How long our own messages live.
    pub lifetime: Duration,
    /// Whether we sign the hops of messages we pass on; see [`path`](crate::path). Costs a signature for each neighbour a
    /// message goes to and a check for each hop of one that comes.
    pub sign_hops: bool,
    /// At most so many hops in a path; of longer ones the beginning is left out.
    pub max_hops: usize,
    /// At most so many topics at once.
    pub max_topics: usize,
    /// What one peer may send in one topic.
    pub peer_rate: Rate,
    /// At most so many peers are counted in one topic; more than these that send at once are not listened to.
    pub max_metered: usize,
    /// How fast our own messages go out in one topic. Should stay well below what others accept of one peer.
    pub publish_rate: Rate,
    /// At most so many of our own messages wait for that.
    pub max_pending: usize,
    /// How often a neighbour is asked whether we lack something.
    pub compare_every: Duration,
    /// How long we wait for an answer to that.
    pub answer_within: Duration,
    /// How long after we have caught up neighbours are told, so that many messages are told at once.
    pub news_after: Duration,
    /// At most so many names in one answer.
    pub max_names: usize,
    /// At most so many cells in one answer; 0: names only. A topic whose cells were asked for keeps 32 bytes for each.
    pub max_cells: usize,
    /// A node with more messages in a topic asks for no cells: comparing them takes the time of hashing all their names.
    pub max_compared: usize,
    /// At most so many messages are wanted of one peer in one message.
    pub max_wanted: usize,
    /// At most so many such wants are under way to one peer.
    pub wants_ahead: usize,
    /// Of at most so many peers we remember how far we have come with them.
    pub max_cursors: usize,
    /// What store and forward to chosen neighbours may cost.
    pub feed: FeedConfig,
    /// How often [`Event::Report`](super::Event::Report) comes while something happens; `None`: never.
    pub report_every: Option<Duration>,
}

impl Default for Config {
    /// Messages of 64 KiB that live a day, no signed hops, 64 topics; 2,000 messages or 16 MiB a second of each peer and
    /// half as many of our own; a neighbour compared with every 30 s, 256 names, 64 messages at once
    /// and eight times as many under way.
    fn default() -> Self {
        Config {
            topic: topic::Config::default(),
            door: DoorConfig::default(),
            lifetime: Duration::from_secs(86_400),
            sign_hops: false,
            max_hops: 32,
            max_topics: 64,
            peer_rate: Rate { messages: 2_000, bytes: 16 << 20, burst: Duration::from_secs(2) },
            max_metered: 1_024,
            publish_rate: Rate { messages: 1_000, bytes: 8 << 20, burst: Duration::from_secs(1) },
            max_pending: 1_024,
            compare_every: Duration::from_secs(30),
            answer_within: Duration::from_secs(3),
            news_after: Duration::from_millis(100),
            max_names: 256,
            max_cells: 1_024,
            max_compared: 65_536,
            max_wanted: 64,
            wants_ahead: 8,
            max_cursors: 1_024,
            feed: FeedConfig::default(),
            report_every: None,
        }
    }
}

impl Config {
    /// For links that are slow, dear or mostly not there: a topic's contacts are [fed](super::feed), and nothing else is
    /// spoken. Messages of 4 KiB that live thirty days, clocks that are wrong by an hour; frames of 256 bytes, 25 bytes a
    /// second on the average, answers within two minutes, one small frame an hour while a neighbour is away.
    pub fn low_power() -> Self {
        let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
        Config {
            door: DoorConfig { max_payload: 4_096, max_lifetime: 30 * day, max_ahead: hour },
            lifetime: 30 * day,
            feed: FeedConfig::low_power(),
            ..Config::default()
        }
    }

    /// The settings of the parts, as the bounds of the whole make them necessary.
    pub(super) fn parts(&self) -> topic::Config {
        let head = 512;
        let age = self.door.max_lifetime.saturating_add(2 * self.door.max_ahead);
        let tree = plumtree::Config {
            max_payload: self.door.max_payload.saturating_add(head),
            // A name must outlive its message, or a replay would be news.
            max_seen_age: self.topic.broadcast.max_seen_age.max(age),
            ..(*self.topic.broadcast).clone()
        };
        let full = full::Config {
            // Whoever is a member is a neighbour.
            max_members: self.topic.full.max_members.min(tree.max_neighbours),
            ..(*self.topic.full).clone()
        };
        topic::Config {
            membership: self.topic.membership.clone(),
            full: Arc::new(full),
            broadcast: Arc::new(tree),
        }
    }
}
