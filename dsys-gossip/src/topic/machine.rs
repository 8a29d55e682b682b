//! The two parts and what passes between them.

use std::sync::Arc;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId};

use super::Message;
use super::everybody::{self, Change, Everybody};
use crate::broadcast;
use crate::compose::hand;
use crate::membership::full::{self, Full, MemberInfo, Meta};
use crate::membership::partial::{self, Partial};
use crate::plumtree::{self, Plumtree};

/// The settings of both parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The membership's, where it is [partial](Topic::new).
    pub membership: Arc<partial::Config>,
    /// The membership's, where it is [full](Topic::full). Its `max_members` should not be more than the tree's
    /// `max_neighbours`.
    pub full: Arc<full::Config>,
    /// The tree's. Its `max_neighbours` should not be less than the membership's `active`.
    pub broadcast: Arc<plumtree::Config>,
}

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Join the topic by these nodes; they are remembered as contacts.
    Join(Vec<NodeAddr>),
    /// Leave the topic: what is broadcast from now on is for us alone.
    Leave,
    /// This node broke the rules of the whole: have it as a neighbour no more.
    Bar(NodeId),
    /// From now on we say this of ourselves, to all members of a small topic.
    Meta(Meta),
    /// For the tree.
    Broadcast(broadcast::Command),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This node is a neighbour now.
    Up(NodeId),
    /// And now it is not.
    Down(NodeId),
    /// How this member of a small topic is, whenever that changes.
    Member(Box<MemberInfo>),
    /// Of the tree: a message came, was refused, or is lost.
    Broadcast(broadcast::Event),
}

/// The timers of both parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The membership's.
    Membership(partial::Timer),
    /// The tree's.
    Broadcast(plumtree::Timer),
    /// The members', in a small topic.
    Full(full::Timer),
}

/// One node's part in one topic.
#[derive(Clone, Debug)]
pub struct Topic {
    membership: Membership,
    broadcast: Plumtree,
}

#[derive(Clone, Debug)]
enum Membership {
    Partial(Box<Partial>),
    Full(Box<Everybody>),
}

impl Topic {
    /// A node that knows nobody, and will have a few neighbours. `me` is what others are told of us.
    pub fn new(me: impl Into<NodeAddr>, config: &Config) -> Self {
        let me = me.into();
        Topic {
            broadcast: Plumtree::new(me.id, [], config.broadcast.clone()),
            membership: Membership::Partial(Box::new(Partial::new(me, config.membership.clone()))),
        }
    }

    /// The same in a small topic, where all are neighbours of each other. All nodes of a topic must be of one kind.
    pub fn full(me: impl Into<NodeAddr>, config: &Config) -> Self {
        let me = me.into();
        Topic {
            broadcast: Plumtree::new(me.id, [], config.broadcast.clone()),
            membership: Membership::Full(Box::new(Everybody::new(me, config.full.clone()))),
        }
    }

    /// The membership, if it is partial.
    pub fn membership(&self) -> Option<&Partial> {
        match &self.membership {
            Membership::Partial(partial) => Some(partial),
            Membership::Full(_) => None,
        }
    }

    /// The members, if the membership is full.
    pub fn members(&self) -> Option<&Full> {
        match &self.membership {
            Membership::Partial(_) => None,
            Membership::Full(everybody) => Some(&everybody.full),
        }
    }

    /// The neighbours, in order.
    pub fn neighbours(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.broadcast.neighbours().map(|(id, _)| id)
    }

    /// The broadcast tree.
    pub fn broadcast(&self) -> &Plumtree {
        &self.broadcast
    }

    /// Hands an input to all members, if they are what the membership is.
    fn tell_members(&mut self, input: Input<Full>, cx: &mut Context<'_, Self>) {
        if let Membership::Full(everybody) = &mut self.membership {
            let changes = everybody.tell(input, cx);
            self.change(changes, cx);
        }
    }

