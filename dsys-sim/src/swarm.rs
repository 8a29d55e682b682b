//! Swarm testing (Groce et al. 2012): every seed runs under another random subset of the faults, because a bug often
//! shows only where some fault is *absent*. First safety under faults, then everything is healed, then liveness.
//!
//! A failure is shrunk to the few faults, nodes and milliseconds it needs, and prints as a command line.
//!
//! ```
//! use dsys_core::{Context, Input, Machine, NodeId};
//! use dsys_sim::swarm::{Campaign, Fault};
//!
//! /// Counts greetings. The planted bug: it takes for granted that none comes twice.
//! #[derive(Debug)]
//! struct Greeter { peers: Vec<NodeId>, greeted: usize }
//!
//! impl Machine for Greeter {
//!     type Message = ();
//!     type Command = ();
//!     type Event = ();
//!     type Timer = ();
//!     fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
//!         match input {
//!             Input::Command(()) => self.peers.iter().for_each(|peer| cx.send(*peer, ())),
//!             Input::Message(..) => self.greeted += 1,
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let campaign = Campaign::new(|_, _, peers| Greeter { peers: peers.to_vec(), greeted: 0 })
//!     .work(|network, nodes| nodes.iter().for_each(|node| network.command(*node, ())))
//!     .invariant(|network| {
//!         let all = network.ids().len();
//!         let bad = network.machines().find(|(_, greeter)| greeter.greeted > all);
//!         bad.map_or(Ok(()), |(id, _)| Err(format!("{id:?} was greeted twice by somebody")))
//!     });
//! let failure = campaign.run(0..50).unwrap_err();
//! assert_eq!(failure.mix.faults(), [Fault::Duplication]);
//! println!("{failure}"); // ... --seed 3 --faults nodes=2,ms=312,dup=0.06
//! ```

mod mix;
mod plan;
mod shrink;

use std::cell::Cell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{Machine, NodeId, Rng, Time};
pub use mix::{Fault, Mix, ParseMixError};

use crate::{Config, Letter, Network};

/// What is tested, under which faults, and what must hold.
pub struct Campaign<M: Machine> {
    /// Everything but the seed and the faults, which each run sets.
    pub config: Config,
    /// The faults to draw from. At first: all that a sound protocol survives, so neither [`Fault::Amnesia`] nor
    /// [`Fault::Join`] nor [`Fault::Leave`] nor [`Fault::Liars`].
    pub faults: Vec<Fault>,
    /// How many nodes a run has.
    pub nodes: RangeInclusive<u32>,
    /// The longest time under faults.
    pub longest: Duration,
    /// How long after healing the goal may take.
    pub patience: Duration,
    /// The invariant and the goal are looked at every so many steps.
    pub check_every: u64,
    /// At most this many runs go into shrinking one failure.
    pub max_shrinks: u32,
    spawn: Spawn<M>,
    work: Work<M>,
    invariant: Check<M>,
    goal: Check<M>,
    lie: Lie<M>,
}

type Lie<M> =
    Rc<dyn Fn(&mut Rng, NodeId, Letter<<M as Machine>::Message>) -> Vec<Letter<<M as Machine>::Message>>>;
type Spawn<M> = Rc<dyn Fn(NodeId, &[Vec<u8>], &[NodeId]) -> M>;
type Work<M> = Box<dyn Fn(&mut Network<M>, &[NodeId])>;
type Check<M> = Box<dyn Fn(&Network<M>) -> Result<(), String>>;

/// A run that passed, for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its trace hash.
    pub trace_hash: u64,
    /// How long after healing the goal was reached.
    pub recovery: Duration,
    /// Inputs handed to machines.
    pub inputs: u64,
}

/// A run that failed. Prints what broke and how to see it again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}\n  at {:.6} s of virtual time; again with: --seed {seed} --faults {mix}", at.as_secs_f64())]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// Its faults.
    pub mix: Mix,
    /// Whether the invariant broke; otherwise the goal was not reached.
    pub broken: bool,
    /// When, in virtual time.
    pub at: Time,
    /// What the invariant or the goal said.
    pub what: String,
}

