//! Store and forward, for links that are slow, dear or mostly not there: the notes' Usenet, LoRa and battery case.
//!
//! ```text
//! giver                                     taker
//!    Offer { batch, log, ids } ------------>   names that wait for it, in the order of the giver's log
//!    <------------- Need { missing, have }     which of them it lacks, and how much of the first it has
//!    Part, Part, Part (answer) ------------>   a window of them, of one message after the other
//!    <------------- Need { missing, have }     ... until nothing is missing; then the place moves on
//! ```
//!
//! A node *feeds* chosen neighbours. What waits for one is not a queue but a place in the topic's log: what lies behind it
//! was acknowledged by that neighbour, has ended, or came from it. So packets wait as long as messages live and the store
//! has room, expire with them, and cost nothing twice; with a [store](crate::Store) they and the places outlive the process.
//!
//! - **Frames** have at most [`max_frame`](FeedConfig::max_frame) bytes. A larger message goes in parts, and a `Need` says from
//!   which byte on: a contact that ends amid a message costs one window, and the next goes on where it ended.
//! - **Hop by hop.** A `Need` acknowledges what it does not call missing, and is sent when that is in the log (and on the
//!   disk): so a message is the next node's to carry.
//! - **Silence.** Where nothing waits, nothing is sent. A neighbour that does not answer is tried again, by one small
//!   frame each [`probe_every`](FeedConfig::probe_every), and at once when it is heard or the transport says that it is there.
//!   [`unprompted_a_day`](FeedConfig::unprompted_a_day) is the budget that follows from it.
//! - **Pace.** All that is sent, answers included, keeps to a [`Rate`](super::Rate): the duty cycle of a radio.
//!
//! What one neighbour can make us keep is the names of a batch and one message of which parts are missing. It is
//! assembled as parts come, whatever was said of it. What it can make us send is bounded by the pace.
//!
//! NNCP (Matveev, "Node to Node copy") queues packets for each neighbour and acknowledges them hop by hop; Usenet's `ihave`
//! (RFC 3977, §6.3.2) asks before it sends. Both are here; what is our own is that the log is the queue.

mod config;
mod neighbour;
mod receiving;
mod sending;

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId, Time};

use super::meter::Meter;
use super::{Event, Router, Timer};
use crate::envelope::{TopicId, TopicName};
use crate::store::Change;

pub use config::{FeedConfig, FeedStats};
use neighbour::{Neighbour, Place};
pub(super) use receiving::Part;

/// All that is fed.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    neighbours: BTreeMap<NodeId, Neighbour>,
    /// What an earlier life has written of places, until the topic is joined and the neighbour known.
    written: BTreeMap<(TopicId, NodeId), Place>,
    /// How far ahead what we sent is paid for.
    pace: Meter,
    pub(super) stats: FeedStats,
}

impl Feeds {
    pub(super) fn restore(&mut self, topic: TopicId, peer: NodeId, log: u16, next: u64) {
        self.written.insert((topic, peer), Place { log: Some(log), next, known: false });
    }

    /// Neighbours of a topic that are there now.
    pub(super) fn present(&self, topic: TopicId) -> usize {
        let there = |one: &&Neighbour| one.present && one.topics.contains_key(&topic);
        self.neighbours.values().filter(there).count()
    }

    /// Bytes of messages of which parts are missing: what hostile neighbours can fill.
    pub(super) fn assembling(&self) -> usize {
        self.neighbours.values().map(Neighbour::assembling).sum()
    }

    /// How long until so much may be sent. A part of the pace is left for answers.
    fn pause(&mut self, bytes: usize, answer: bool, now: Time, config: &FeedConfig) -> Duration {
        let mut rate = config.rate;
        if !answer {
            rate.burst = rate.burst / 4 * 3;
        }
        let pause = self.pace.pass(bytes, now, &rate);
        if pause.is_zero() {
            self.stats.frames += 1;
            self.stats.bytes += bytes as u64;
        }
        pause
    }
}

impl Router {
    /// What was counted of store and forward, in all topics.
    pub fn feed_stats(&self) -> FeedStats {
        self.feeds.stats
    }

    /// Bytes of messages of which parts are missing: what hostile neighbours can fill.
    pub fn assembling(&self) -> usize {
        self.feeds.assembling()
    }

