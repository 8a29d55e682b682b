//! One direction of a connection: what was sent and has not arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::conditions::Conditions;
use super::frame::Frame;

#[derive(Debug, Default)]
pub(super) struct Wire {
    conditions: Conditions,
    /// Since when nothing gets through.
    blocked_since: Option<Instant>,
    /// The receiver is gone for good: no healing helps.
    severed: bool,
    /// Ordered by when they arrive, then by when they were sent.
    frames: BTreeMap<(Instant, u64), Frame>,
    datagrams: BTreeMap<(Instant, u64), Bytes>,
    sent: u64,
}

impl Wire {
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub(super) fn set_conditions(&mut self, conditions: Conditions, now: Instant) {
        self.conditions = conditions;
        self.note_block(now);
    }

    pub(super) fn sever(&mut self, now: Instant) {
        self.severed = true;
        self.note_block(now);
    }

    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Nothing stands between this moment's frame and the peer.
    pub(super) fn is_clear(&self) -> bool {
        self.blocked_since.is_none() && self.frames.is_empty()
    }

    pub(super) fn push(&mut self, due: Instant, frame: Frame) {
        self.sent += 1;
        self.frames.insert((due, self.sent), frame);
    }

    /// Gives true if an older datagram had to go, because `limit` were on their way.
    pub(super) fn push_datagram(&mut self, due: Instant, data: Bytes, limit: usize) -> bool {
        self.sent += 1;
        self.datagrams.insert((due, self.sent), data);
        self.datagrams.len() > limit && self.datagrams.pop_first().is_some()
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.datagrams.clear();
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Frame> {
        due(&mut self.frames, now, self.blocked_since)
    }

    pub(super) fn pop_datagram(&mut self, now: Instant) -> Option<Bytes> {
        due(&mut self.datagrams, now, self.blocked_since)
    }

    /// When something arrives next, if nothing changes.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.blocked_since.is_some() {
            return None;
        }
        let frame = self.frames.first_key_value().map(|((due, _), _)| *due);
        let datagram = self.datagrams.first_key_value().map(|((due, _), _)| *due);
        frame.into_iter().chain(datagram).min()
    }

    fn note_block(&mut self, now: Instant) {
        if self.conditions.blocked || self.severed {
            self.blocked_since.get_or_insert(now);
            // Nobody sends a datagram twice, so what is on its way now is lost.
            self.datagrams.clear();
        } else {
            self.blocked_since = None;
        }
    }
}

/// A duration that no clock can hold, which users write for "never", is thirty years.
pub(super) fn later(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

fn due<T>(from: &mut BTreeMap<(Instant, u64), T>, now: Instant, blocked: Option<Instant>) -> Option<T> {
    let first = from.first_entry()?;
    (blocked.is_none() && first.key().0 <= now).then(|| first.remove())
}