    fn change(&mut self, changes: impl IntoIterator<Item = Change>, cx: &mut Context<'_, Self>) {
        for change in changes {
            match change {
                Change::Up(peer) => {
                    self.tell_broadcast(Input::PeerUp(peer), cx);
                    cx.emit(Event::Up(peer));
                }
                Change::Down(peer) => {
                    self.tell_broadcast(Input::PeerDown(peer), cx);
                    cx.emit(Event::Down(peer));
                }
            }
        }
    }

    fn bar(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        if let Membership::Full(everybody) = &mut self.membership {
            let change = everybody.bar(peer);
            self.change(change, cx);
        }
        self.tell_membership(Input::Command(partial::Command::Bar(peer)), cx);
    }

    /// Joining, leaving, telling others of ourselves.
    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        if let Membership::Full(everybody) = &mut self.membership {
            let left = if command == Command::Leave { everybody.leave() } else { Vec::new() };
            if let Some(command) = everybody::command(&command) {
                self.tell_members(Input::Command(command), cx);
            }
            return self.change(left, cx);
        }
        let command = match command {
            Command::Join(contacts) => partial::Command::Join(contacts),
            Command::Leave => partial::Command::Leave,
            _ => return,
        };
        self.tell_membership(Input::Command(command), cx);
    }

    /// Hands an input to the partial membership, if it is that.
    fn tell_membership(&mut self, input: Input<Partial>, cx: &mut Context<'_, Self>) {
        let Membership::Partial(partial) = &mut self.membership else { return };
        for event in
            hand(&mut **partial, input, |_, message| Message::Membership(message), Timer::Membership, cx)
        {
            match event {
                partial::Event::Up(peer) => {
                    self.tell_broadcast(Input::PeerUp(peer), cx);
                    cx.emit(Event::Up(peer));
                }
                partial::Event::Down(peer) => {
                    self.tell_broadcast(Input::PeerDown(peer), cx);
                    cx.emit(Event::Down(peer));
                }
            }
        }
    }

    fn tell_broadcast(&mut self, input: Input<Plumtree>, cx: &mut Context<'_, Self>) {
        for event in
            hand(&mut self.broadcast, input, |_, message| Message::Broadcast(message), Timer::Broadcast, cx)
        {
            let violated = if let broadcast::Event::Violated(peer) = &event { Some(*peer) } else { None };
            cx.emit(Event::Broadcast(event));
            if let Some(peer) = violated {
                self.bar(peer, cx);
            }
        }
    }
}

impl Machine for Topic {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.tell_membership(Input::Start, cx);
                self.tell_members(Input::Start, cx);
                self.tell_broadcast(Input::Start, cx);
            }
            Input::Command(Command::Bar(peer)) => self.bar(peer, cx),
            Input::Command(Command::Broadcast(command)) => {
                self.tell_broadcast(Input::Command(command), cx);
            }
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, Message::Membership(message)) => {
                self.tell_membership(Input::Message(from, message), cx);
            }
            Input::Message(from, Message::Broadcast(message)) => {
                self.tell_broadcast(Input::Message(from, message), cx);
            }
            Input::Message(from, Message::Full(message)) => {
                self.tell_members(Input::Message(from, message), cx);
            }
            Input::Timer(Timer::Membership(timer)) => {
                if let (partial::Timer::Probe, Membership::Partial(partial)) = (timer, &mut self.membership) {
                    self.broadcast.heard().for_each(|(peer, then)| partial.heard(peer, then));
                }
                self.tell_membership(Input::Timer(timer), cx);
            }
            Input::Timer(Timer::Broadcast(timer)) => self.tell_broadcast(Input::Timer(timer), cx),
            Input::Timer(Timer::Full(timer)) => self.tell_members(Input::Timer(timer), cx),
            // Connections are the membership's business; it tells the tree of neighbours.
            Input::PeerUp(peer) => {
                self.tell_membership(Input::PeerUp(peer), cx);
                self.tell_members(Input::PeerUp(peer), cx);
            }
            Input::PeerDown(peer) => {
                self.tell_membership(Input::PeerDown(peer), cx);
                self.tell_members(Input::PeerDown(peer), cx);
            }
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
