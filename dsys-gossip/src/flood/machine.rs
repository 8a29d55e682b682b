//! One node that floods.

use std::sync::Arc;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId};

use super::{Config, Message};
use crate::MessageId;
use crate::broadcast::{Command, Event};
use crate::seen::Seen;

/// There are no timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages sent.
    pub payloads: u64,
    /// Messages that were too long.
    pub refused: u64,
    /// Messages seen before.
    pub duplicates: u64,
    /// Neighbours not taken because there were `max_neighbours`.
    pub neighbours_refused: u64,
    /// Names forgotten before `max_seen_age`, because there were `max_seen`.
    pub forgotten_early: u64,
}

/// One node that floods. Its neighbours are those given and those that are up ([`Input::PeerUp`]); a driver tells of
/// connections, a membership of neighbours.
#[derive(Clone, Debug)]
pub struct Flood {
    me: NodeId,
    config: Arc<Config>,
    /// In order.
    neighbours: Vec<NodeId>,
    seen: Seen,
    stats: Stats,
}

impl Flood {
    /// A node that has seen nothing.
    pub fn new(
        me: NodeId,
        neighbours: impl IntoIterator<Item = NodeId>,
        config: impl Into<Arc<Config>>,
    ) -> Self {
        let config = config.into();
        let seen = Seen::new(config.max_seen, config.max_seen_age);
        let mut node = Flood { me, config, neighbours: Vec::new(), seen, stats: Stats::default() };
        neighbours.into_iter().for_each(|peer| node.up(peer));
        node
    }

    /// The neighbours, in order.
    pub fn neighbours(&self) -> &[NodeId] {
        &self.neighbours
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats { forgotten_early: self.seen.early(), ..self.stats }
    }

    fn up(&mut self, peer: NodeId) {
        let Err(at) = self.neighbours.binary_search(&peer) else { return };
        if peer == self.me {
            return;
        }
        if self.neighbours.len() >= self.config.max_neighbours {
            self.stats.neighbours_refused += 1;
        } else {
            self.neighbours.insert(at, peer);
        }
    }

    /// `false` if nothing was done.
    fn spread(
        &mut self,
        id: MessageId,
        hops: u32,
        payload: Bytes,
        from: NodeId,
        cx: &mut Context<'_, Self>,
    ) -> bool {
        if payload.len() > self.config.max_payload {
            self.stats.refused += 1;
            return false;
        }
        if !self.seen.insert(id, cx.now()) {
            self.stats.duplicates += 1;
            return false;
        }
        let further = hops.saturating_add(1);
        for peer in self.neighbours.iter().filter(|peer| **peer != from) {
            self.stats.payloads += 1;
            cx.send(*peer, Message::Gossip { id, hops: further, payload: payload.clone() });
        }
        cx.emit(Event::Delivered { id, payload, hops, from });
        true
    }
}

impl Machine for Flood {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Command(Command::Broadcast { id, payload }) => {
                if !self.spread(id, 0, payload, self.me, cx) {
                    cx.emit(Event::Refused(id));
                }
            }
            Input::Command(Command::Know(id) | Command::Forget(id)) => {
                self.seen.insert(id, cx.now());
            }
            Input::Message(from, Message::Gossip { id, hops, payload }) => {
                self.spread(id, hops, payload, from, cx);
            }
            Input::PeerUp(peer) => self.up(peer),
            Input::PeerDown(peer) => self.neighbours.retain(|neighbour| *neighbour != peer),
            Input::Timer(never) => match never {},
            Input::Start | Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
