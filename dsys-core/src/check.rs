//! Model checking: lets [stateright](https://docs.rs/stateright) explore the shipped machine, not a rewrite of it.
//!
//! [`Explore`] is a `stateright::Model` of some machines and the network between them. It tries every order in
//! which messages arrive, timers run out and commands are given; with [`Faults`], also losses, duplicates and
//! crashes. Time does not pass: a timer that is set may run out at any moment, however long it was set for.
//!
//! What it does not explore: choices that a machine makes with its random source, which is seeded alike at every
//! step. `PeerUp` comes once for each pair, at the start, if asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};

use stateright::{Model, Property};

use crate::{Context, Effect, Input, Machine, NodeId, Rng, Time, Write};

/// What a machine must be to be explored: its state and messages can be compared, hashed and copied.
pub trait Checkable:
    Machine<Message: Clone + Ord + Hash + Debug, Command: Clone + Debug, Timer: Debug> + Clone + Eq + Hash + Debug
{
}

impl<M> Checkable for M
where
    M: Machine + Clone + Eq + Hash + Debug,
    M::Message: Clone + Ord + Hash + Debug,
    M::Command: Clone + Debug,
    M::Timer: Debug,
{
}

/// Which faults are explored beside every order of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Any message may be lost.
    pub loss: bool,
    /// Any message may arrive again.
    pub duplication: bool,
    /// So many crashes in all, each followed by a restart from the stored records.
    pub crashes: u8,
}

/// How a node is made anew from its id and the records it has stored.
pub type Restart<M> = fn(NodeId, &[Vec<u8>]) -> M;

/// Machines and the network between them, as a model.
pub struct Explore<M: Checkable> {
    machines: Vec<(NodeId, M)>,
    commands: Vec<(NodeId, M::Command)>,
    faults: Faults,
    restart: Option<Restart<M>>,
    introduce: bool,
    properties: Vec<Property<Self>>,
    boundary: fn(&World<M>) -> bool,
}

/// One state of the model.
pub struct World<M: Checkable> {
    /// The machines, in the order in which they were given.
    pub machines: Vec<M>,
    /// Messages on their way, and how many alike: sender, receiver, message.
    pub network: BTreeMap<(NodeId, NodeId, M::Message), u8>,
    /// The timers that are set, machine by machine.
    pub timers: Vec<BTreeSet<M::Timer>>,
    /// The stored records, machine by machine.
    pub records: Vec<Vec<Vec<u8>>>,
    /// Which commands were given already.
    pub given: Vec<bool>,
    /// How often a machine has crashed.
    pub crashes: u8,
}

/// One step of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<M: Checkable> {
    /// A message arrives: sender, receiver, message.
    Deliver(NodeId, NodeId, M::Message),
    /// A message arrives, and a copy of it is still on its way.
    Duplicate(NodeId, NodeId, M::Message),
    /// A message is lost.
    Lose(NodeId, NodeId, M::Message),
    /// A timer runs out.
    Fire(NodeId, M::Timer),
    /// The command of this number is given.
    Command(usize),
    /// The node loses all but its records, and starts again.
    Crash(NodeId),
}

impl<M: Checkable> Explore<M> {
    /// These machines and nothing else: no command, no fault, no property.
    pub fn new(machines: impl IntoIterator<Item = (NodeId, M)>) -> Self {
        Explore {
            machines: machines.into_iter().collect(),
            commands: Vec::new(),
            faults: Faults::default(),
            restart: None,
            introduce: false,
            properties: Vec::new(),
            boundary: |_| true,
        }
    }

    /// A command, given once, at any moment.
    #[must_use]
    pub fn command(mut self, to: NodeId, command: M::Command) -> Self {
        self.commands.push((to, command));
        self
    }

    /// The faults to explore. Crashes need [`restart`](Self::restart).
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// How a crashed node starts again.
    #[must_use]
    pub fn restart(mut self, restart: Restart<M>) -> Self {
        self.restart = Some(restart);
        self
    }

