//! Rumour mongering as a state machine.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId};

use crate::{Config, Message, RumorId};

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Tell everybody.
    Publish(Bytes),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A rumour was heard for the first time; its publisher hears it too, with 0 hops.
    Heard {
        /// Which.
        id: RumorId,
        /// What it says.
        payload: Bytes,
        /// How many nodes it passed on its way.
        hops: u32,
        /// Who told us; the publisher itself for its own.
        from: NodeId,
    },
    /// A rumour was not published, because it is too long or there are too many already. Nothing changed.
    Refused(Bytes),
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Push what is hot.
    Round,
    /// Compare what is known with a random peer.
    AntiEntropy,
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Rumours heard that were too long, or one too many.
    pub refused: u32,
    /// Peers not remembered because there were `max_peers`.
    pub peers_refused: u32,
}

/// One node that spreads rumours (Demers et al. 1987, "Epidemic Algorithms for Replicated Database Maintenance", §1.4:
/// push, feedback, counter), with anti-entropy (§1.3) as the safety net.
#[derive(Clone, Debug)]
pub struct Rumor {
    me: NodeId,
    config: Arc<Config>,
    /// Given at the start, and shared by all nodes of a simulation.
    given: Arc<[NodeId]>,
    /// Learned from connections, in order.
    learned: Vec<NodeId>,
    /// In the order of names.
    known: Vec<Known>,
    round_set: bool,
    stats: Stats,
}

#[derive(Clone, Debug)]
struct Known {
    id: RumorId,
    payload: Bytes,
    hops: u32,
    /// Pushes so far while hot, and how many since the last that was news; `None` once it has cooled.
    hot: Option<(u32, u32)>,
}

impl Rumor {
    /// A node that knows nothing. `peers` may contain `me`.
    pub fn new(me: NodeId, peers: impl Into<Arc<[NodeId]>>, config: impl Into<Arc<Config>>) -> Self {
        Rumor {
            me,
            config: config.into(),
            given: peers.into(),
            learned: Vec::new(),
            known: Vec::new(),
            round_set: false,
            stats: Stats::default(),
        }
    }

    /// Whether this rumour was heard.
    pub fn knows(&self, id: RumorId) -> bool {
        self.find(id).is_ok()
    }

