//! A small topic, in which everybody is everybody's neighbour: SWIM says who is there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use dsys_core::{Context, Input, NodeAddr, NodeId};

use super::{Command, Event, Message, Timer, Topic};
use crate::compose::hand;
use crate::membership::full::{self, Full};

/// At most so many barred nodes are remembered.
const MOST_BARRED: usize = 256;

/// All members, of whom those that are there and are not barred are neighbours.
#[derive(Clone, Debug)]
pub(super) struct Everybody {
    pub(super) full: Full,
    pub(super) neighbours: BTreeSet<NodeId>,
    barred: VecDeque<NodeId>,
}

/// What follows for the tree.
pub(super) enum Change {
    Up(NodeId),
    Down(NodeId),
}

impl Everybody {
    pub(super) fn new(me: NodeAddr, config: Arc<full::Config>) -> Self {
        Everybody { full: Full::new(me, config), neighbours: BTreeSet::new(), barred: VecDeque::new() }
    }

    /// A node that broke the rules is a neighbour no more, whatever the members say of it.
    pub(super) fn bar(&mut self, peer: NodeId) -> Option<Change> {
        if !self.barred.contains(&peer) {
            if self.barred.len() >= MOST_BARRED {
                self.barred.pop_front();
            }
            self.barred.push_back(peer);
        }
        self.neighbours.remove(&peer).then_some(Change::Down(peer))
    }

    /// Nobody is a neighbour of one who has left.
    pub(super) fn leave(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.neighbours).into_iter().map(Change::Down).collect()
    }

    /// Hands an input to the members; what changes for the tree.
    pub(super) fn tell(&mut self, input: Input<Full>, cx: &mut Context<'_, Topic>) -> Vec<Change> {
        if let Input::Message(from, _) = &input
            && self.barred.contains(from)
        {
            return Vec::new();
        }
        let events = hand(&mut self.full, input, |_, message| Message::Full(message), Timer::Full, cx);
        let mut changes = Vec::new();
        for event in events {
            let (full::Event::Up(id)
            | full::Event::Suspected(id)
            | full::Event::Down(id)
            | full::Event::Changed(id)) = event;
            self.full.info(id).into_iter().for_each(|member| cx.emit(Event::Member(Box::new(member))));
            match event {
                full::Event::Up(_) if !self.barred.contains(&id) && self.neighbours.insert(id) => {
                    changes.push(Change::Up(id));
                }
                full::Event::Down(_) if self.neighbours.remove(&id) => changes.push(Change::Down(id)),
                _ => {}
            }
        }
        changes
    }
}

/// What a topic is asked, as its members understand it.
pub(super) fn command(command: &Command) -> Option<full::Command> {
    match command {
        Command::Join(contacts) => Some(full::Command::Join(contacts.clone())),
        Command::Leave => Some(full::Command::Leave),
        Command::Meta(meta) => Some(full::Command::Meta(meta.clone())),
        _ => None,
    }
}
