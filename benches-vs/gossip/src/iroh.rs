//! iroh-gossip's own protocol core, with the settings it comes with, as a machine.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId, Time};
use iroh_gossip::proto::state::MessageKind;
use iroh_gossip::proto::{
    Command, Config, Event, InEvent, Message, OutEvent, PeerData, Scope, State, Timer, TopicId,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::contender::Contender;

pub const NAME: &str = "iroh-gossip 0.101";

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

pub struct Iroh;

/// One node.
pub struct Node {
    state: State<NodeId, StdRng>,
    /// Its timers have no names.
    timers: BTreeMap<u64, Timer<NodeId>>,
    next: u64,
    payloads: u64,
}

/// Its clock: the simulator's time behind an instant that is the same for all.
fn instant(now: Time) -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now) + now.since(Time::ZERO)
}

impl Node {
    fn take(&mut self, event: InEvent<NodeId>, cx: &mut Context<'_, Self>) {
        let (timers, next, payloads) = (&mut self.timers, &mut self.next, &mut self.payloads);
        let mut set: Vec<(Duration, Timer<NodeId>)> = Vec::new();
        for out in self.state.handle(event, instant(cx.now()), None) {
            match out {
                OutEvent::SendMessage(to, message) => {
                    *payloads += u64::from(matches!(message.kind(), MessageKind::Data));
                    cx.send(to, message);
                }
                OutEvent::EmitEvent(_, event) => cx.emit(event),
                OutEvent::ScheduleTimer(after, timer) => set.push((after, timer)),
                OutEvent::DisconnectPeer(peer) => cx.disconnect(peer),
                OutEvent::PeerData(..) => {}
            }
        }
        for (after, timer) in set {
            *next += 1;
            timers.insert(*next, timer);
            cx.set_timer(*next, after);
        }
    }
}

impl Machine for Node {
    type Message = Message<NodeId>;
    type Command = Command<NodeId>;
    type Event = Event<NodeId>;
    type Timer = u64;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Command(command) => self.take(InEvent::Command(TOPIC, command), cx),
            Input::Message(from, message) => self.take(InEvent::RecvMessage(from, message), cx),
            Input::Timer(name) => {
                if let Some(timer) = self.timers.remove(&name) {
                    self.take(InEvent::TimerExpired(timer), cx);
                }
            }
            Input::PeerDown(peer) => self.take(InEvent::PeerDisconnected(peer), cx),
            Input::Start | Input::PeerUp(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}

impl Contender for Iroh {
    type Node = Node;

    fn node(id: NodeId, seed: u64) -> Node {
        let rng = StdRng::seed_from_u64(seed);
        Node {
            state: State::new(id, PeerData::default(), Config::default(), rng),
            timers: BTreeMap::new(),
            next: 0,
            payloads: 0,
        }
    }

    fn join(contact: Option<NodeId>) -> Command<NodeId> {
        Command::Join(contact.into_iter().collect())
    }

    fn broadcast(number: u32) -> Command<NodeId> {
        Command::Broadcast(Bytes::copy_from_slice(&number.to_be_bytes()), Scope::Swarm)
    }

    fn heard(event: &Event<NodeId>) -> Option<u32> {
        match event {
            Event::Received(message) => Some(u32::from_be_bytes(message.content.as_ref().try_into().ok()?)),
            _ => None,
        }
    }

    fn payloads(node: &Node) -> u64 {
        node.payloads
    }

    fn size(message: &Message<NodeId>) -> usize {
        message.size().unwrap_or(0)
    }
}