impl<M: Machine<Message: Clone> + 'static> Campaign<M> {
    /// A campaign on machines made by `spawn` of their name, the records on their disk, and the names of all nodes of
    /// the start.
    pub fn new(spawn: impl Fn(NodeId, &[Vec<u8>], &[NodeId]) -> M + 'static) -> Self {
        Campaign {
            config: Config::default(),
            faults: Fault::SURVIVABLE.to_vec(),
            nodes: 2..=7,
            longest: Duration::from_secs(20),
            patience: Duration::from_secs(60),
            check_every: 1,
            max_shrinks: 200,
            spawn: Rc::new(spawn),
            work: Box::new(|_, _| {}),
            invariant: Box::new(|_| Ok(())),
            goal: Box::new(|_| Ok(())),
            lie: Rc::new(|rng, _, letter| if rng.index(2) == 0 { vec![letter] } else { Vec::new() }),
        }
    }

    /// What the app does: plans commands with [`Network::command_at`]. Called once, before the first step.
    #[must_use]
    pub fn work(mut self, work: impl Fn(&mut Network<M>, &[NodeId]) + 'static) -> Self {
        self.work = Box::new(work);
        self
    }

    /// What must hold at all times; `Err` says what is wrong.
    #[must_use]
    pub fn invariant(mut self, invariant: impl Fn(&Network<M>) -> Result<(), String> + 'static) -> Self {
        self.invariant = Box::new(invariant);
        self
    }

    /// What must come true after healing; `Err` says what is missing. Nothing can be asked of those who lie
    /// ([`Network::lies`]).
    #[must_use]
    pub fn goal(mut self, goal: impl Fn(&Network<M>) -> Result<(), String> + 'static) -> Self {
        self.goal = Box::new(goal);
        self
    }

    /// What becomes of a message of a liar ([`Fault::Liars`]), whose name is given: nothing, or others instead, as with
    /// [`Network::set_liars`]. At first every other message is withheld, at random.
    #[must_use]
    pub fn lie(
        mut self,
        lie: impl Fn(&mut Rng, NodeId, Letter<M::Message>) -> Vec<Letter<M::Message>> + 'static,
    ) -> Self {
        self.lie = Rc::new(lie);
        self
    }

    /// Runs every seed under a mix of its own; the number that passed.
    ///
    /// # Errors
    /// The first failure, shrunk.
    pub fn run(&self, seeds: Range<u64>) -> Result<u64, Failure> {
        let mut passed = 0;
        for seed in seeds {
            self.check(seed, &self.mix(seed)).map_err(|failure| self.shrink(failure))?;
            passed += 1;
        }
        Ok(passed)
    }

    /// The faults of this seed.
    pub fn mix(&self, seed: u64) -> Mix {
        Mix::random(seed, &self.faults, self.nodes.clone(), self.longest)
    }

    /// One run. A panic of the machine, or of a check, is a failure like any other (unless panics abort).
    ///
    /// # Errors
    /// What broke, not shrunk.
    pub fn check(&self, seed: u64, mix: &Mix) -> Result<Passed, Failure> {
        let now = Cell::new(Time::ZERO);
        // What the panic leaves half done is dropped with the network.
        let ended = catch_unwind(AssertUnwindSafe(|| self.check_at(seed, mix, &now)));
        ended.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let what = format!("panicked: {}", text.unwrap_or("without a text"));
            Err(Failure { seed, mix: mix.clone(), broken: true, at: now.get(), what })
        })
    }

    /// Leaves the virtual time in `now`, for whoever has to explain a panic.
    fn check_at(&self, seed: u64, mix: &Mix, now: &Cell<Time>) -> Result<Passed, Failure> {
        let mut network = Network::new(Config { seed, ..self.config.clone() });
        let nodes: Vec<NodeId> = (0..mix.nodes).map(|index| network.id(index)).collect();
        let (spawn, peers) = (self.spawn.clone(), nodes.clone());
        network.set_spawn(move |id, records| spawn(id, records, &peers));
        network.set_faults(mix.message_faults());
        network.schedule_all(plan::changes(seed, mix, &nodes));
        for _ in &nodes {
            network.join();
        }
        let (lie, mut rng) = (self.lie.clone(), Rng::from_seed(seed));
        network
            .set_liars(&plan::liars(seed, mix, &nodes), move |_, liar, letter| lie(&mut rng, liar, letter));
        (self.work)(&mut network, &nodes);

        let fail = |network: &Network<M>, broken, what| Failure {
            seed,
            mix: mix.clone(),
            broken,
            at: network.now(),
            what,
        };
        let end = Time::ZERO + mix.lasting;
        let mut steps = 0u64;
        while network.step_before(end) {
            now.set(network.now());
            steps += 1;
            if self.is_due(steps) {
                (self.invariant)(&network).map_err(|what| fail(&network, true, what))?;
            }
        }
        network.heal();
        let deadline = end + self.patience;
        loop {
            let stepped = network.step_before(deadline);
            now.set(network.now());
            steps += 1;
            if stepped && !self.is_due(steps) {
                continue;
            }
            (self.invariant)(&network).map_err(|what| fail(&network, true, what))?;
            match (self.goal)(&network) {
                Ok(()) => {
                    return Ok(Passed {
                        trace_hash: network.trace_hash(),
                        recovery: network.now() - end,
                        inputs: network.stats().inputs,
                    });
                }
                Err(what) if !stepped => return Err(fail(&network, false, what)),
                Err(_) => {}
            }
        }
    }

    fn is_due(&self, steps: u64) -> bool {
        steps.is_multiple_of(self.check_every.max(1))
    }
}

impl<M: Machine> fmt::Debug for Campaign<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign")
            .field("faults", &self.faults)
            .field("nodes", &self.nodes)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
