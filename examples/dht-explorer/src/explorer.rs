//! What is being looked at: the nodes, the lookup that is shown, and what was counted.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeId, Rng};
use dsys_dht::{Key, Step};

use crate::args::Options;
use crate::world::{Geometry, Pending, Trace, World};

/// The pace of the animation: so many ticks for so many steps.
const PACES: [(u32, usize); 6] = [(8, 1), (4, 1), (2, 1), (1, 1), (1, 3), (1, 12)];
/// A tick, and how much simulated time passes in it.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Ticks for which a lookup that has ended stays in sight.
const HOLD: u32 = 12;
/// With churn, so many ticks pass between two changes.
const CHURN: u64 = 8;

/// What became of a node in the lookup that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Asked,
    Answered,
    Failed,
}

/// The lookup that is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) trace: Trace,
    /// So many steps of it are seen.
    pub(crate) steps: usize,
    hold: u32,
    /// Who was responsible for the key when it ended.
    pub(crate) nearest: Option<NodeId>,
    pub(crate) outcome: Outcome,
}

/// How a lookup ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// The nearest node that answered.
    pub(crate) found: Option<NodeId>,
    pub(crate) hops: u32,
    pub(crate) asked: usize,
    pub(crate) failed: usize,
}

impl Outcome {
    fn of(trace: &Trace, geometry: Geometry) -> Outcome {
        let mut hops = BTreeMap::new();
        let mut outcome = Outcome::default();
        for (peer, step) in &trace.steps {
            match step {
                Step::Asked { hop, .. } => {
                    outcome.asked += 1;
                    hops.insert(*peer, *hop);
                }
                Step::Failed => outcome.failed += 1,
                Step::Answered { .. } => {
                    let distance = |node| geometry.distance(node, trace.key);
                    if outcome.found.is_none_or(|found| distance(*peer) < distance(found)) {
                        outcome.found = Some(*peer);
                    }
                }
                _ => {}
            }
        }
        outcome.hops = outcome.found.and_then(|found| hops.get(&found).copied()).unwrap_or(0);
        outcome
    }
}

impl Shown {
    /// What each node is in the steps that are seen, and its hop.
    pub(crate) fn marks(&self) -> BTreeMap<NodeId, (Mark, u32)> {
        let mut marks = BTreeMap::new();
        for (peer, step) in self.trace.steps.iter().take(self.steps) {
            match step {
                Step::Asked { hop, .. } => {
                    marks.insert(*peer, (Mark::Asked, *hop));
                }
                Step::Answered { .. } => set(&mut marks, *peer, Mark::Answered),
                Step::Failed => set(&mut marks, *peer, Mark::Failed),
                _ => {}
            }
        }
        marks
    }

    pub(crate) fn is_over(&self) -> bool {
        self.steps >= self.trace.steps.len()
    }
}

fn set(marks: &mut BTreeMap<NodeId, (Mark, u32)>, peer: NodeId, mark: Mark) {
    if let Some((known, _)) = marks.get_mut(&peer) {
        *known = mark;
    }
}

#[derive(Debug)]
pub(crate) struct Explorer {
    pub(crate) options: Options,
    world: World,
    rng: Rng,
    pub(crate) shown: Option<Shown>,
    pending: Option<Pending>,
    /// Lookups by their hops.
    pub(crate) hops: BTreeMap<u32, u64>,
    /// Lookups that found who was responsible.
    pub(crate) right: u64,
    pub(crate) churns: bool,
    pub(crate) paused: bool,
    pub(crate) note: String,
    pace: usize,
    ticks: u64,
}

impl Explorer {
    pub(crate) async fn new(options: Options) -> Result<Self, String> {
        Ok(Explorer {
            options,
            world: World::new(&options).await?,
            rng: Rng::from_seed(options.seed ^ 0x5eed),
            shown: None,
            pending: None,
            hops: BTreeMap::new(),
            right: 0,
            churns: false,
            paused: false,
            note: String::new(),
            pace: 2,
            ticks: 0,
        })
    }

