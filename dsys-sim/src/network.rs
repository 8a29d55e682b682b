//! The network: its nodes, its queue, its clock, and how it is run.

mod connection;
mod effects;
mod life;
mod observe;
mod probe;
mod route;
mod step;

use std::fmt;
use std::time::Duration;

use dsys_core::{Effect, Machine, NodeId, Rng, Time};

use crate::event::{Body, Control, NO_NODE};
use crate::faults::Cuts;
use crate::ids::Ids;
use crate::latency::nanos;
use crate::math::Dice;
use crate::node::Node;
use crate::slab::Slab;
use crate::trace::{Hash, Record};
use crate::wheel::{Entry, Wheel};
use crate::{Change, Config, Stats};

/// One event that a machine emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted<E> {
    /// When, in the simulation's time.
    pub time: Time,
    /// By which node.
    pub node: NodeId,
    /// What.
    pub event: E,
}

/// A node cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// A node of this name was added before. Nothing changed.
    #[error("a node of this name was added before; add another name, or restart that node")]
    NameTaken,
    /// `Config::max_nodes` is reached. Nothing changed.
    #[error("the network has all the nodes that Config::max_nodes allows; raise it")]
    Full,
}

/// The deterministic network: any number of machines, virtual time, one seed.
///
/// Everything happens in the order (time, insertion), and all randomness comes from [`Config::seed`]. So the same
/// program with the same seed does the same, in debug and in release, and
/// [`trace_hash`](Network::trace_hash) says so. All machines draw from one random source, in the order in which they
/// run; the network's own draws come from another, so a fault that is off takes nothing from either.
pub struct Network<M: Machine> {
    config: Config,
    now: u64,
    wheel: Wheel,
    bodies: Slab<Body<M>>,
    nodes: Vec<Node<M>>,
    ids: Ids,
    /// The machines' random source, and the network's own.
    rng: Rng,
    dice: Dice,
    cuts: Cuts,
    /// Whether the sender must remember arrivals to keep messages in order.
    keep_order: bool,
    /// Whether there are connections.
    tracked: bool,
    links_made: u32,
    /// Lent to machines and emptied each time, so that no step allocates.
    effects: Vec<Effect<M>>,
    size: fn(&M::Message) -> usize,
    digest: Option<fn(&M::Message) -> u64>,
    spawn: Option<Spawn<M>>,
    liar: Option<Liar<M>>,
    observer: Option<Observer<M>>,
    trace: Option<Sink>,
    hash: Hash,
    kept: Vec<Emitted<M::Event>>,
    stats: Stats,
}

type Sink = Box<dyn FnMut(&Record<'_>)>;
type Spawn<M> = Box<dyn FnMut(NodeId, &[Vec<u8>]) -> M>;
type Liar<M> =
    Box<dyn FnMut(Time, NodeId, Letter<<M as Machine>::Message>) -> Vec<Letter<<M as Machine>::Message>>>;
type Observer<M> = Box<dyn FnMut(Time, NodeId, &<M as Machine>::Event)>;

/// A message and whom it is for: what a liar is given, and gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<T> {
    /// Who is to get it.
    pub to: NodeId,
    /// What they get.
    pub message: T,
}

