//! The two parts and what passes between them.

use std::sync::Arc;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId};

use super::Message;
use crate::broadcast;
use crate::compose::hand;
use crate::membership::partial::{self, Partial};
use crate::plumtree::{self, Plumtree};

/// The settings of both parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The membership's.
    pub membership: Arc<partial::Config>,
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
}

/// One node's part in one topic.
#[derive(Clone, Debug)]
pub struct Topic {
    membership: Partial,
    broadcast: Plumtree,
}

impl Topic {
    /// A node that knows nobody. `me` is what others are told of us.
    pub fn new(me: impl Into<NodeAddr>, config: &Config) -> Self {
        let me = me.into();
        Topic {
            broadcast: Plumtree::new(me.id, [], config.broadcast.clone()),
            membership: Partial::new(me, config.membership.clone()),
        }
    }

    /// The membership.
    pub fn membership(&self) -> &Partial {
        &self.membership
    }

    /// The broadcast tree.
    pub fn broadcast(&self) -> &Plumtree {
        &self.broadcast
    }

    fn tell_membership(&mut self, input: Input<Partial>, cx: &mut Context<'_, Self>) {
        for event in hand(
            &mut self.membership,
            input,
            |_, message| Message::Membership(message),
            Timer::Membership,
            cx,
        ) {
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
                self.tell_membership(Input::Command(partial::Command::Bar(peer)), cx);
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
                self.tell_broadcast(Input::Start, cx);
            }
            Input::Command(Command::Join(contacts)) => {
                self.tell_membership(Input::Command(partial::Command::Join(contacts)), cx);
            }
            Input::Command(Command::Leave) => {
                self.tell_membership(Input::Command(partial::Command::Leave), cx);
            }
            Input::Command(Command::Bar(peer)) => {
                self.tell_membership(Input::Command(partial::Command::Bar(peer)), cx);
            }
            Input::Command(Command::Broadcast(command)) => {
                self.tell_broadcast(Input::Command(command), cx);
            }
            Input::Message(from, Message::Membership(message)) => {
                self.tell_membership(Input::Message(from, message), cx);
            }
            Input::Message(from, Message::Broadcast(message)) => {
                self.tell_broadcast(Input::Message(from, message), cx);
            }
            Input::Timer(Timer::Membership(timer)) => self.tell_membership(Input::Timer(timer), cx),
            Input::Timer(Timer::Broadcast(timer)) => self.tell_broadcast(Input::Timer(timer), cx),
            // Connections are the membership's business; it tells the tree of neighbours.
            Input::PeerUp(peer) => self.tell_membership(Input::PeerUp(peer), cx),
            Input::PeerDown(peer) => self.tell_membership(Input::PeerDown(peer), cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}
