//! The whole: which part an input is for, and what follows from what the parts say.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Signer, Time};

use super::durable::{Written, known};
use super::feed::{Feeds, Part};
use super::joined::{Joined, Opened, Saying};
use super::{Body, Command, Config, Event, Message, Refused, Stats, Wire};
use crate::MessageId;
use crate::broadcast;
use crate::compose::hand;
use crate::envelope::{Timestamp, TopicId, TopicName};
use crate::membership::partial;
use crate::path::{self, Path};
use crate::plumtree;
use crate::store::{Kept, MemoryStore};
use crate::topic::{self, Topic};

/// The timers of all topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Of a topic's membership or tree.
    Topic(TopicId, topic::Timer),
    /// Compare with a neighbour.
    Compare(TopicId),
    /// This neighbour should have answered.
    Answer(TopicId, NodeId),
    /// Tell neighbours that we have caught up.
    News(TopicId),
    /// The next of our own messages may go out.
    Publish(TopicId),
    /// Go on with this neighbour, which is fed.
    Feed(NodeId),
    /// Say how it goes.
    Report,
}

/// All topics of one node.
#[derive(Debug)]
pub struct Router {
    pub(super) key: Arc<dyn Signer>,
    pub(super) me: NodeAddr,
    pub(super) config: Arc<Config>,
    /// A point in time by both clocks.
    pub(super) clock: (Time, Timestamp),
    pub(super) store: MemoryStore,
    /// Hops are signed only for messages written later; see [`path`].
    pub(super) signs_after: Timestamp,
    /// Boxed, because a node of the map has room for eleven.
    pub(super) topics: BTreeMap<TopicId, Box<Joined>>,
    pub(super) feeds: Feeds,
    /// Messages for topics that we did not join.
    pub(super) strangers: u64,
    /// Whether changes are written down, and what was written of topics beside their messages.
    pub(super) durable: bool,
    pub(super) written: BTreeMap<TopicId, Written>,
}

impl Router {
    /// A node that has joined no topic. `me` is what others are told of us, `began` the driver's [`Time::ZERO`] by the wall
    /// clock. The key must be that of `me`: peers know us by it.
    pub fn new(
        key: Arc<dyn Signer>,
        me: impl Into<NodeAddr>,
        store: MemoryStore,
        began: Timestamp,
        config: impl Into<Arc<Config>>,
    ) -> Self {
        let config = config.into();
        Router {
            key,
            me: me.into(),
            config,
            clock: (Time::ZERO, began),
            store,
            signs_after: Timestamp::default(),
            topics: BTreeMap::new(),
            feeds: Feeds::default(),
            strangers: 0,
            durable: false,
            written: BTreeMap::new(),
        }
    }

    /// The topic's membership and tree, if it was joined.
    pub fn topic(&self, name: &TopicName) -> Option<&Topic> {
        self.topics.get(&name.id()).map(|joined| &joined.topic)
    }

    /// What was counted in a topic, if it was joined.
    pub fn stats(&self, name: &TopicName) -> Option<Stats> {
        self.topics.get(&name.id()).map(|joined| joined.stats(&self.store, self.feeds.stats))
    }

    /// How well a topic's messages travel, if it was joined.
    pub fn quality(&self, name: &TopicName) -> Option<super::Quality> {
        self.topics.get(&name.id()).map(|joined| joined.quality())
    }

    /// Names of messages that neighbours offered and that are not here, in a topic: what hostile neighbours can fill.
    pub fn offered(&self, name: &TopicName) -> usize {
        self.topics.get(&name.id()).map_or(0, |joined| joined.catch_up.offered())
    }

