//! The rules of a connection: what each frame does where it arrives, and when it arrives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::Rng;
use tokio::time::Instant;

use super::conditions::Conditions;
use super::config::{Counters, MemoryConfig, count};
use super::end::{End, Ended, Stream};
use super::frame::{Frame, Kind, Part, Side, Sides, StreamId};
use super::wakes::{Event, Wakes};
use super::wire::{Wire, later};
use crate::error::CloseReason;

/// A lost chunk is sent again, and may be lost again; no more often than this, so that a loss of 100 % delays and
/// does not hang. A cut is what [`block`](super::MemoryNetwork::block) is for.
const MAX_RETRANSMISSIONS: u32 = 8;

#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Arc<MemoryConfig>,
    counters: Arc<Counters>,
    ends: Sides<End>,
    /// What each side has sent.
    wires: Sides<Wire>,
    rng: Rng,
}

/// What the driver waits for.
pub(super) enum Next {
    /// Both ends are closed.
    Over,
    /// Until something is sent late, or the conditions change.
    Change,
    At(Instant),
}

impl State {
    pub(super) fn new(config: Arc<MemoryConfig>, counters: Arc<Counters>, rng: Rng) -> Self {
        State { config, counters, ends: Sides::new(End::default), wires: Sides::new(Wire::default), rng }
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        self.ends.get_mut(side)
    }

    pub(super) fn conditions(&self, from: Side) -> &Conditions {
        self.wires.get(from).conditions()
    }

    pub(super) fn set_conditions(
        &mut self,
        forth: Conditions,
        back: Conditions,
        now: Instant,
        wakes: &mut Wakes,
    ) {
        self.wires.get_mut(Side::Dialler).set_conditions(forth, now);
        self.wires.get_mut(Side::Acceptor).set_conditions(back, now);
        wakes.driver();
    }

    /// Opens a stream, unless as many are open as may be.
    pub(super) fn open(&mut self, side: Side, kind: Kind) -> Option<StreamId> {
        let limit = self.config.max_streams;
        let end = self.end(side);
        let of_kind = end.kind(kind);
        if of_kind.open >= limit {
            return None;
        }
        let id = StreamId { opener: side, kind, number: of_kind.opened };
        of_kind.open += 1;
        of_kind.opened += 1;
        end.streams.insert(id, Stream::new(true, kind == Kind::Bi, false));
        Some(id)
    }

    /// Sends on from the writing half of `id`. Frames of one stream arrive in the order in which they were sent.
    pub(super) fn send_part(&mut self, from: Side, id: StreamId, part: Part, wakes: &mut Wakes) {
        let Some(stream) = self.end(from).streams.get_mut(&id) else { return };
        let first = !std::mem::replace(&mut stream.known, true);
        let (after, stop) = (stream.last_due, stream.stop.take());
        let due = self.send(from, after, Frame::Stream { id, first, part }, wakes);
        if let Some(stream) = self.end(from).streams.get_mut(&id) {
            stream.last_due = due.or(after);
        }
        if let Some(code) = stop {
            self.send(from, due, Frame::Stop { id, code }, wakes);
        }
    }

    /// Tells the writer of `id` that no more is wanted.
    pub(super) fn send_stop(&mut self, from: Side, id: StreamId, code: u32, wakes: &mut Wakes) {
        let Some(stream) = self.end(from).streams.get_mut(&id) else { return };
        if !stream.known {
            // The peer must not see the stream before its first byte.
            stream.stop = Some(code);
            return;
        }
        let after = stream.last_due;
        self.send(from, after, Frame::Stop { id, code }, wakes);
    }

    /// Tells the writer of `id` that so much more was read.
    pub(super) fn send_credit(&mut self, from: Side, id: StreamId, bytes: usize, wakes: &mut Wakes) {
        self.send(from, None, Frame::Credit { id, bytes }, wakes);
    }

