//! The two parts and what passes between them.

use std::collections::BTreeMap;

use dsys_core::{Context, Input, Machine, NodeId};

use super::Message;
use crate::compose::hand;
use crate::links::{self, Links};
use crate::router::{self, Router};

/// What the app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Of the topics. Contacts to join a topic by are told the links too.
    Router(router::Command),
    /// Of the links.
    Links(links::Command),
}

/// What the app is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// By the topics.
    Router(router::Event),
    /// By the links.
    Links(links::Event),
}

/// The timers of both parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The topics'.
    Router(router::Timer),
    /// The links'.
    Links(links::Timer),
}

/// All that one node does.
#[derive(Debug)]
pub struct Agent {
    router: Router,
    links: Links,
    /// Neighbours, and in how many topics they are.
    linked: BTreeMap<NodeId, usize>,
}

impl Agent {
    /// A node with these parts, which are of the same node.
    pub fn new(router: Router, links: Links) -> Self {
        Agent { router, links, linked: BTreeMap::new() }
    }

    /// The topics.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The links.
    pub fn links(&self) -> &Links {
        &self.links
    }

    fn tell_router(&mut self, input: Input<Router>, cx: &mut Context<'_, Self>) {
        let events = hand(&mut self.router, input, |_, wire| Message::Topic(wire), Timer::Router, cx);
        for event in events {
            match &event {
                router::Event::Up(_, peer) => {
                    *self.linked.entry(*peer).or_default() += 1;
                    self.tell_links(Input::Command(links::Command::Watch(*peer)), cx);
                }
                router::Event::Down(_, peer) => {
                    let left = self.linked.get_mut(peer).map_or(0, |topics| {
                        *topics = topics.saturating_sub(1);
                        *topics
                    });
                    if left == 0 {
                        self.linked.remove(peer);
                        self.tell_links(Input::Command(links::Command::Unwatch(*peer)), cx);
                    }
                }
                _ => {}
            }
            cx.emit(Event::Router(event));
        }
    }

    fn tell_links(&mut self, input: Input<Links>, cx: &mut Context<'_, Self>) {
        let events = hand(&mut self.links, input, |_, message| Message::Link(message), Timer::Links, cx);
        for event in events {
            let down = if let links::Event::Down(peer) = &event { Some(*peer) } else { None };
            cx.emit(Event::Links(event));
            if let Some(peer) = down {
                self.tell_router(Input::PeerDown(peer), cx);
            }
        }
    }
}

impl Machine for Agent {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.tell_router(Input::Start, cx);
                self.tell_links(Input::Start, cx);
            }
            Input::Command(Command::Router(command)) => {
                if let router::Command::Join { contacts, .. } = &command {
                    let join = links::Command::Join(contacts.clone());
                    self.tell_links(Input::Command(join), cx);
                }
                self.tell_router(Input::Command(command), cx);
            }
            Input::Command(Command::Links(command)) => self.tell_links(Input::Command(command), cx),
            Input::Message(from, Message::Topic(wire)) => self.tell_router(Input::Message(from, wire), cx),
            Input::Message(from, Message::Link(message)) => {
                self.tell_links(Input::Message(from, message), cx);
            }
            Input::Timer(Timer::Router(timer)) => self.tell_router(Input::Timer(timer), cx),
            Input::Timer(Timer::Links(timer)) => self.tell_links(Input::Timer(timer), cx),
            Input::PeerUp(peer) => {
                self.tell_links(Input::PeerUp(peer), cx);
                self.tell_router(Input::PeerUp(peer), cx);
            }
            Input::PeerDown(peer) => {
                self.tell_links(Input::PeerDown(peer), cx);
                self.tell_router(Input::PeerDown(peer), cx);
            }
            Input::Stored(token) => self.tell_router(Input::Stored(token), cx),
            // None of its parts asks for one.
            Input::Probed(..) => {}
        }
    }
}