    /// The rumours heard, in the order of their names.
    pub fn rumors(&self) -> impl ExactSizeIterator<Item = (RumorId, &Bytes)> {
        self.known.iter().map(|known| (known.id, &known.payload))
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn find(&self, id: RumorId) -> Result<usize, usize> {
        self.known.binary_search_by(|known| known.id.cmp(&id))
    }

    fn peer(&self, cx: &mut Context<'_, Self>) -> Option<NodeId> {
        let count = self.given.len() + self.learned.len();
        // Drawing ourselves is rare unless we are alone; then there is nobody to find.
        for _ in 0..8 {
            let at = cx.rng().index(count);
            let peer = self.given.get(at).or_else(|| self.learned.get(at - self.given.len()));
            match peer {
                Some(peer) if *peer != self.me => return Some(*peer),
                Some(_) => {}
                None => return None,
            }
        }
        None
    }

    fn publish(&mut self, payload: Bytes, cx: &mut Context<'_, Self>) {
        let mut id = [0; 16];
        cx.rng().fill(&mut id);
        let from = self.me;
        if !self.learn(RumorId(id), 0, payload.clone(), from, cx) {
            cx.emit(Event::Refused(payload));
        }
    }

    /// Takes in a rumour. `false` if it is known already, too long, or one too many.
    fn learn(
        &mut self,
        id: RumorId,
        hops: u32,
        payload: Bytes,
        from: NodeId,
        cx: &mut Context<'_, Self>,
    ) -> bool {
        let Err(at) = self.find(id) else { return false };
        if payload.len() > self.config.max_payload || self.known.len() >= self.config.max_rumors {
            self.stats.refused += 1;
            return false;
        }
        if self.known.is_empty() {
            // Most nodes of a large simulation ever hold one, and a vector would begin with room for four.
            self.known.reserve_exact(1);
        }
        self.known.insert(at, Known { id, payload: payload.clone(), hops, hot: Some((0, 0)) });
        cx.emit(Event::Heard { id, payload, hops, from });
        if !self.round_set {
            self.round_set = true;
            // A random part of a round, or all nodes would push at once.
            let wait = part(self.config.round, cx);
            cx.set_timer(Timer::Round, wait);
        }
        true
    }

    /// Pushes each hot rumour to one random peer.
    fn round(&mut self, cx: &mut Context<'_, Self>) {
        let peer = self.peer(cx);
        let mut hot = false;
        for known in &mut self.known {
            let Some((pushes, _)) = &mut known.hot else { continue };
            if *pushes >= self.config.max_pushes {
                known.hot = None;
                continue;
            }
            hot = true;
            *pushes += 1;
            if let Some(peer) = peer {
                cx.send(peer, push(known));
            }
        }
        self.round_set = hot;
        if hot {
            cx.set_timer(Timer::Round, self.config.round);
        }
    }

    /// Demers et al. §1.4, "feedback" and "counter": pushes that were no news count, and one that was starts the count
    /// again. The paper does not spell the latter out, but only so do its cycles give the figures of its table 1.
    fn feedback(&mut self, id: RumorId, knew: bool) {
        let Ok(at) = self.find(id) else { return };
        let Some(known) = self.known.get_mut(at) else { return };
        let Some((_, unwelcome)) = &mut known.hot else { return };
        *unwelcome = if knew { *unwelcome + 1 } else { 0 };
        if *unwelcome >= self.config.k {
            known.hot = None;
        }
    }

    fn compare(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(peer) = self.peer(cx) {
            cx.send(peer, Message::Digest(self.known.iter().map(|known| known.id).collect()));
        }
        self.plan_comparison(cx);
    }

    fn plan_comparison(&self, cx: &mut Context<'_, Self>) {
        if let Some(period) = self.config.anti_entropy {
            // Between half and one and a half periods, so that nodes do not fall into step.
            let wait = period / 2 + part(period, cx);
            cx.set_timer(Timer::AntiEntropy, wait);
        }
    }

    fn answer_digest(&self, from: NodeId, theirs: &[RumorId], cx: &mut Context<'_, Self>) {
        if theirs.len() > self.config.max_rumors {
            return;
        }
        let most = self.config.max_exchange;
        for known in self.known.iter().filter(|known| !theirs.contains(&known.id)).take(most) {
            cx.send(from, push(known));
        }
        let want: Vec<RumorId> = theirs.iter().copied().filter(|id| !self.knows(*id)).take(most).collect();
        if !want.is_empty() && self.known.len() < self.config.max_rumors {
            cx.send(from, Message::Want(want));
        }
    }

    fn answer_want(&self, from: NodeId, ids: &[RumorId], cx: &mut Context<'_, Self>) {
        if ids.len() > self.config.max_exchange {
            return;
        }
        // Once each, however often they were named.
        for known in self.known.iter().filter(|known| ids.contains(&known.id)) {
            cx.send(from, push(known));
        }
    }

    fn peer_up(&mut self, peer: NodeId) {
        let Err(at) = self.learned.binary_search(&peer) else { return };
        if peer == self.me || self.given.contains(&peer) {
            return;
        }
        if self.learned.len() >= self.config.max_peers {
            self.stats.peers_refused += 1;
        } else {
            self.learned.insert(at, peer);
        }
    }
}

impl Machine for Rumor {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => self.plan_comparison(cx),
            Input::Command(Command::Publish(payload)) => self.publish(payload, cx),
            Input::Message(from, Message::Push { id, hops, payload }) => {
                let knew = self.knows(id);
                if !knew {
                    self.learn(id, hops, payload, from, cx);
                }
                // What we refuse we shall always refuse: to the sender that is as good as known.
                cx.send(from, Message::Feedback { id, knew: knew || !self.knows(id) });
            }
            Input::Message(_, Message::Feedback { id, knew }) => self.feedback(id, knew),
            Input::Message(from, Message::Digest(ids)) => self.answer_digest(from, &ids, cx),
            Input::Message(from, Message::Want(ids)) => self.answer_want(from, &ids, cx),
            Input::Timer(Timer::Round) => self.round(cx),
            Input::Timer(Timer::AntiEntropy) => self.compare(cx),
            Input::PeerUp(peer) => self.peer_up(peer),
            Input::PeerDown(peer) => {
                if let Ok(at) = self.learned.binary_search(&peer) {
                    self.learned.remove(at);
                }
            }
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}

fn push(known: &Known) -> Message {
    Message::Push { id: known.id, hops: known.hops.saturating_add(1), payload: known.payload.clone() }
}

/// A random part of a period, in steps of a microsecond.
fn part(period: Duration, cx: &mut Context<'_, Rumor>) -> Duration {
    Duration::from_micros(cx.rng().below(u64::try_from(period.as_micros()).unwrap_or(u64::MAX)))
}
