//! Catching up with neighbours: `ihave` and `sendme`, led by the one who lacks.
//!
//! ```text
//! receiver                              giver
//!    Ask { after } ----------------------->   names that came to its log behind that place
//!    <---------------------- Names { upto }      or Cells, see `compare`
//!    Want [..] --------------------------->   those not seen, not more than max_wanted
//!    <------------------------- Give, Give
//!    <------------------------- Gone [..]
//!    Want ...                                 until all are here; then the place is remembered
//! ```
//!
//! What a peer can make us keep is one answer: `max_names` names, or as many as there may be cells. What it can make us do is send as many messages as its
//! rate allows. A neighbour that does not answer is left alone until the next round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dsys_core::{Context, NodeId, Time};

use super::{Body, Compare, Config, Router, Timer, Wire};
use crate::MessageId;
use crate::envelope::{Timestamp, TopicId};
use crate::store::MemoryStore;

/// What was counted of catching up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatchUpStats {
    /// Neighbours asked.
    pub asked: u64,
    /// Messages that came so.
    pub fetched: u64,
    /// Messages given to others.
    pub given: u64,
    /// Questions and wants that nobody answered in time.
    pub unanswered: u64,
    /// Names of messages that were wanted and that the neighbour did not have (any more).
    pub gone: u64,
    /// Cells sent, and comparisons of cells that came with all our names.
    pub cells_sent: u64,
    /// See `cells_sent`.
    pub compared: u64,
    /// Comparisons that did not find the difference: there were too few cells, or they were no sum of names.
    pub undecided: u64,
    /// Names that came in answers.
    pub named: u64,
    /// Answers nobody had asked for, and questions of nodes that are no neighbours.
    pub uninvited: u64,
}

/// A place in the log of a peer.
#[derive(Clone, Copy, Debug)]
struct Place {
    upto: (u64, u64),
    used: Time,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Idle,
    Asked,
    Fetching,
}

/// What of our log a neighbour was told, and may want.
#[derive(Clone, Debug)]
pub(super) enum Told {
    These(Vec<MessageId>),
    All,
}

impl Default for Told {
    fn default() -> Self {
        Told::These(Vec::new())
    }
}

/// What goes on with one neighbour.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub(super) state: State,
    /// What the question said of our log, if cells may be the answer.
    pub(super) invited: Option<Compare>,
    /// When cells were invited last, and how many differences to expect if they were too few.
    pub(super) compared: Option<Time>,
    pub(super) expected: Option<u64>,
    /// Ask again when this is done.
    again: bool,
    /// Names from its answer, not yet wanted.
    pub(super) offered: VecDeque<MessageId>,
    /// Wanted and not here.
    wanted: Vec<MessageId>,
    /// How often in a row questions were not answered, or wanted messages got lost.
    pub(super) tries: u8,
    pub(super) upto: (u64, u64),
    pub(super) more: bool,
    pub(super) told: Told,
}

/// How often messages are wanted that got lost on the way.
const TRIES: u8 = 3;

/// Catching up in one topic.
#[derive(Clone, Debug)]
pub(super) struct CatchUp {
    pub(super) topic: TopicId,
    /// The number of our log: another one each time we start, so that places in a log that is gone are not believed.
    pub(super) log: u64,
    /// How many messages are in it, a moment ago.
    pub(super) held: usize,
    pub(super) exchanges: BTreeMap<NodeId, Exchange>,
    places: BTreeMap<NodeId, Place>,
    /// Wanted of somebody.
    wanted: BTreeSet<MessageId>,
    pub(super) stats: CatchUpStats,
}

impl CatchUp {
    pub(super) fn new(topic: TopicId, log: u64) -> Self {
        CatchUp {
            topic,
            log,
            held: 0,
            exchanges: BTreeMap::new(),
            places: BTreeMap::new(),
            wanted: BTreeSet::new(),
            stats: CatchUpStats::default(),
        }
    }

    /// A part of the log's number, where bytes are dear.
    pub(super) fn short(&self) -> u16 {
        self.log as u16
    }

    /// How many names are held that have no message yet.
    pub(super) fn offered(&self) -> usize {
        self.exchanges.values().map(|one| one.offered.len() + one.wanted.len()).sum()
    }

    pub(super) fn is_wanted_of(&self, peer: NodeId, id: MessageId) -> bool {
        self.exchanges.get(&peer).is_some_and(|exchange| exchange.wanted.contains(&id))
    }

    pub(super) fn up(&mut self, peer: NodeId, config: &Config, cx: &mut Context<'_, Router>) {
        self.exchanges.entry(peer).or_default();
        self.ask(peer, config, cx);
    }

    pub(super) fn down(&mut self, peer: NodeId, cx: &mut Context<'_, Router>) {
        if let Some(exchange) = self.exchanges.remove(&peer) {
            self.wanted.retain(|id| !exchange.wanted.contains(id));
            cx.cancel_timer(Timer::Answer(self.topic, peer));
        }
    }