impl<M: Machine<Message: Clone>> Network<M> {
    /// A network without nodes, at time 0.
    pub fn new(config: Config) -> Self {
        Network {
            now: 0,
            wheel: Wheel::new(),
            bodies: Slab::new(),
            nodes: Vec::new(),
            ids: Ids::new(config.seed),
            rng: Rng::from_seed(config.seed),
            dice: Dice::new(config.seed),
            cuts: Cuts::default(),
            keep_order: config.latency.varies(),
            tracked: config.connections != crate::Connections::None,
            links_made: 0,
            effects: Vec::new(),
            size: |_| size_of::<M::Message>(),
            digest: None,
            spawn: None,
            liar: None,
            observer: None,
            trace: None,
            hash: Hash::START,
            kept: Vec::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// How large a message is, in bytes, for counters and traces. Before: the size of its type in memory.
    pub fn set_size(&mut self, size: fn(&M::Message) -> usize) {
        self.size = size;
    }

    /// Lets the trace hash cover what messages say, not only how large they are.
    pub fn set_digest(&mut self, digest: fn(&M::Message) -> u64) {
        self.digest = Some(digest);
    }

    /// How a machine is made of its name and the records on its disk: when a node restarts, and when one joins
    /// (then there are no records).
    pub fn set_spawn(&mut self, spawn: impl FnMut(NodeId, &[Vec<u8>]) -> M + 'static) {
        self.spawn = Some(Box::new(spawn));
    }

    /// The name that the `index`-th node has if nobody chooses another: known before the node is added, so that
    /// lists of peers can be made first.
    pub fn id(&self, index: u32) -> NodeId {
        self.ids.name(index)
    }

    /// Adds a node; it is started in turn with what happens at the present time. Returns its name.
    ///
    /// # Errors
    /// [`AddError::Full`].
    pub fn add(&mut self, machine: M) -> Result<NodeId, AddError> {
        self.check_room()?;
        let (place, id) = self.ids.generate();
        self.place(place, machine);
        Ok(id)
    }

    /// Adds a node of a chosen name, a real key for example.
    ///
    /// # Errors
    /// [`AddError::Full`], [`AddError::NameTaken`].
    pub fn add_named(&mut self, id: NodeId, machine: M) -> Result<(), AddError> {
        self.check_room()?;
        let place = self.ids.insert(id).ok_or(AddError::NameTaken)?;
        self.place(place, machine);
        Ok(())
    }

    /// Gives a node a command, now. Lost if the node is down or unknown.
    pub fn command(&mut self, node: NodeId, command: M::Command) {
        self.command_at(self.now(), node, command);
    }

    /// Gives a node a command at this time, or now if that is past.
    pub fn command_at(&mut self, at: Time, node: NodeId, command: M::Command) {
        if let Some(place) = self.ids.place(node) {
            self.enqueue(at.as_nanos(), place, Body::Command(Box::new(command)));
        }
    }

    /// Plans a change for this time, or for now if that is past.
    pub fn schedule(&mut self, at: Time, change: Change) {
        self.enqueue(at.as_nanos(), NO_NODE, Body::Control(Control::Change(Box::new(change))));
    }

    /// Plans many, such as [`Churn::plan`](crate::Churn::plan) makes.
    pub fn schedule_all(&mut self, changes: impl IntoIterator<Item = (Time, Change)>) {
        changes.into_iter().for_each(|(at, change)| self.schedule(at, change));
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// Takes the next event of the queue. `false` if there is none before `Config::max_time`.
    pub fn step(&mut self) -> bool {
        self.step_until(self.end())
    }

    /// Takes the next event that is no later than `until`. `false` if there is none; the time is then `until`.
    pub fn step_before(&mut self, until: Time) -> bool {
        let until = until.as_nanos().min(self.end());
        let stepped = self.step_until(until);
        if !stepped {
            self.now = self.now.max(until);
        }
        stepped
    }

    /// Runs until this time.
    pub fn run_until(&mut self, until: Time) {
        while self.step_before(until) {}
    }

    /// Runs for this long.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now() + time);
    }

    /// Runs until nothing is left to happen, or `Config::max_time`. With a machine that always has a timer set, that
    /// is the latter.
    pub fn run(&mut self) {
        let end = self.end();
        while self.step_until(end) {}
    }

    fn end(&self) -> u64 {
        nanos(self.config.max_time)
    }

    fn check_room(&mut self) -> Result<(), AddError> {
        if self.nodes.len() >= self.config.max_nodes as usize {
            self.stats.nodes_refused += 1;
            return Err(AddError::Full);
        }
        Ok(())
    }

    fn place(&mut self, place: u32, machine: M) {
        debug_assert_eq!(place as usize, self.nodes.len());
        self.nodes.push(Node::new(machine));
        self.enqueue(self.now, place, Body::Start { life: 0 });
    }

    fn enqueue(&mut self, at: u64, node: u32, body: Body<M>) {
        if self.wheel.len() >= self.config.max_queued && !matches!(body, Body::Control(_)) {
            self.stats.queue_full += 1;
            return;
        }
        let slot = self.bodies.insert(body);
        self.wheel.insert(Entry { time: at.max(self.now), node, slot });
    }

    fn control(&mut self, at: u64, node: u32, control: Control) {
        self.enqueue(at, node, Body::Control(control));
    }

    fn node(&self, place: u32) -> Option<&Node<M>> {
        self.nodes.get(place as usize)
    }

    fn node_mut(&mut self, place: u32) -> Option<&mut Node<M>> {
        self.nodes.get_mut(place as usize)
    }
}

impl<M: Machine> fmt::Debug for Network<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.ids.seed())
            .field("now", &Time::from_nanos(self.now))
            .field("nodes", &self.nodes.len())
            .field("queued", &self.wheel.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