    /// The messages that are kept.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Messages for topics that we did not join.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    pub(super) fn wall(&self, now: Time) -> Timestamp {
        self.clock.1.plus(now - self.clock.0)
    }

    /// What we passed on before now, in an earlier life or under a name that we forgot, we may hear of again, and would say
    /// that we had it from another. All of it was written before now, by a clock that may be ahead of ours.
    fn hold_back(&mut self, now: Time) {
        self.signs_after = self.wall(now).plus(self.config.door.max_ahead);
    }

    /// `make` is what its membership is.
    fn join(
        &mut self,
        name: TopicName,
        contacts: Vec<NodeAddr>,
        make: fn(NodeAddr, &topic::Config) -> Topic,
        cx: &mut Context<'_, Self>,
    ) {
        let id = name.id();
        if !self.topics.contains_key(&id) {
            if self.topics.len() >= self.config.max_topics {
                cx.emit(Event::TooMany(name));
                return;
            }
            let (fresh, now) = (cx.rng().next_u64(), self.wall(cx.now()));
            let written = self.written.get_mut(&id);
            let (number, seq) = written.as_ref().map_or((fresh, 0), |written| (written.number, written.seq));
            let topic = make(self.me.clone(), &self.config.parts());
            let mut joined = Joined::new(topic, name, number, now, &self.config);
            (joined.last_seq, joined.catch_up.held) = (seq, self.store.count(id));
            if self.durable {
                joined
                    .catch_up
                    .resume(written.map(|one| std::mem::take(&mut one.reached)).unwrap_or_default());
            }
            self.topics.insert(id, Box::new(joined));
            self.write_log(id, cx);
            if !self.config.feed.only {
                self.tell(id, Input::Start, cx);
                cx.set_timer(Timer::Compare(id), self.config.compare_every);
            }
        }
        if self.config.feed.only {
            let Some(name) = self.topics.get(&id).map(|joined| joined.name.clone()) else { return };
            return self.feed(&name, contacts, cx);
        }
        self.tell(id, Input::Command(topic::Command::Join(contacts)), cx);
    }

    fn leave(&mut self, name: &TopicName, cx: &mut Context<'_, Self>) {
        let id = name.id();
        self.tell(id, Input::Command(topic::Command::Leave), cx);
        self.feed_no_more(id);
        if let Some(joined) = self.topics.remove(&id) {
            if let Some(written) = self.written.get_mut(&id) {
                written.reached = joined.catch_up.reached();
            }
            for (ticket, _) in joined.pending {
                cx.emit(Event::Published { ticket, outcome: Err(Refused::NotJoined) });
            }
        }
        // What was written down stays for the next time.
        if !self.durable {
            self.store.remove(id);
        }
        for timer in [Timer::Compare(id), Timer::News(id), Timer::Publish(id)] {
            cx.cancel_timer(timer);
        }
        // Timers of the parts run out and find nothing.
    }

    /// Hands an input to a topic's membership and tree, and does what they say.
    pub(super) fn tell(&mut self, id: TopicId, input: Input<Topic>, cx: &mut Context<'_, Self>) {
        let Some(joined) = self.topics.get_mut(&id) else { return };
        let (store, key, config, after) = (&self.store, &self.key, &self.config, self.signs_after);
        let (opened, me) = (&joined.opened, self.me.id);
        let message = |to, message| {
            let body = match message {
                topic::Message::Broadcast(message) if config.sign_hops => {
                    match way(&message, opened.as_ref(), store, id, after, me) {
                        Some((name, came, from)) => {
                            let hops = path::extend(key, name, came, from, to, config.max_hops);
                            Body::Signed { message, hops }
                        }
                        None => Body::Topic(topic::Message::Broadcast(message)),
                    }
                }
                message => Body::Topic(message),
            };
            Wire { topic: id, body }
        };
        let events = hand(&mut joined.topic, input, message, |timer| Timer::Topic(id, timer), cx);
        for event in events {
            self.follow(id, event, cx);
        }
    }

    fn tell_all(&mut self, input: impl Fn() -> Input<Topic>, cx: &mut Context<'_, Self>) {
        for id in self.topics.keys().copied().collect::<Vec<_>>() {
            self.tell(id, input(), cx);
        }
    }

    /// What follows from what a topic's parts say.
    fn follow(&mut self, id: TopicId, event: topic::Event, cx: &mut Context<'_, Self>) {
        let config = self.config.clone();
        let Some(joined) = self.topics.get_mut(&id) else { return };
        joined.changed = true;
        match event {
            topic::Event::Up(peer) => {
                cx.emit(Event::Up(joined.name.clone(), peer));
                joined.catch_up.up(peer, &config, cx);
            }
            topic::Event::Down(peer) => {
                cx.emit(Event::Down(joined.name.clone(), peer));
                joined.catch_up.down(peer, cx);
            }
            topic::Event::Member(member) => cx.emit(Event::Member(joined.name.clone(), *member)),
            topic::Event::Broadcast(broadcast::Event::Delivered { hops, .. }) => {
                let Some(opened) = joined.opened.take() else { return };
                if opened.from != self.me.id {
                    let wall = self.clock.1.plus(cx.now() - self.clock.0);
                    joined.gauge.delivered(wall.since(opened.envelope.time));
                }
                self.keep(id, opened, hops, cx);
            }
            topic::Event::Broadcast(broadcast::Event::Lost(_)) => joined.catch_up.ask_any(&config, cx),
            // The membership was told by the topic itself; ours are refused before they get there.
            topic::Event::Broadcast(_) => {}
        }
    }

    /// Puts a message that is new into the log.
    pub(super) fn keep(&mut self, id: TopicId, opened: Opened, hops: u32, cx: &mut Context<'_, Self>) {
        let config = self.config.clone();
        let Some(joined) = self.topics.get_mut(&id) else { return };
        let end = joined.door.end(&opened.envelope);
        let Opened { id: message, envelope, bytes, path, from } = opened;
        let dead = envelope.deletes().map(|deleted| (deleted, envelope.origin));
        let kept = Kept::new(message, envelope, bytes, path, from, hops, end);
        self.write_kept(id, &kept, cx);
        let Some(joined) = self.topics.get_mut(&id) else { return };
        // Said before it is stored, so that what goes at once for want of room was delivered.
        let (_, place) = self.store.range(id);
        cx.emit(Event::Delivered(joined.name.clone(), Message::new(place, &kept)));
        let now = self.clock.1.plus(cx.now() - self.clock.0);
        self.store.append(id, kept, now);
        joined.catch_up.held = self.store.count(id);
        let topic = &joined.topic;
        joined.catch_up.came(message, &config, known(topic, &self.store, id), cx);
        let forgotten = joined.topic.broadcast().stats().forgotten_early;
        if forgotten != std::mem::replace(&mut joined.forgotten, forgotten) {
            self.hold_back(cx.now());
        }
        if let Some((deleted, origin)) = dead {
            self.delete(id, deleted, origin, cx);
        }
        self.write_gone(cx);
        self.feed_all(id, cx);
    }

    /// A certificate has come: if the message is here, or comes, and is of the same origin, it is dead. A certificate of
    /// another's message means nothing, and is kept and passed on as any message is, for not everybody can tell.
    fn delete(&mut self, id: TopicId, deleted: MessageId, origin: NodeId, cx: &mut Context<'_, Self>) {
        let before = self.store.count(id);
        self.store.delete(id, deleted, origin);
        let Some(joined) = self.topics.get_mut(&id) else { return };
        if self.store.count(id) < before {
            joined.stats.deleted += 1;
            joined.catch_up.held = self.store.count(id);
            let forget = broadcast::Command::Forget(deleted);
            self.tell(id, Input::Command(topic::Command::Broadcast(forget)), cx);
        }
    }

    fn hear(&mut self, from: NodeId, wire: Wire, cx: &mut Context<'_, Self>) {
        let (now, size, id) = (cx.now(), wire.size(), wire.topic);
        let fed = matches!(wire.body, Body::Offer { .. } | Body::Need { .. } | Body::Part { .. });
        if self.config.feed.only && !fed {
            // An answer would cost more than it is worth.
            self.strangers += 1;
            return;
        }
        if let Body::Offer { batch, log, ids } = &wire.body
            && !self.topics.contains_key(&id)
        {
            self.strangers += 1;
            return self.offered_to_us(id, from, (*batch, *log, ids.clone()), cx);
        }
        let Some(joined) = self.topics.get_mut(&id) else {
            self.strangers += 1;
            return refuse(from, wire, cx);
        };
        joined.changed = true;
        // What we asked for is not held against the one who sends it.
        let asked = matches!(&wire.body, Body::Give { id, .. } if joined.catch_up.is_wanted_of(from, *id));
        let config = &self.config;
        if !asked && !joined.meters.pass(from, size, now, &config.peer_rate, config.max_metered) {
            joined.stats.limited += 1;
            return;
        }
        match wire.body {
            Body::Topic(topic::Message::Broadcast(message)) => self.tree(id, from, message, None, cx),
            Body::Signed { message, hops } => self.tree(id, from, message, Some(hops), cx),
            Body::Topic(message) => self.tell(id, Input::Message(from, message), cx),
            Body::Give { id: message, hops, envelope, path } if asked => {
                self.given(id, from, (message, hops, envelope, path), cx);
            }
            Body::Offer { batch, log, ids } => self.offered_to_us(id, from, (batch, log, ids), cx),
            Body::Need { batch, missing, have } => self.needed(id, from, (batch, missing, have), cx),
            Body::Part { batch, which, offset, last, answer, bytes } => {
                let part = Part { number: batch, which, offset, last, answer, bytes };
                self.part_came(id, from, part, cx);
            }
            body => self.catching_up(id, from, body, cx),
        }
    }

    fn report(&mut self, cx: &mut Context<'_, Self>) {
        let Some(every) = self.config.report_every else { return };
        for joined in self.topics.values_mut().filter(|joined| joined.changed) {
            joined.changed = false;
            let stats = Box::new(joined.stats(&self.store, self.feeds.stats));
            cx.emit(Event::Report(joined.name.clone(), joined.quality(), stats));
        }
        cx.set_timer(Timer::Report, every);
    }

    fn ring(&mut self, timer: Timer, cx: &mut Context<'_, Self>) {
        let config = self.config.clone();
        match timer {
            Timer::Topic(id, timer) => self.tell(id, Input::Timer(timer), cx),
            Timer::Publish(id) => self.publish_next(id, cx),
            Timer::Feed(peer) => self.feed_on(peer, cx),
            Timer::Report => self.report(cx),
            Timer::Compare(id) => {
                if let Some(joined) = self.topics.get_mut(&id) {
                    joined.catch_up.ask_any(&config, cx);
                    cx.set_timer(timer, config.compare_every);
                }
            }
            Timer::Answer(id, peer) => {
                if let Some(joined) = self.topics.get_mut(&id) {
                    let topic = &joined.topic;
                    joined.catch_up.silent(peer, &config, known(topic, &self.store, id), cx);
                }
            }
            Timer::News(id) => {
                if let Some(joined) = self.topics.get_mut(&id)
                    && let Some(giver) = joined.news.take()
                {
                    joined.catch_up.news(giver, cx);
                }
            }
        }
    }
}