    /// Who is up, in the order of their places.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let mut nodes = self.world.nodes();
        nodes.sort_unstable();
        nodes
    }

    pub(crate) fn lookups(&self) -> u64 {
        self.hops.values().sum()
    }

    pub(crate) fn mean_hops(&self) -> Option<f64> {
        let sum: f64 = self.hops.iter().map(|(hops, count)| f64::from(*hops) * *count as f64).sum();
        (self.lookups() > 0).then(|| sum / self.lookups() as f64)
    }

    /// A tick: time passes, the lookup that is shown goes on, and another begins when it was seen for long enough.
    pub(crate) async fn tick(&mut self) {
        self.ticks += 1;
        self.world.advance(TICK);
        if self.churns && self.ticks.is_multiple_of(CHURN) {
            self.churn().await;
        }
        if let Some(pending) = self.pending.take() {
            match pending.poll() {
                Ok(trace) => self.show(trace),
                Err(pending) => self.pending = pending,
            }
        }
        let (ticks, steps) = PACES.get(self.pace).copied().unwrap_or((1, 1));
        let Some(shown) = &mut self.shown else {
            if !self.paused {
                self.look_up();
            }
            return;
        };
        if shown.is_over() {
            shown.hold = shown.hold.saturating_sub(1);
            if shown.hold == 0 && !self.paused && self.pending.is_none() {
                self.look_up();
            }
        } else if self.ticks.is_multiple_of(u64::from(ticks)) {
            shown.steps = (shown.steps + steps).min(shown.trace.steps.len());
        }
    }

    /// Begins the lookup of a random key by a random node.
    pub(crate) fn look_up(&mut self) {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        let nodes = self.nodes();
        let Some(from) = self.rng.choose(&nodes).copied() else { return };
        self.pending = self.world.look_up(from, Key::from_bytes(bytes));
    }

    /// Runs a lookup to its end and counts it.
    pub(crate) async fn finish_lookup(&mut self) -> Option<Outcome> {
        self.look_up();
        while let Some(pending) = self.pending.take() {
            match pending.poll() {
                Ok(trace) => {
                    self.show(trace);
                    return self.shown.as_ref().map(|shown| shown.outcome);
                }
                Err(pending) => self.pending = pending,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    fn show(&mut self, trace: Trace) {
        let geometry = self.options.geometry;
        let others = self.world.nodes().into_iter().filter(|node| *node != trace.from);
        let nearest = others.min_by_key(|node| geometry.distance(*node, trace.key));
        let outcome = Outcome::of(&trace, geometry);
        *self.hops.entry(outcome.hops).or_default() += 1;
        self.right += u64::from(outcome.found.is_some() && outcome.found == nearest);
        self.shown = Some(Shown { trace, steps: 0, hold: HOLD, nearest, outcome });
    }

    async fn churn(&mut self) {
        // Around the number that it began with.
        let more = self.nodes().len() < self.options.nodes;
        if self.rng.chance(if more { 0.7 } else { 0.3 }) { self.add().await } else { self.kill(1) }
    }

    pub(crate) async fn add(&mut self) {
        self.note = match self.world.add(&mut self.rng).await {
            Ok(node) => format!("{} joined", short(node)),
            Err(why) => why,
        };
    }

    /// Kills so many random ones; the last two live.
    pub(crate) fn kill(&mut self, count: usize) {
        let mut nodes = self.nodes();
        self.rng.shuffle(&mut nodes);
        let count = count.min(nodes.len().saturating_sub(2));
        for node in nodes.iter().take(count) {
            self.world.kill(*node);
        }
        self.note = match (count, nodes.first()) {
            (1, Some(node)) => format!("{} died", short(*node)),
            _ => format!("{count} died"),
        };
    }

    /// Lets it rest, so that those who are left find out.
    pub(crate) async fn rest(&mut self, time: Duration) {
        self.world.advance(time);
        if matches!(self.world, World::Real(_)) {
            tokio::time::sleep(time).await;
        }
    }

    pub(crate) fn faster(&mut self) {
        self.pace = (self.pace + 1).min(PACES.len() - 1);
    }

    pub(crate) fn slower(&mut self) {
        self.pace = self.pace.saturating_sub(1);
    }

    /// The same with the other overlay, from the beginning.
    pub(crate) async fn switch(&mut self) -> Result<(), String> {
        let options = Options { geometry: self.options.geometry.other(), ..self.options };
        let pace = self.pace;
        let old = std::mem::replace(self, Explorer::new(options).await?);
        old.end().await;
        self.pace = pace;
        Ok(())
    }

    pub(crate) async fn end(self) {
        self.world.end().await;
    }
}

/// The first bytes of a node's name.
pub(crate) fn short(node: NodeId) -> String {
    Key::of_node(node).to_string().chars().take(6).collect()
}