    /// Forgets a stream whose halves are both over, and lets its opener open another.
    pub(super) fn forget_if_over(&mut self, side: Side, id: StreamId, wakes: &mut Wakes) {
        let streams = &mut self.end(side).streams;
        if !streams.get(&id).is_some_and(|stream| stream.send.is_none() && stream.recv.is_none()) {
            return;
        }
        streams.remove(&id);
        if id.opener != side {
            self.send(side, None, Frame::Slot(id.kind), wakes);
        }
    }

    pub(super) fn send_datagram(&mut self, from: Side, data: Bytes, wakes: &mut Wakes) {
        let conditions = *self.conditions(from);
        if self.wires.get(from).blocked_since().is_some() || self.rng.chance(conditions.loss) {
            return count(&self.counters.datagrams_lost);
        }
        let delay = conditions.delay(&mut self.rng);
        if delay == Duration::ZERO {
            return self.arrive_datagram(from.other(), data, wakes);
        }
        let limit = self.config.datagram_queue;
        if self.wires.get_mut(from).push_datagram(later(Instant::now(), delay), data, limit) {
            count(&self.counters.datagrams_dropped);
        }
        wakes.driver();
    }

    /// Closes at once: this end now, the other when it hears of it. Whatever was on its way is lost.
    pub(super) fn close(&mut self, side: Side, code: u32, reason: &str, wakes: &mut Wakes) {
        if self.end(side).closed.is_some() {
            return;
        }
        self.end_closed(side, CloseReason::Local(code), wakes);
        self.wires.get_mut(side).clear();
        self.wires.get_mut(side.other()).clear();
        let reason = CloseReason::cut(reason).to_owned();
        self.send(side, None, Frame::Close { code, reason }, wakes);
    }

    /// The node at `side` dies. Its own handles fail at once; the peer learns it as told.
    pub(super) fn die(&mut self, side: Side, silent: bool, wakes: &mut Wakes) {
        self.end_closed(side, CloseReason::Transport("this node was killed".into()), wakes);
        if silent {
            let now = Instant::now();
            self.wires.get_mut(side).sever(now);
            self.wires.get_mut(side.other()).sever(now);
        } else {
            self.end_closed(side.other(), CloseReason::Reset, wakes);
        }
    }

    /// Delivers what is due, and times out what was cut for too long.
    pub(super) fn deliver(&mut self, now: Instant, wakes: &mut Wakes) -> Next {
        for from in [Side::Dialler, Side::Acceptor] {
            while let Some(frame) = self.wires.get_mut(from).pop(now) {
                self.arrive(from.other(), frame, wakes);
            }
            while let Some(data) = self.wires.get_mut(from).pop_datagram(now) {
                self.arrive_datagram(from.other(), data, wakes);
            }
        }
        if let Some(deadline) = self.idle_deadline().filter(|deadline| *deadline <= now) {
            tracing::debug!(?deadline, "a connection fell silent");
            self.end_closed(Side::Dialler, CloseReason::TimedOut, wakes);
            self.end_closed(Side::Acceptor, CloseReason::TimedOut, wakes);
        }
        if [Side::Dialler, Side::Acceptor].into_iter().all(|side| self.end(side).closed.is_some()) {
            return Next::Over;
        }
        let due =
            [Side::Dialler, Side::Acceptor].into_iter().filter_map(|side| self.wires.get(side).next_due());
        due.chain(self.idle_deadline()).min().map_or(Next::Change, Next::At)
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let since = [Side::Dialler, Side::Acceptor]
            .into_iter()
            .filter_map(|side| self.wires.get(side).blocked_since())
            .min()?;
        Some(later(since, self.config.idle_timeout))
    }