    /// Tells every machine at the start that all others are up.
    #[must_use]
    pub fn introduce_peers(mut self) -> Self {
        self.introduce = true;
        self
    }

    /// Holds in every state; a counterexample is a bug.
    #[must_use]
    pub fn always(mut self, name: &'static str, holds: fn(&Self, &World<M>) -> bool) -> Self {
        self.properties.push(Property::always(name, holds));
        self
    }

    /// Holds in some state. Beside each `always` it shows that the property is not true of nothing.
    #[must_use]
    pub fn sometimes(mut self, name: &'static str, holds: fn(&Self, &World<M>) -> bool) -> Self {
        self.properties.push(Property::sometimes(name, holds));
        self
    }

    /// Holds at last on every path that ends.
    #[must_use]
    pub fn eventually(mut self, name: &'static str, holds: fn(&Self, &World<M>) -> bool) -> Self {
        self.properties.push(Property::eventually(name, holds));
        self
    }

    /// Looks only at states of which this is true, so that an endless protocol ends.
    #[must_use]
    pub fn within(mut self, boundary: fn(&World<M>) -> bool) -> Self {
        self.boundary = boundary;
        self
    }

    fn index(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|(known, _)| *known == id)
    }

    /// Gives `machine` an input and carries its effects out.
    fn input(&self, world: &mut World<M>, at: usize, input: Input<M>) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let (Some(machine), Some(&(id, _))) = (world.machines.get_mut(at), self.machines.get(at)) else {
                return;
            };
            let mut effects = Vec::new();
            machine.handle(input, &mut Context::new(Time::ZERO, &mut Rng::from_seed(0), &mut effects));
            for effect in effects {
                self.effect(world, at, id, effect, &mut inputs);
            }
        }
    }

    fn effect(
        &self,
        world: &mut World<M>,
        at: usize,
        id: NodeId,
        effect: Effect<M>,
        inputs: &mut Vec<Input<M>>,
    ) {
        let (Some(timers), Some(records)) = (world.timers.get_mut(at), world.records.get_mut(at)) else {
            return;
        };
        match effect {
            Effect::Send(to, message) => {
                let copies = world.network.entry((id, to, message)).or_insert(0);
                *copies = copies.saturating_add(1);
            }
            Effect::SetTimer(timer, _) => drop(timers.insert(timer)),
            Effect::CancelTimer(timer) => drop(timers.remove(&timer)),
            Effect::Store(token, Write::Append(record)) => {
                records.push(record);
                inputs.push(Input::Stored(token));
            }
            Effect::Store(token, Write::Checkpoint(record)) => {
                *records = vec![record];
                inputs.push(Input::Stored(token));
            }
            // Who crashes starts again at once: everybody is there.
            Effect::Probe(addr) => inputs.push(Input::Probed(addr, true)),
            Effect::Emit(_) | Effect::Disconnect(_) | Effect::Learn(_) => {}
        }
    }

    fn start(&self, world: &mut World<M>, at: usize) {
        self.input(world, at, Input::Start);
        if self.introduce {
            for (other, (id, _)) in self.machines.iter().enumerate() {
                if other != at {
                    self.input(world, at, Input::PeerUp(*id));
                }
            }
        }
    }

    fn take(world: &mut World<M>, from: NodeId, to: NodeId, message: &M::Message) {
        let key = (from, to, message.clone());
        if let Some(copies) = world.network.get_mut(&key) {
            *copies -= 1;
            if *copies == 0 {
                world.network.remove(&key);
            }
        }
    }
}

impl<M: Checkable> Model for Explore<M> {
    type State = World<M>;
    type Action = Step<M>;

    fn init_states(&self) -> Vec<World<M>> {
        let count = self.machines.len();
        let mut world = World {
            machines: self.machines.iter().map(|(_, machine)| machine.clone()).collect(),
            network: BTreeMap::new(),
            timers: vec![BTreeSet::new(); count],
            records: vec![Vec::new(); count],
            given: vec![false; self.commands.len()],
            crashes: 0,
        };
        for at in 0..count {
            self.start(&mut world, at);
        }
        vec![world]
    }

