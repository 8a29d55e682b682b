//! What is let in, and what each refusal costs.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;

use super::{Envelope, Timestamp, TopicName};
use crate::MessageId;

/// What is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorConfig {
    /// At most this many bytes of payload.
    pub max_payload: usize,
    /// No envelope lives longer than this after it was written, whatever its expiry says.
    pub max_lifetime: Duration,
    /// At most so far may an origin's clock be ahead of ours.
    pub max_ahead: Duration,
}

impl Default for DoorConfig {
    /// 64 KiB, a day, half a minute.
    fn default() -> Self {
        DoorConfig {
            max_payload: 65_536,
            max_lifetime: Duration::from_secs(86_400),
            max_ahead: Duration::from_secs(30),
        }
    }
}

/// Why an envelope is not let in. In the order of the checks, from cheap to dear: up to `Duplicate` they cost a look at
/// the head, `WrongName` a hash of the payload, `Forged` a signature check as well. Nothing is kept of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// Larger than `max_payload` allows.
    Oversized,
    /// The bytes are no envelope.
    Malformed,
    /// It belongs to another topic.
    OtherTopic,
    /// Its time, or the longest that any may live, is over.
    Expired,
    /// Its origin's clock is too far ahead of ours.
    FutureDated,
    /// It was let in before, or its origin has deleted it.
    Duplicate,
    /// It is not the message of the name under which it came.
    WrongName,
    /// Its origin has not signed it.
    Forged,
}

impl Refusal {
    /// Whether no honest peer would have sent it: clocks differ and duplicates happen, the others do not.
    pub fn is_violation(self) -> bool {
        !matches!(self, Refusal::Expired | Refusal::FutureDated | Refusal::Duplicate)
    }
}

/// What came to the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoorStats {
    /// Let in.
    pub passed: u64,
    /// Too large.
    pub oversized: u64,
    /// No envelopes.
    pub malformed: u64,
    /// Of another topic.
    pub other_topic: u64,
    /// Too old.
    pub expired: u64,
    /// Too far ahead.
    pub future_dated: u64,
    /// Known.
    pub duplicates: u64,
    /// Under another's name.
    pub wrong_name: u64,
    /// Not signed by their origins.
    pub forged: u64,
    /// Payloads hashed.
    pub hashed: u64,
    /// Signatures checked.
    pub signatures_checked: u64,
}

/// The checks that every envelope of one topic passes before anything is done with it.
#[derive(Clone, Debug)]
pub struct Door {
    topic: TopicName,
    config: DoorConfig,
    stats: DoorStats,
}

impl Door {
    /// The door of a topic.
    pub fn new(topic: TopicName, config: DoorConfig) -> Self {
        Door { topic, config, stats: DoorStats::default() }
    }

    /// What came so far.
    pub fn stats(&self) -> DoorStats {
        self.stats
    }

    /// Lets the envelope of this name in, or not. `seen` says whether a message of this name and this origin was let in
    /// before, or deleted.
    ///
    /// # Errors
    /// [`Refusal`]: the first check that failed, counted.
    pub fn check(
        &mut self,
        id: MessageId,
        bytes: &Bytes,
        now: Timestamp,
        seen: impl FnOnce(MessageId, NodeId) -> bool,
    ) -> Result<Envelope, Refusal> {
        let checked = self.checked(id, bytes, now, seen);
        let stats = &mut self.stats;
        *match checked {
            Ok(_) => &mut stats.passed,
            Err(Refusal::Oversized) => &mut stats.oversized,
            Err(Refusal::Malformed) => &mut stats.malformed,
            Err(Refusal::OtherTopic) => &mut stats.other_topic,
            Err(Refusal::Expired) => &mut stats.expired,
            Err(Refusal::FutureDated) => &mut stats.future_dated,
            Err(Refusal::Duplicate) => &mut stats.duplicates,
            Err(Refusal::WrongName) => &mut stats.wrong_name,
            Err(Refusal::Forged) => &mut stats.forged,
        } += 1;
        checked
    }

    fn checked(
        &mut self,
        id: MessageId,
        bytes: &Bytes,
        now: Timestamp,
        seen: impl FnOnce(MessageId, NodeId) -> bool,
    ) -> Result<Envelope, Refusal> {
        if bytes.len() > Envelope::overhead(&self.topic) + self.config.max_payload {
            return Err(Refusal::Oversized);
        }
        let mut envelope = Envelope::decode(bytes).ok_or(Refusal::Malformed)?;
        if envelope.topic != self.topic {
            return Err(Refusal::OtherTopic);
        }
        // One name for all messages of a topic.
        envelope.topic = self.topic.clone();
        if self.end(&envelope) <= now {
            return Err(Refusal::Expired);
        }
        if envelope.time > now.plus(self.config.max_ahead) {
            return Err(Refusal::FutureDated);
        }
        if seen(id, envelope.origin) {
            return Err(Refusal::Duplicate);
        }
        self.stats.hashed += 1;
        let digest = envelope.digest();
        if digest.id() != id {
            return Err(Refusal::WrongName);
        }
        self.stats.signatures_checked += 1;
        if envelope.is_signed(&digest) { Ok(envelope) } else { Err(Refusal::Forged) }
    }

    /// From when on an envelope is not let in any more.
    pub fn end(&self, envelope: &Envelope) -> Timestamp {
        envelope.expires.min(envelope.time.plus(self.config.max_lifetime))
    }
}
