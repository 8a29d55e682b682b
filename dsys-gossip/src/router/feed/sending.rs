//! The giver's part.

use dsys_core::{Context, NodeId, Time};

use super::neighbour::{Batch, MOST_IDS, Neighbour};
use super::{FeedConfig, Router};
use crate::envelope::TopicId;
use crate::router::{Body, Timer, Wire};

/// What stands before the body of a frame: its length, which machine it is for.
const BEFORE: usize = 3;

/// What a frame takes on the wire.
pub(super) fn size(wire: &Wire) -> usize {
    BEFORE + wire.size()
}

/// What comes next.
enum Next {
    /// Nothing waits, or an answer does.
    Rest,
    /// The batch is done, or there is none.
    Batch,
    Send(Wire),
}

impl Router {
    /// Sends what may be sent to a neighbour, and sets the timer for the rest.
    pub(super) fn pump(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let (config, now) = (self.config.clone(), cx.now());
        let config = &config.feed;
        loop {
            let next = self.next_frame(peer, cx);
            match next {
                Next::Rest => return self.wait(peer, cx),
                Next::Batch if self.next_batch(peer, cx) => {}
                Next::Batch => {
                    cx.cancel_timer(Timer::Feed(peer));
                    return;
                }
                Next::Send(wire) => {
                    // Whoever is away is tried only so often.
                    let away = self.feeds.neighbours.get(&peer).filter(|one| !one.present);
                    let away = away.and_then(|one| one.probed);
                    let rest = away.map_or(config.probe_every, |probed| now - probed);
                    let pause = config.probe_every.saturating_sub(rest);
                    let pause = pause.max(self.feeds.pause(size(&wire), false, now, config));
                    if !pause.is_zero() {
                        cx.set_timer(Timer::Feed(peer), pause);
                        return;
                    }
                    cx.send(peer, wire);
                    self.sent(peer, now);
                }
            }
        }
    }

