//! What feeding may cost, and what it did.

use std::time::Duration;

use crate::router::Rate;

/// What store and forward may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Whether a topic's contacts are fed and nothing else is spoken: no membership, no tree, no comparing. See
    /// [`Config::low_power`](crate::router::Config::low_power).
    pub only: bool,
    /// The longest frame that we send, in bytes, the length that stands before it on a stream included. At least 96.
    pub max_frame: usize,
    /// What we send at most, to all that we feed; answers included.
    pub rate: Rate,
    /// So many parts are sent before we wait for an answer.
    pub window: u16,
    /// How long we wait for one. Should be longer than what waits in the link takes to cross it.
    pub answer_within: Duration,
    /// So often in a row we wait in vain before a neighbour is taken to be away.
    pub tries: u8,
    /// How often one that is away is tried while something waits for it, by one small frame.
    pub probe_every: Duration,
    /// At most so many neighbours, those that the app names not counted: whoever offers us something in a topic is one.
    pub max_neighbours: usize,
}

/// The smallest frame that can carry anything.
const LEAST_FRAME: usize = 96;

impl Default for FeedConfig {
    /// Beside other neighbours; 256 bytes; 100 bytes a second and 3 KiB at once; 8 parts; half a minute, three times; an
    /// hour; 64 neighbours.
    fn default() -> Self {
        FeedConfig {
            only: false,
            max_frame: 256,
            rate: Rate { messages: 100, bytes: 100, burst: Duration::from_secs(30) },
            window: 8,
            answer_within: Duration::from_secs(30),
            tries: 3,
            probe_every: Duration::from_secs(3_600),
            max_neighbours: 64,
        }
    }
}

impl FeedConfig {
    /// Alone; 25 bytes a second on the average, and 1,500 at once; answers within two minutes; else as by default.
    pub fn low_power() -> Self {
        FeedConfig {
            only: true,
            rate: Rate { messages: 100, bytes: 25, burst: Duration::from_secs(60) },
            answer_within: Duration::from_secs(120),
            ..FeedConfig::default()
        }
    }

    /// A probe is no longer than this: one name, and what stands before it.
    const PROBE: u64 = 36;

    /// The budget: at most so many bytes a day are sent to a neighbour that is not heard, while something waits for it.
    /// While nothing waits it is nothing at all. (One that was there and goes is asked `tries` times more.)
    pub fn unprompted_a_day(&self) -> u64 {
        let every = self.probe_every.as_secs().max(1);
        (86_400 / every + 1) * Self::PROBE
    }

    pub(super) fn frame(&self) -> usize {
        self.max_frame.max(LEAST_FRAME)
    }
}

/// What was counted of store and forward, in all topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedStats {
    /// Frames sent,
    pub frames: u64,
    /// and their bytes.
    pub bytes: u64,
    /// How often somebody who was away was heard.
    pub contacts: u64,
    /// Messages that a neighbour has acknowledged, or had.
    pub acknowledged: u64,
    /// Messages that came whole.
    pub received: u64,
    /// Answers that did not come in time.
    pub unanswered: u64,
    /// Parts that were not the next one: some before were lost, or they came twice.
    pub out_of_order: u64,
    /// Answers not sent because of the pace; whoever waits for one asks again.
    pub held_back: u64,
    /// Frames of nodes that are not fed, or of no batch that we know.
    pub strange: u64,
    /// Nodes not taken as neighbours because there were `max_neighbours`.
    pub unmet: u64,
    /// Neighbours that are not listened to any more: they sent what breaks a bound, or no honest node has.
    pub barred: u64,
}