    /// Feeds these neighbours from now on, what the log has included.
    pub(super) fn feed(&mut self, name: &TopicName, contacts: Vec<NodeAddr>, cx: &mut Context<'_, Self>) {
        let (topic, me) = (name.id(), self.me.id);
        for contact in contacts.into_iter().filter(|contact| contact.id != me) {
            let peer = contact.id;
            cx.learn(contact);
            if self.meet(topic, peer, true) {
                self.pump(peer, cx);
            }
        }
    }

    /// Takes a neighbour into a topic. `asked` if it is the app that names it, so that it has to be told of us.
    fn meet(&mut self, topic: TopicId, peer: NodeId, asked: bool) -> bool {
        let Feeds { neighbours, written, stats, .. } = &mut self.feeds;
        if !asked && !neighbours.contains_key(&peer) && neighbours.len() >= self.config.feed.max_neighbours {
            stats.unmet += 1;
            return false;
        }
        let neighbour = neighbours.entry(peer).or_default();
        let begin = || written.remove(&(topic, peer)).unwrap_or_default();
        let place = neighbour.topics.entry(topic).or_insert_with(begin);
        place.known |= !asked;
        !neighbour.barred
    }

    /// The topic was left.
    pub(super) fn feed_no_more(&mut self, topic: TopicId) {
        let Feeds { neighbours, written, .. } = &mut self.feeds;
        for (peer, neighbour) in neighbours {
            let left = neighbour.leave(topic).filter(|_| self.durable);
            left.map(|place| written.insert((topic, *peer), Place { known: false, ..place }));
        }
    }

    /// Something new is in the topic's log.
    pub(super) fn feed_all(&mut self, topic: TopicId, cx: &mut Context<'_, Self>) {
        let fed = self.feeds.neighbours.iter().filter(|(_, one)| one.topics.contains_key(&topic));
        for peer in fed.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.pump(peer, cx);
        }
    }

    /// The neighbour was heard, or the transport says that it is there.
    pub(super) fn feed_up(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let (within, now) = (self.config.feed.answer_within, cx.now());
        if !self.arrive(peer, cx) {
            return;
        }
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        // It may be the answer to a probe that is on its way.
        if neighbour.waits && neighbour.probed.is_some_and(|probed| now - probed < within) {
            cx.set_timer(Timer::Feed(peer), within);
        } else {
            neighbour.offer_again();
            self.pump(peer, cx);
        }
    }

    /// `true` if it was away.
    fn arrive(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) -> bool {
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return false };
        if neighbour.barred || std::mem::replace(&mut neighbour.present, true) {
            return false;
        }
        self.feeds.stats.contacts += 1;
        self.tell_contact(peer, true, cx);
        true
    }

    /// It does not answer, or the transport says that it is gone.
    pub(super) fn feed_down(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        let was_there = std::mem::replace(&mut neighbour.present, false);
        neighbour.offer_again();
        neighbour.probed = neighbour.probed.max(Some(cx.now()));
        if was_there {
            self.tell_contact(peer, false, cx);
        }
        self.pump(peer, cx);
    }

    fn tell_contact(&self, peer: NodeId, there: bool, cx: &mut Context<'_, Self>) {
        let Some(neighbour) = self.feeds.neighbours.get(&peer) else { return };
        for joined in neighbour.topics.keys().filter_map(|topic| self.topics.get(topic)) {
            cx.emit(Event::Contact { topic: joined.name.clone(), peer, there });
        }
    }

    fn bar_feed(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        self.feeds.stats.barred += 1;
        self.feed_down(peer, cx);
        if let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) {
            *neighbour = Neighbour { barred: true, ..Neighbour::default() };
        }
        cx.cancel_timer(Timer::Feed(peer));
    }

    fn write_fed(&self, topic: TopicId, peer: NodeId, cx: &mut Context<'_, Self>) {
        let place = self.feeds.neighbours.get(&peer).and_then(|one| one.topics.get(&topic));
        if let Some(place) = place.filter(|_| self.durable) {
            let (log, next) = (place.log.unwrap_or_default(), place.next);
            Change::Fed { topic, peer, log, next }.write(cx);
        }
    }
}