    /// Sends a frame, to arrive not before `after`. Gives when it arrives, or `None` if it has arrived.
    fn send(
        &mut self,
        from: Side,
        after: Option<Instant>,
        frame: Frame,
        wakes: &mut Wakes,
    ) -> Option<Instant> {
        let conditions = *self.conditions(from);
        let mut delay = conditions.delay(&mut self.rng);
        for _ in 0..MAX_RETRANSMISSIONS {
            if conditions.loss <= 0.0 || !self.rng.chance(conditions.loss) {
                break;
            }
            count(&self.counters.chunks_delayed);
            delay = delay.saturating_add(self.config.retransmission);
        }
        if delay == Duration::ZERO && self.wires.get(from).is_clear() {
            self.arrive(from.other(), frame, wakes);
            return None;
        }
        let now = Instant::now();
        let due = later(now, delay).max(after.unwrap_or(now));
        self.wires.get_mut(from).push(due, frame);
        wakes.driver();
        Some(due)
    }

    fn arrive(&mut self, at: Side, frame: Frame, wakes: &mut Wakes) {
        if self.end(at).closed.is_some() {
            return;
        }
        match frame {
            Frame::Stream { id, first, part } => self.arrive_part(at, id, first, part, wakes),
            Frame::Stop { id, code } => {
                if let Some(half) = self.end(at).streams.get_mut(&id).and_then(|stream| stream.send.as_mut())
                {
                    half.stopped.get_or_insert(code);
                    wakes.waker(half.waker.take());
                }
            }
            Frame::Credit { id, bytes } => {
                if let Some(half) = self.end(at).streams.get_mut(&id).and_then(|stream| stream.send.as_mut())
                {
                    half.outstanding = half.outstanding.saturating_sub(bytes);
                    wakes.waker(half.waker.take());
                }
            }
            Frame::Slot(kind) => {
                let of_kind = self.end(at).kind(kind);
                of_kind.open = of_kind.open.saturating_sub(1);
                wakes.event(at, Event::Slot(kind));
            }
            Frame::Close { code, reason } => self.end_closed(at, CloseReason::Peer { code, reason }, wakes),
        }
    }

    fn arrive_part(&mut self, at: Side, id: StreamId, first: bool, part: Part, wakes: &mut Wakes) {
        let end = self.end(at);
        if first {
            end.streams.insert(id, Stream::new(id.kind == Kind::Bi, true, true));
            end.kind(id.kind).arrived.push_back(id);
            wakes.event(at, Event::Arrived(id.kind));
        }
        let Some(half) = end.streams.get_mut(&id).and_then(|stream| stream.recv.as_mut()) else { return };
        if half.ended.is_some() {
            return;
        }
        match part {
            Part::Data(bytes) => half.chunks.push_back(bytes),
            Part::Fin => half.ended = Some(Ended::Fin),
            Part::Reset(code) => {
                half.chunks.clear();
                half.ended = Some(Ended::Reset(code));
            }
        }
        wakes.waker(half.waker.take());
    }

    fn arrive_datagram(&mut self, at: Side, data: Bytes, wakes: &mut Wakes) {
        let limit = self.config.datagram_queue;
        let end = self.end(at);
        if end.closed.is_some() {
            return;
        }
        end.datagrams.push_back(data);
        if end.datagrams.len() > limit {
            end.datagrams.pop_front();
            count(&self.counters.datagrams_dropped);
        } else {
            wakes.event(at, Event::Datagram);
        }
    }

    /// Closes one end, unless it is closed. What had arrived and was not read is gone.
    fn end_closed(&mut self, side: Side, reason: CloseReason, wakes: &mut Wakes) {
        let end = self.end(side);
        if end.closed.is_some() {
            return;
        }
        end.closed = Some(reason);
        for (_, stream) in end.streams.drain() {
            wakes.waker(stream.send.and_then(|half| half.waker));
            wakes.waker(stream.recv.and_then(|half| half.waker));
        }
        end.bi.arrived.clear();
        end.uni.arrived.clear();
        end.datagrams.clear();
        wakes.event(side, Event::Closed);
        wakes.driver();
    }
}
