//! Catching up with neighbours: `ihave` and `sendme`, led by the one who lacks.
//!
//! ```text
//! receiver                              giver
//!    Ask { after } ----------------------->   names that came to its log behind that place
//!    <---------------------- Names { upto }      or Cells, see `compare`
//!    Want [..], Want [..] ---------------->   those not seen, in batches of max_wanted
//!    <------------------ Give, Give, Gone     each batch is closed by a Gone; the next goes out then
//!    Ask, Want ...                            when few are left; until all are here; then the place is remembered
//! ```
//!
//! So many batches are under way that a link is kept busy over a round trip: one more after each that came whole, up to
//! `wants_ahead`; half as many after one that did not, for then the giver has reached the rate that it allows us.
//!
//! What a peer can make us keep is two answers: `max_names` names each, or as many as there may be cells. What it can make us
//! do is send as many messages as its rate allows. A neighbour that does not answer is left alone until the next round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dsys_core::{Context, NodeId, Time};

use super::{Body, Compare, Config, Router, Timer, Wire};
use crate::MessageId;
use crate::envelope::{Timestamp, TopicId};
use crate::store::{Change, MemoryStore};

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

impl Exchange {
    fn has_wanted(&self, id: MessageId) -> bool {
        self.wanted.iter().any(|batch| batch.contains(&id))
    }