    /// The batch that comes after the one that is done. `false` if nothing waits.
    fn next_batch(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) -> bool {
        let wall = self.wall(cx.now());
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return false };
        if let Some(done) = neighbour.sending.take()
            && let Some(place) = neighbour.topics.get_mut(&done.topic)
        {
            (place.next, place.known) = (done.upto.max(place.next), true);
            neighbour.last = Some(done.topic);
            self.feeds.stats.acknowledged += done.ids.len() as u64;
            self.write_fed(done.topic, peer, cx);
        }
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer).filter(|one| !one.barred) else {
            return false;
        };
        // One that is away is told of one, so that the frame is small.
        let room = (self.config.feed.frame() - BEFORE - Body::OFFER) / 16;
        let most = if neighbour.present { room.min(MOST_IDS) } else { 1 };
        for topic in neighbour.turns() {
            let Some(place) = neighbour.topics.get_mut(&topic) else { continue };
            let (mut ids, mut upto) = (Vec::new(), place.next);
            for (at, kept) in self.store.from(topic, place.next) {
                if kept.from != peer && kept.end > wall {
                    ids.push(kept.id);
                }
                upto = at + 1;
                if ids.len() >= most {
                    break;
                }
            }
            if ids.is_empty() {
                place.next = upto;
                if place.known {
                    continue;
                }
            }
            neighbour.batches = neighbour.batches.wrapping_add(1);
            neighbour.sending = Some(Batch {
                number: neighbour.batches,
                topic,
                upto,
                ids,
                reached: None,
                todo: 0,
                offset: 0,
                window: 0,
                unconfirmed: false,
                offered: false,
            });
            return true;
        }
        false
    }

    fn next_frame(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) -> Next {
        let wall = self.wall(cx.now());
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return Next::Rest };
        let Some(batch) = &mut neighbour.sending else { return Next::Batch };
        let (number, topic) = (batch.number, batch.topic);
        if !batch.offered {
            let log = self.topics.get(&topic).map_or(0, |joined| joined.catch_up.short());
            let body = Body::Offer { batch: number, log, ids: batch.ids.clone() };
            return Next::Send(Wire { topic, body });
        }
        if batch.reached.is_none() || batch.window == 0 {
            return Next::Rest;
        }
        let most = self.config.feed.frame() - BEFORE - Body::PART;
        while batch.todo != 0 {
            let which = batch.todo.trailing_zeros();
            let kept = batch.ids.get(which as usize).and_then(|id| self.store.get(topic, *id));
            let rest = kept.filter(|kept| kept.end > wall).and_then(|kept| kept.bytes.get(batch.offset..));
            // What has gone meanwhile, or what the neighbour cannot have so much of, is not sent.
            let (Some(rest), Some(kept)) = (rest.filter(|rest| !rest.is_empty()), kept) else {
                (batch.todo, batch.offset) = (batch.todo & (batch.todo - 1), 0);
                continue;
            };
            let last = rest.len() <= most;
            let bytes = kept.bytes.slice(batch.offset..batch.offset + rest.len().min(most));
            let answer = batch.window == 1 || last && batch.todo.is_power_of_two();
            let offset = batch.offset as u32;
            let which = which as u8;
            let body = Body::Part { batch: number, which, offset, last, answer, bytes };
            return Next::Send(Wire { topic, body });
        }
        if batch.unconfirmed { Next::Rest } else { Next::Batch }
    }

    /// What [`next_frame`](Self::next_frame) gave has been sent.
    fn sent(&mut self, peer: NodeId, now: Time) {
        let (frame, window) = (self.config.feed.frame(), self.config.feed.window);
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        let Some(batch) = &mut neighbour.sending else { return };
        if !batch.offered {
            (batch.offered, batch.window) = (true, window.max(1));
            if !neighbour.present {
                neighbour.probed = Some(now);
            }
            return;
        }
        let which = batch.todo.trailing_zeros() as usize;
        let kept = batch.ids.get(which).and_then(|id| self.store.get(batch.topic, *id));
        batch.offset += frame - BEFORE - Body::PART;
        if kept.is_none_or(|kept| batch.offset >= kept.bytes.len()) {
            (batch.todo, batch.offset) = (batch.todo & batch.todo.wrapping_sub(1), 0);
        }
        (batch.window, batch.unconfirmed) = (batch.window - 1, true);
    }

    /// There is nothing to send before an answer.
    fn wait(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let FeedConfig { answer_within, probe_every, .. } = self.config.feed;
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        if neighbour.sending.is_some() && !std::mem::replace(&mut neighbour.waits, true) {
            let most = if neighbour.present { answer_within } else { probe_every };
            cx.set_timer(Timer::Feed(peer), most);
        }
    }

    /// A neighbour says what of a batch it lacks.
    pub(in super::super) fn needed(
        &mut self,
        topic: TopicId,
        peer: NodeId,
        (number, missing, have): (u16, u16, u32),
        cx: &mut Context<'_, Self>,
    ) {
        let (window, tries) = (self.config.feed.window.max(1), self.config.feed.tries);
        let neighbour = self.feeds.neighbours.get_mut(&peer).filter(|one| one.waits);
        let ours = |batch: &Batch| batch.number == number && batch.topic == topic;
        let Some(neighbour) = neighbour.filter(|one| one.sending.as_ref().is_some_and(ours)) else {
            self.feeds.stats.strange += 1;
            return;
        };
        let Neighbour { sending: Some(batch), waits, tries: tried, .. } = neighbour else { return };
        let missing = missing & batch.all();
        let (lacks, before) = (missing.count_ones(), batch.reached.replace((missing.count_ones(), have)));
        let further = before.is_none_or(|(lacked, had)| lacks < lacked || (lacks == lacked && have > had));
        *tried = if further { 0 } else { tried.saturating_add(1) };
        *waits = false;
        (batch.todo, batch.offset) = (missing, have as usize);
        (batch.window, batch.unconfirmed) = (window, false);
        if *tried > tries {
            return self.feed_down(peer, cx);
        }
        self.arrive(peer, cx);
        self.pump(peer, cx);
    }

    /// The timer of a neighbour: an answer has not come, or the pace lets us go on.
    pub(in super::super) fn feed_on(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let tries = self.config.feed.tries;
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        if std::mem::take(&mut neighbour.waits) {
            self.feeds.stats.unanswered += 1;
            let tried = neighbour.tries.saturating_add(1);
            if neighbour.present && tried > tries {
                return self.feed_down(peer, cx);
            }
            neighbour.offer_again();
            neighbour.tries = tried.min(tries);
        }
        self.pump(peer, cx);
    }
}