    /// Asks a neighbour, or any if none is named.
    pub(super) fn ask_any(&mut self, config: &Config, cx: &mut Context<'_, Router>) {
        let idle: Vec<NodeId> = self.exchanges.keys().copied().collect();
        if let Some(peer) = cx.rng().choose(&idle).copied() {
            self.ask(peer, config, cx);
        }
    }

    pub(super) fn ask(&mut self, peer: NodeId, config: &Config, cx: &mut Context<'_, Router>) {
        let Some(exchange) = self.exchanges.get_mut(&peer) else {
            self.stats.uninvited += 1;
            return;
        };
        if exchange.state != State::Idle {
            exchange.again = true;
            return;
        }
        (exchange.state, exchange.again) = (State::Asked, false);
        self.stats.asked += 1;
        let after = self.places.get(&peer).map(|place| place.upto);
        let compare = self.invite(peer, config, cx.now());
        self.send(peer, Body::Ask { after, compare }, cx);
        cx.set_timer(Timer::Answer(self.topic, peer), config.answer_within);
    }

    /// Tells all neighbours but one that they may ask.
    pub(super) fn news(&self, except: Option<NodeId>, cx: &mut Context<'_, Router>) {
        for peer in self.exchanges.keys().filter(|peer| Some(**peer) != except) {
            self.send(*peer, Body::News, cx);
        }
    }

    /// The giver's part: names behind a place, or cells. `None` if it is no neighbour.
    pub(super) fn asked(
        &mut self,
        peer: NodeId,
        (after, compare): (Option<(u64, u64)>, Option<Compare>),
        (store, config, now): (&mut MemoryStore, &Config, Timestamp),
        cx: &mut Context<'_, Router>,
    ) -> Option<Body> {
        if !self.exchanges.contains_key(&peer) {
            self.stats.uninvited += 1;
            return None;
        }
        let (first, end) = store.range(self.topic);
        // A place in another log of ours, or one that never was, is no place.
        let known = after.filter(|(log, place)| *log == self.log && *place <= end);
        let begin = known.map_or(first, |after| after.1);
        let behind = end.saturating_sub(begin.max(first));
        if let Some(cells) = self.sum_up(peer, (compare, behind), (store, config), cx) {
            return Some(cells);
        }
        let (mut ids, mut upto) = (Vec::new(), begin.max(first));
        // What it has given us itself is passed over, but not without end; and not if it does not know our log, for it may
        // have given it in an earlier life.
        for (place, kept) in store.from(self.topic, begin).take(4 * config.max_names) {
            if ids.len() >= config.max_names {
                break;
            }
            upto = place + 1;
            if (known.is_none() || kept.from != peer) && kept.end > now {
                ids.push(kept.id);
            }
        }
        self.exchanges.get_mut(&peer)?.told = Told::These(ids.clone());
        Some(Body::Names { upto: (self.log, upto), more: upto < end, ids })
    }

    /// An answer to our question. `false` if it breaks a bound.
    pub(super) fn names(
        &mut self,
        peer: NodeId,
        (upto, more, ids): ((u64, u64), bool, Vec<MessageId>),
        config: &Config,
        seen: impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) -> bool {
        if ids.len() > config.max_names {
            return false;
        }
        let Some(exchange) = self.exchanges.get_mut(&peer).filter(|one| one.state == State::Asked) else {
            self.stats.uninvited += 1;
            return true;
        };
        exchange.state = State::Fetching;
        self.stats.named += ids.len() as u64;
        (exchange.upto, exchange.tries) = (upto, 0);
        // An answer that does not get on is the last of its round, whatever it says.
        exchange.more = more && self.places.get(&peer).is_none_or(|place| place.upto != upto);
        exchange.offered = ids.into_iter().filter(|id| !seen(*id)).collect();
        self.want(peer, config, &seen, cx);
        true
    }

    /// Wants the next messages of a neighbour, or ends the round with it.
    pub(super) fn want(
        &mut self,
        peer: NodeId,
        config: &Config,
        seen: &impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) {
        let now = cx.now();
        let Some(exchange) = self.exchanges.get_mut(&peer) else { return };
        let mut others = VecDeque::new();
        while exchange.wanted.len() < config.max_wanted {
            let Some(id) = exchange.offered.pop_front() else { break };
            if seen(id) {
                continue;
            }
            if self.wanted.insert(id) {
                exchange.wanted.push(id);
            } else {
                // Another neighbour is sending it; if that comes to nothing, this one may.
                others.push_back(id);
            }
        }
        exchange.offered.append(&mut others);
        let ids = exchange.wanted.clone();
        if !ids.is_empty() {
            self.send(peer, Body::Want(ids), cx);
            cx.set_timer(Timer::Answer(self.topic, peer), config.answer_within);
        } else if !exchange.offered.is_empty() {
            cx.set_timer(Timer::Answer(self.topic, peer), config.answer_within);
        } else {
            exchange.state = State::Idle;
            let again = exchange.more || exchange.again;
            let place = Place { upto: exchange.upto, used: now };
            cx.cancel_timer(Timer::Answer(self.topic, peer));
            self.remember(peer, place, config.max_cursors);
            if again {
                self.ask(peer, config, cx);
            }
        }
    }

