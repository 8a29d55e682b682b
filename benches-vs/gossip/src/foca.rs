//! foca's SWIM as a machine.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use dsys_core::{Context, Input, Machine, NodeId};
use foca::{AccumulatingRuntime, Config, Foca, Identity, Member, OwnedNotification, PostcardCodec, Timer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::membership::{Down, Swim};

pub const NAME: &str = "foca 2.0";

/// A node, and how often it had to come back under a new name: foca's own way to refute a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    id: NodeId,
    life: u16,
}

impl Identity for Name {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Name { life: self.life.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> NodeId {
        self.id
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

/// One node.
pub struct Node {
    foca: Foca<Name, PostcardCodec, StdRng, foca::NoCustomBroadcast>,
    all: Arc<[NodeId]>,
    out: AccumulatingRuntime<Name>,
    /// Its timers have no names.
    timers: BTreeMap<u64, Timer<Name>>,
    next: u64,
}

/// The timer that starts a node, within the first second: those of a fresh cluster do not all probe at once.
const BEGIN: u64 = 0;

impl Node {
    fn flush(&mut self, cx: &mut Context<'_, Self>) {
        while let Some((to, data)) = self.out.to_send() {
            cx.send(to.id, data);
        }
        while let Some((after, timer)) = self.out.to_schedule() {
            self.next += 1;
            self.timers.insert(self.next, timer);
            cx.set_timer(self.next, after);
        }
        while let Some(told) = self.out.to_notify() {
            if let OwnedNotification::MemberDown(name) = told {
                cx.emit(Down(name.id));
            }
        }
    }
}

impl Machine for Node {
    type Message = Bytes;
    type Command = ();
    type Event = Down;
    type Timer = u64;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        // What it refuses, such as a message of one that is down, it says by an error.
        let _ = match input {
            Input::Start => {
                let within = cx.rng().below(1_000_000_000);
                cx.set_timer(BEGIN, std::time::Duration::from_nanos(within));
                return;
            }
            Input::Timer(BEGIN) => {
                let all = self.all.clone();
                let members = all.iter().map(|id| Member::alive(Name { id: *id, life: 0 }));
                self.foca.apply_many(members, false, &mut self.out)
            }
            Input::Timer(name) => match self.timers.remove(&name) {
                Some(timer) => self.foca.handle_timer(timer, &mut self.out),
                None => Ok(()),
            },
            Input::Message(_, data) => self.foca.handle_data(&data, &mut self.out),
            Input::Command(())
            | Input::PeerUp(_)
            | Input::PeerDown(_)
            | Input::Stored(_)
            | Input::Probed(..) => Ok(()),
        };
        self.flush(cx);
    }
}

/// With its settings for a local network, whose period is ours. `gossips`: beside its probes it tells three members of news
/// five times a second, as these settings have it; without it sends no more than the budget.
pub struct Theirs {
    pub gossips: bool,
}

impl Swim for Theirs {
    type Node = Node;

    fn node(&self, id: NodeId, all: &Arc<[NodeId]>, seed: u64) -> Node {
        let size = NonZeroU32::new(all.len() as u32).expect("there are nodes");
        let mut config = Config::new_lan(size);
        if !self.gossips {
            config.periodic_gossip = None;
        }
        let name = Name { id, life: 0 };
        Node {
            foca: Foca::new(name, config, StdRng::seed_from_u64(seed), PostcardCodec),
            all: all.clone(),
            out: AccumulatingRuntime::new(),
            timers: BTreeMap::new(),
            next: BEGIN,
        }
    }

    fn down(event: &Down) -> Option<NodeId> {
        Some(event.0)
    }
}