    fn actions(&self, world: &World<M>, steps: &mut Vec<Step<M>>) {
        for (from, to, message) in world.network.keys() {
            if self.index(*to).is_some() {
                steps.push(Step::Deliver(*from, *to, message.clone()));
                if self.faults.duplication {
                    steps.push(Step::Duplicate(*from, *to, message.clone()));
                }
            }
            if self.faults.loss {
                steps.push(Step::Lose(*from, *to, message.clone()));
            }
        }
        for ((id, _), timers) in self.machines.iter().zip(&world.timers) {
            steps.extend(timers.iter().map(|timer| Step::Fire(*id, *timer)));
        }
        steps.extend(
            world.given.iter().enumerate().filter(|(_, given)| !**given).map(|(at, _)| Step::Command(at)),
        );
        if self.restart.is_some() && world.crashes < self.faults.crashes {
            steps.extend(self.machines.iter().map(|(id, _)| Step::Crash(*id)));
        }
    }

    fn next_state(&self, last: &World<M>, step: Step<M>) -> Option<World<M>> {
        let mut world = last.clone();
        match step {
            Step::Lose(from, to, message) => Self::take(&mut world, from, to, &message),
            Step::Deliver(from, to, message) => {
                Self::take(&mut world, from, to, &message);
                self.input(&mut world, self.index(to)?, Input::Message(from, message));
            }
            Step::Duplicate(from, to, message) => {
                self.input(&mut world, self.index(to)?, Input::Message(from, message));
            }
            Step::Fire(id, timer) => {
                let at = self.index(id)?;
                world.timers.get_mut(at)?.remove(&timer);
                self.input(&mut world, at, Input::Timer(timer));
            }
            Step::Command(number) => {
                *world.given.get_mut(number)? = true;
                let (to, command) = self.commands.get(number)?;
                self.input(&mut world, self.index(*to)?, Input::Command(command.clone()));
            }
            Step::Crash(id) => {
                let at = self.index(id)?;
                world.crashes += 1;
                world.timers.get_mut(at)?.clear();
                *world.machines.get_mut(at)? = self.restart?(id, world.records.get(at)?);
                self.start(&mut world, at);
            }
        }
        // A step that changes nothing leads nowhere new.
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }

    fn within_boundary(&self, world: &World<M>) -> bool {
        (self.boundary)(world)
    }
}

// The derives would ask `M::Command`, which a state does not hold, for more than it has.

impl<M: Checkable> Clone for World<M> {
    fn clone(&self) -> Self {
        World {
            machines: self.machines.clone(),
            network: self.network.clone(),
            timers: self.timers.clone(),
            records: self.records.clone(),
            given: self.given.clone(),
            crashes: self.crashes,
        }
    }
}

impl<M: Checkable> PartialEq for World<M> {
    fn eq(&self, other: &Self) -> bool {
        self.machines == other.machines
            && self.network == other.network
            && self.timers == other.timers
            && self.records == other.records
            && self.given == other.given
            && self.crashes == other.crashes
    }
}

impl<M: Checkable> Eq for World<M> {}

impl<M: Checkable> Hash for World<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.machines.hash(state);
        self.network.hash(state);
        self.timers.hash(state);
        self.records.hash(state);
        self.given.hash(state);
        self.crashes.hash(state);
    }
}

impl<M: Checkable> Debug for World<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("machines", &self.machines)
            .field("network", &self.network)
            .field("timers", &self.timers)
            .field("records", &self.records)
            .field("given", &self.given)
            .field("crashes", &self.crashes)
            .finish()
    }
}

impl<M: Checkable> Debug for Explore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explore")
            .field("machines", &self.machines)
            .field("commands", &self.commands)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
