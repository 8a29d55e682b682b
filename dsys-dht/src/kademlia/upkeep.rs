//! What a node does by itself: it joins, refreshes its buckets, and joins again when it has lost everybody.

use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId};

use super::machine::{Kademlia, Purpose, Timer};
use crate::{Event, Key};

/// Where it stands with that.
#[derive(Clone, Debug)]
pub(super) struct Upkeep {
    bootstrap: Vec<NodeAddr>,
    /// The join, a refresh, or the wait for another try.
    state: State,
    /// How often it tried since it last knew enough others.
    tries: u32,
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Joining,
    /// This bucket is being filled for the first time; those above it are done.
    Filling(usize),
    /// `Timer::Rejoin` is set.
    Waiting,
}

impl Upkeep {
    pub(super) fn new(bootstrap: Vec<NodeAddr>) -> Self {
        Upkeep { bootstrap, state: State::Idle, tries: 0, told: false }
    }

    /// Other nodes to begin with. What is going on goes on.
    pub(super) fn set_bootstrap(&mut self, nodes: Vec<NodeAddr>) {
        self.bootstrap = nodes;
        self.tries = 0;
        if self.state == State::Joining {
            self.state = State::Idle;
        }
    }

    /// The nodes to begin with, at most so many.
    pub(super) fn bootstrap(&self, most: usize) -> Vec<NodeAddr> {
        self.bootstrap.iter().take(most).cloned().collect()
    }
}

impl Kademlia {
    pub(super) fn start(&mut self, cx: &mut Context<'_, Self>) {
        self.plan_refresh(cx);
        self.rejoin(cx);
    }

    /// A node to begin with that could not be reached, or did not speak the protocol yet, can be now: whoever knows nobody
    /// need not wait for another try.
    pub(super) fn peer_up(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        if self.table.len() == 0 && self.upkeep.bootstrap.iter().any(|first| first.id == peer) {
            self.rejoin(cx);
        }
    }

    /// Looks up our own place (§2.3), from what is known or from the nodes to begin with.
    pub(super) fn rejoin(&mut self, cx: &mut Context<'_, Self>) {
        if matches!(self.upkeep.state, State::Joining | State::Filling(_)) {
            return;
        }
        if self.upkeep.bootstrap.is_empty() && self.table.len() == 0 {
            self.upkeep.state = State::Idle;
            return;
        }
        self.upkeep.state = State::Joining;
        self.look_up(Key::of_node(self.me), Purpose::Join, cx);
    }

    /// It serves from now on, and those around it are to hear of it: a join that goes on has not told them.
    pub(super) fn announce(&mut self, cx: &mut Context<'_, Self>) {
        self.upkeep.state = State::Idle;
        self.rejoin(cx);
    }

    /// Fewer than `k` others are known: looks for more after a while that doubles with each try. So two nodes that
    /// began at the same moment, or a network of a few, find each other soon.
    pub(super) fn rejoin_soon(&mut self, cx: &mut Context<'_, Self>) {
        let enough = self.table.len() >= self.config.k;
        let hopeless = self.upkeep.bootstrap.is_empty() && self.table.len() == 0;
        if self.upkeep.state != State::Idle || enough || hopeless {
            return;
        }
        self.upkeep.state = State::Waiting;
        let (least, most) = self.config.rejoin;
        let wait = least.saturating_mul(1_u32 << self.upkeep.tries.min(16)).min(most);
        self.upkeep.tries = self.upkeep.tries.saturating_add(1);
        let wait = wait + part(wait, cx);
        cx.set_timer(Timer::Rejoin, wait);
    }

    /// The lookup of our own place has ended.
    pub(super) fn joined(&mut self, cx: &mut Context<'_, Self>) {
        self.upkeep.state = State::Idle;
        if self.table.len() == 0 {
            self.rejoin_soon(cx);
            return;
        }
        // §2.3: then all buckets farther away than the nearest neighbour. That one is in the last bucket.
        self.fill(self.table.buckets().saturating_sub(1), cx);
    }

    /// Somebody has answered: of a node that others begin with, the first who joins by it.
    pub(super) fn met(&mut self, cx: &mut Context<'_, Self>) {
        let joins = matches!(self.upkeep.state, State::Joining | State::Filling(_));
        if joins || self.table.len() == 0 {
            return;
        }
        if !self.upkeep.told {
            self.upkeep.told = true;
            cx.emit(Event::Joined(self.table.len()));
        }
        self.look_who_reaches_us(cx);
    }

    /// A refresh has ended.
    pub(super) fn refreshed(&mut self, bucket: usize, cx: &mut Context<'_, Self>) {
        self.plan_refresh(cx);
        if self.upkeep.state == State::Filling(bucket) {
            self.fill(bucket, cx);
        }
    }

    /// Fills the next bucket below `filled` that has room, the nearer ones first, or is done. The last bucket is not
    /// among them: the lookup of our own place has filled it.
    fn fill(&mut self, filled: usize, cx: &mut Context<'_, Self>) {
        let next = (0..filled).rev().find(|at| self.table.bucket_len(*at) < self.config.k);
        if let Some(next) = next {
            self.upkeep.state = State::Filling(next);
            self.refresh_bucket(next, cx);
            return;
        }
        self.upkeep.state = State::Idle;
        if self.table.len() >= self.config.k {
            self.upkeep.tries = 0;
        }
        self.rejoin_soon(cx);
        if !self.upkeep.told {
            self.upkeep.told = true;
            cx.emit(Event::Joined(self.table.len()));
        }
        self.look_who_reaches_us(cx);
    }

    /// Refreshes the bucket that was left alone longest, if it is due.
    pub(super) fn refresh(&mut self, cx: &mut Context<'_, Self>) {
        let (bucket, touched) = self.table.idlest();
        if self.table.len() == 0 {
            self.plan_refresh(cx);
            self.rejoin_soon(cx);
        } else if cx.now() - touched >= self.config.refresh {
            // Those that would never be asked again otherwise: a lookup goes around doubtful ones.
            for doubtful in self.table.doubtful(bucket, cx.now(), self.config.refresh) {
                self.probe(doubtful, cx);
            }
            self.refresh_bucket(bucket, cx);
        } else {
            self.plan_refresh(cx);
        }
    }

    fn refresh_bucket(&mut self, bucket: usize, cx: &mut Context<'_, Self>) {
        let key = Key::of_node(self.me).random_at(bucket, cx.rng());
        self.look_up(key, Purpose::Refresh(bucket), cx);
    }

    fn plan_refresh(&self, cx: &mut Context<'_, Self>) {
        let (_, touched) = self.table.idlest();
        let due = (touched + self.config.refresh) - cx.now();
        // A random part of a tenth, so that nodes that began together do not stay together.
        let wait = due.max(Duration::from_secs(1)) + part(self.config.refresh / 10, cx);
        cx.set_timer(Timer::Refresh, wait);
    }
}

/// A random part of a period, in steps of a microsecond.
fn part(period: Duration, cx: &mut Context<'_, Kademlia>) -> Duration {
    Duration::from_micros(cx.rng().below(u64::try_from(period.as_micros()).unwrap_or(u64::MAX)))
}