    /// Whether all that was wanted is here.
    fn is_served(&self) -> bool {
        self.wanted.iter().all(Vec::is_empty)
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
    /// Wanted and not here, a batch for each want that was not answered whole, the oldest first.
    wanted: VecDeque<Vec<MessageId>>,
    /// How many batches may be under way, less one.
    ahead: usize,
    /// A question for more names is under way while messages come, and so many wants are before it.
    asking: Option<usize>,
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
    /// Whether places are written down.
    pub(super) durable: bool,
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
            durable: false,
            wanted: BTreeSet::new(),
            stats: CatchUpStats::default(),
        }
    }

    /// Begins with the places that an earlier life has written.
    pub(super) fn resume(&mut self, reached: impl IntoIterator<Item = (NodeId, (u64, u64))>) {
        let place = |(peer, upto)| (peer, Place { upto, used: Time::ZERO });
        self.places = reached.into_iter().map(place).collect();
        self.durable = true;
    }

    /// How far we have come in the logs of neighbours.
    pub(super) fn reached(&self) -> BTreeMap<NodeId, (u64, u64)> {
        self.places.iter().map(|(peer, place)| (*peer, place.upto)).collect()
    }

    /// A part of the log's number, where bytes are dear.
    pub(super) fn short(&self) -> u16 {
        self.log as u16
    }

    /// How many names are held that have no message yet.
    pub(super) fn offered(&self) -> usize {
        let wanted = |one: &Exchange| one.wanted.iter().map(Vec::len).sum::<usize>();
        self.exchanges.values().map(|one| one.offered.len() + wanted(one)).sum()
    }

    pub(super) fn is_wanted_of(&self, peer: NodeId, id: MessageId) -> bool {
        self.exchanges.get(&peer).is_some_and(|exchange| exchange.has_wanted(id))
    }

    pub(super) fn up(&mut self, peer: NodeId, config: &Config, cx: &mut Context<'_, Router>) {
        self.exchanges.entry(peer).or_default();
        self.ask(peer, config, cx);
    }

    pub(super) fn down(&mut self, peer: NodeId, cx: &mut Context<'_, Router>) {
        if let Some(exchange) = self.exchanges.remove(&peer) {
            for id in exchange.wanted.iter().flatten() {
                self.wanted.remove(id);
            }
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
        // It may still want what it was told before that.
        let exchange = self.exchanges.get_mut(&peer)?;
        let mut told = match std::mem::take(&mut exchange.told) {
            Told::These(told) => told,
            Told::All => Vec::new(),
        };
        told.drain(..told.len().saturating_sub(config.max_names));
        told.extend(&ids);
        exchange.told = Told::These(told);
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
        let asked = |one: &&mut Exchange| one.state == State::Asked || one.asking.is_some();
        let Some(exchange) = self.exchanges.get_mut(&peer).filter(asked) else {
            self.stats.uninvited += 1;
            return true;
        };
        self.stats.named += ids.len() as u64;
        let before = match exchange.state {
            State::Fetching => Some(exchange.upto),
            _ => self.places.get(&peer).map(|place| place.upto),
        };
        (exchange.state, exchange.asking) = (State::Fetching, None);
        (exchange.upto, exchange.tries) = (upto, 0);
        // An answer that does not get on is the last of its round, whatever it says.
        exchange.more = more && before != Some(upto);
        exchange.offered.extend(ids.into_iter().filter(|id| !seen(*id)));
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
        let (mut others, mut wants) = (VecDeque::new(), Vec::new());
        while exchange.wanted.len() <= exchange.ahead && !exchange.offered.is_empty() {
            let mut batch = Vec::new();
            while batch.len() < config.max_wanted {
                let Some(id) = exchange.offered.pop_front() else { break };
                if seen(id) {
                    continue;
                }
                if self.wanted.insert(id) {
                    batch.push(id);
                } else {
                    // Another neighbour is sending it; if that comes to nothing, this one may.
                    others.push_back(id);
                }
            }
            if !batch.is_empty() {
                exchange.wanted.push_back(batch.clone());
                wants.push(Body::Want(batch));
            }
        }
        exchange.offered.append(&mut others);
        // More names, before those that are here have come to their end.
        if exchange.more && exchange.asking.is_none() && exchange.offered.len() <= config.max_names / 2 {
            (exchange.asking, exchange.more) = (Some(exchange.wanted.len()), false);
            wants.push(Body::Ask { after: Some(exchange.upto), compare: None });
        }
        let busy = !exchange.wanted.is_empty() || !exchange.offered.is_empty() || exchange.asking.is_some();
        let (again, upto) = (exchange.again, exchange.upto);
        // A question behind so many messages is likely to have met the giver at the end of its patience.
        let alone = exchange.wanted.is_empty() && exchange.offered.is_empty();
        let within = config.answer_within / if alone { 8 >> exchange.tries.min(3) } else { 1 };
        if busy {
            wants.into_iter().for_each(|body| self.send(peer, body, cx));
            cx.set_timer(Timer::Answer(self.topic, peer), within);
        } else {
            exchange.state = State::Idle;
            cx.cancel_timer(Timer::Answer(self.topic, peer));
            self.remember(peer, Place { upto, used: now }, config.max_cursors, cx);
            if again {
                self.ask(peer, config, cx);
            }
        }
    }

    fn remember(&mut self, peer: NodeId, place: Place, most: usize, cx: &mut Context<'_, Router>) {
        if !self.places.contains_key(&peer) && self.places.len() >= most.max(1) {
            let oldest = self.places.iter().min_by_key(|(_, place)| place.used).map(|(peer, _)| *peer);
            if let Some(oldest) = oldest.filter(|oldest| self.places.remove(oldest).is_some() && self.durable)
            {
                Change::Forgot { topic: self.topic, peer: oldest }.write(cx);
            }
        }
        let (topic, upto) = (self.topic, place.upto);
        let before = self.places.insert(peer, place);
        if self.durable && before.is_none_or(|before| before.upto != upto) {
            Change::Reached { topic, peer, upto }.write(cx);
        }
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
            let mut ours = false;
            for batch in &mut exchange.wanted {
                if let Some(at) = batch.iter().position(|wanted| *wanted == id) {
                    batch.swap_remove(at);
                    ours = true;
                }
            }
            if ours {
                exchange.tries = 0;
            }
            // It waited for what others should send.
            let waits =
                exchange.state == State::Fetching && exchange.wanted.is_empty() && exchange.asking.is_none();
            if waits && exchange.offered.contains(&id) {
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
        let Some(batch) = exchange.wanted.pop_front() else { return true };
        let mut lost = 0;
        for id in batch {
            self.wanted.remove(&id);
            if ids.contains(&id) {
                self.stats.gone += 1;
            } else {
                exchange.offered.push_front(id);
                lost += 1;
            }
        }
        // An answer to a want that went out after the question: the giver could not answer that.
        match exchange.asking {
            Some(0) => (exchange.asking, exchange.more) = (None, true),
            Some(before) => exchange.asking = Some(before - 1),
            None => {}
        }
        let whole = lost == 0;
        let ahead = if whole { exchange.ahead + 1 } else { exchange.ahead / 2 };
        exchange.ahead = ahead.min(config.wants_ahead.saturating_sub(1));
        exchange.tries += u8::from(!whole);
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
            State::Fetching if exchange.is_served() && exchange.asking.is_none() => {
                exchange.wanted.clear();
                self.want(peer, config, &seen, cx);
            }
            State::Fetching if exchange.is_served() && exchange.tries < TRIES => {
                self.stats.unanswered += 1;
                exchange.tries += 1;
                exchange.wanted.clear();
                (exchange.asking, exchange.more) = (None, true);
                self.want(peer, config, &seen, cx);
            }
            State::Asked | State::Fetching => {
                self.stats.unanswered += 1;
                self.give_up(peer, cx);
            }
        }
    }

    /// Ends the round with a neighbour; the place stays where it was.
    fn give_up(&mut self, peer: NodeId, cx: &mut Context<'_, Router>) {
        let Some(exchange) = self.exchanges.get_mut(&peer) else { return };
        for id in exchange.wanted.iter().flatten() {
            self.wanted.remove(id);
        }
        let (told, compared) = (std::mem::take(&mut exchange.told), exchange.compared);
        *exchange = Exchange { told, compared, ..Exchange::default() };
        cx.cancel_timer(Timer::Answer(self.topic, peer));
    }

    pub(super) fn send(&self, to: NodeId, body: Body, cx: &mut Context<'_, Router>) {
        cx.send(to, Wire { topic: self.topic, body });
    }
}