/// What the statement about a message of the tree says: which message, how it came, from whom. `None` if it carries none,
/// or one about which we must not say anything.
fn way<'a>(
    message: &plumtree::Message,
    opened: Option<&'a Opened>,
    store: &'a MemoryStore,
    topic: TopicId,
    after: Timestamp,
    me: NodeId,
) -> Option<(MessageId, Option<&'a Path>, NodeId)> {
    let plumtree::Message::Gossip { id, .. } = message else { return None };
    let (path, from, time) = match opened.filter(|opened| opened.id == *id) {
        Some(opened) => (&opened.path, opened.from, opened.envelope.time),
        None => {
            let kept = store.get(topic, *id)?;
            (&kept.path, kept.from, kept.envelope.time)
        }
    };
    // We do not forget what we wrote ourselves: its number is used once.
    (time > after || from == me).then_some((*id, path.as_deref(), from))
}

/// Tells a node that we are not in the topic.
fn refuse(to: NodeId, wire: Wire, cx: &mut Context<'_, Router>) {
    let answer = match wire.body {
        Body::Topic(topic::Message::Membership(
            partial::Message::Join(_) | partial::Message::Neighbour { .. },
        )) => partial::Message::Refuse,
        Body::Topic(topic::Message::Membership(partial::Message::Ping)) => partial::Message::Disconnect,
        _ => return,
    };
    cx.send(to, Wire { topic: wire.topic, body: Body::Topic(topic::Message::Membership(answer)) });
}