    fn remember(&mut self, peer: NodeId, place: Place, most: usize) {
        if !self.places.contains_key(&peer) && self.places.len() >= most.max(1) {
            let oldest = self.places.iter().min_by_key(|(_, place)| place.used).map(|(peer, _)| *peer);
            oldest.map(|oldest| self.places.remove(&oldest));
        }
        self.places.insert(peer, place);
    }

    /// The giver's part: which of these it may have. The rest are gone.
    pub(super) fn wanted(
        &mut self,
        peer: NodeId,
        ids: &[MessageId],
        config: &Config,
    ) -> Option<Vec<MessageId>> {
        if ids.len() > config.max_wanted {
            return None;
        }
        let Some(exchange) = self.exchanges.get(&peer) else {
            self.stats.uninvited += 1;
            return Some(Vec::new());
        };
        let told = |id: &MessageId| match &exchange.told {
            Told::These(told) => told.contains(id),
            Told::All => true,
        };
        Some(ids.iter().copied().filter(told).collect())
    }

    /// Whether a question of this peer is answered at all.
    pub(super) fn serves(&self, peer: NodeId) -> bool {
        self.exchanges.contains_key(&peer)
    }

    /// A message is here, from wherever: nobody needs to send it any more.
    pub(super) fn came(
        &mut self,
        id: MessageId,
        config: &Config,
        seen: impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) {
        if !self.wanted.remove(&id) {
            return;
        }
        let mut done = Vec::new();
        for (peer, exchange) in &mut self.exchanges {
            let before = exchange.wanted.len();
            exchange.wanted.retain(|wanted| *wanted != id);
            if exchange.wanted.len() < before {
                exchange.tries = 0;
            }
            let waits = exchange.state == State::Fetching && exchange.wanted.is_empty();
            if waits && (before > 0 || exchange.offered.contains(&id)) {
                done.push(*peer);
            }
        }
        for peer in done {
            self.want(peer, config, &seen, cx);
        }
    }

    /// The giver has sent what it could. What it does not name and has not sent got lost.
    pub(super) fn gone(
        &mut self,
        peer: NodeId,
        ids: &[MessageId],
        config: &Config,
        seen: impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) -> bool {
        if ids.len() > config.max_wanted {
            return false;
        }
        let Some(exchange) = self.exchanges.get_mut(&peer).filter(|one| one.state == State::Fetching) else {
            return true;
        };
        if exchange.wanted.is_empty() {
            return true;
        }
        for id in std::mem::take(&mut exchange.wanted) {
            self.wanted.remove(&id);
            if ids.contains(&id) {
                self.stats.gone += 1;
            } else {
                exchange.offered.push_front(id);
            }
        }
        exchange.tries += 1;
        if exchange.tries > TRIES && !exchange.offered.is_empty() {
            self.give_up(peer, cx);
        } else {
            self.want(peer, config, &seen, cx);
        }
        true
    }

    /// No answer came in time.
    pub(super) fn silent(
        &mut self,
        peer: NodeId,
        config: &Config,
        seen: impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) {
        let Some(exchange) = self.exchanges.get_mut(&peer) else { return };
        match exchange.state {
            State::Idle => {}
            // The question or the answer may have been lost with a connection.
            State::Asked if exchange.tries < TRIES => {
                self.stats.unanswered += 1;
                exchange.tries += 1;
                exchange.state = State::Idle;
                self.ask(peer, config, cx);
            }
            // It waited for what others should send.
            State::Fetching if exchange.wanted.is_empty() => self.want(peer, config, &seen, cx),
            State::Asked | State::Fetching => {
                self.stats.unanswered += 1;
                self.give_up(peer, cx);
            }
        }
    }

    /// Ends the round with a neighbour; the place stays where it was.
    fn give_up(&mut self, peer: NodeId, cx: &mut Context<'_, Router>) {
        let Some(exchange) = self.exchanges.get_mut(&peer) else { return };
        self.wanted.retain(|id| !exchange.wanted.contains(id));
        let (told, compared) = (std::mem::take(&mut exchange.told), exchange.compared);
        *exchange = Exchange { told, compared, ..Exchange::default() };
        cx.cancel_timer(Timer::Answer(self.topic, peer));
    }

    pub(super) fn send(&self, to: NodeId, body: Body, cx: &mut Context<'_, Router>) {
        cx.send(to, Wire { topic: self.topic, body });
    }
}
