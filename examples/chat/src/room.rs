//! A room: its lines, in the order in which they were written, and who has seen each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dsys_core::NodeId;
use dsys_gossip::{Message, MessageId, TopicHandle};
use tokio::task::AbortHandle;

/// At most so many lines are kept.
const LINES: usize = 1_000;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Milliseconds since 1970, by the writer's clock.
    pub(crate) time: u64,
    pub(crate) id: MessageId,
    pub(crate) origin: NodeId,
    pub(crate) nick: String,
    pub(crate) text: String,
    /// How long it took to here.
    pub(crate) took: Duration,
}

#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) topic: TopicHandle,
    pub(crate) lines: Vec<Line>,
    /// By line; a sighting may come before its line.
    seen: BTreeMap<MessageId, BTreeMap<NodeId, String>>,
    /// Ours to say that we have seen them.
    pub(crate) unsaid: BTreeSet<MessageId>,
    /// Lines that came while another room was looked at.
    pub(crate) unread: usize,
    reader: AbortHandle,
}

impl Room {
    pub(crate) fn new(name: String, topic: TopicHandle, reader: AbortHandle) -> Self {
        Room {
            name,
            topic,
            lines: Vec::new(),
            seen: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            unread: 0,
            reader,
        }
    }

    pub(crate) fn line(&mut self, me: NodeId, message: &Message, nick: String, text: String) {
        let line = Line {
            time: message.time.as_millis(),
            id: message.id,
            origin: message.origin,
            nick,
            text,
            took: now().saturating_sub(Duration::from_millis(message.time.as_millis())),
        };
        // What came late stands where it belongs, so that all have one order.
        let at = self.lines.partition_point(|other| (other.time, other.id) < (line.time, line.id));
        self.lines.insert(at, line);
        if message.origin != me {
            self.unsaid.insert(message.id);
        }
        if self.lines.len() > LINES {
            let old = self.lines.remove(0);
            self.seen.remove(&old.id);
        }
        self.unread += 1;
    }

    pub(crate) fn seen(&mut self, by: NodeId, nick: &str, lines: Vec<MessageId>) {
        for id in lines {
            // Those of lines that never come do not pile up.
            if self.seen.len() < 2 * LINES || self.seen.contains_key(&id) {
                self.seen.entry(id).or_default().insert(by, nick.to_owned());
            }
        }
    }

    /// Who has seen the line, the writer left out.
    pub(crate) fn seen_by(&self, line: &Line) -> Vec<&str> {
        let seen = self.seen.get(&line.id).into_iter().flatten();
        seen.filter(|(node, _)| **node != line.origin).map(|(_, nick)| nick.as_str()).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