impl Machine for Router {
    type Message = Wire;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.hold_back(cx.now());
                self.report(cx);
            }
            Input::Command(Command::Join { topic, contacts }) => self.join(topic, contacts, Topic::new, cx),
            Input::Command(Command::JoinFull { topic, contacts }) => {
                self.join(topic, contacts, Topic::full, cx);
            }
            Input::Command(Command::Meta { topic, meta }) => {
                self.tell(topic.id(), Input::Command(topic::Command::Meta(meta)), cx);
            }
            Input::Command(Command::Feed { topic, neighbours }) => {
                if self.topics.contains_key(&topic.id()) {
                    self.feed(&topic, neighbours, cx);
                }
            }
            Input::Command(Command::Contact(peer)) => self.feed_up(peer, cx),
            Input::Command(Command::Leave(topic)) => self.leave(&topic, cx),
            Input::Command(Command::Publish { topic, ticket, payload }) => {
                self.publish(&topic, ticket, Saying::Message(payload), cx);
            }
            Input::Command(Command::Delete { topic, ticket, id }) => {
                self.publish(&topic, ticket, Saying::Delete(id), cx);
            }
            Input::Command(Command::Read { topic, ticket, from, most }) => {
                self.read(&topic, ticket, from, most, cx);
            }
            Input::Command(Command::Clock(wall)) => self.clock = (cx.now(), wall),
            Input::Message(from, wire) => self.hear(from, wire, cx),
            Input::Timer(timer) => self.ring(timer, cx),
            Input::PeerUp(peer) => {
                self.tell_all(|| Input::PeerUp(peer), cx);
                self.feed_up(peer, cx);
            }
            Input::PeerDown(peer) => {
                self.tell_all(|| Input::PeerDown(peer), cx);
                self.feed_down(peer, cx);
            }
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
