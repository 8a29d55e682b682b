//! The event graph: every event ever made, run-length encoded in columns.
//!
//! An event inserts or deletes one character. Events are numbered in the order in which this replica came to know them, so
//! that a parent's number is below its children's; these *local* numbers never leave the replica. Three columns share
//! them, each cut into runs of its own:
//!
//! ```text
//! agents   [start, agent, seq]           events that one agent made in a row
//! graph    [start | parents]             events each of which has the one before it as its only parent
//! ops      [start, position, content]    typing forwards, deleting forwards, deleting backwards
//! ```
//!
//! A history that is opened from a file may be *resumed*: its columns then hold only what came after, and of the past it
//! knows how many events each agent made and which are its heads. Whoever needs more reads the file.
//!
//! A run ends where the next begins. An event's position refers to the text as its author saw it, at the event's
//! parents: that is all an event graph stores (Gentle & Kleppmann, "Collaborative Text Editing with Eg-walker", EuroSys
//! 2025, §2). No identity of a neighbour is stored; the walk finds them when it needs them.
#![allow(clippy::indexing_slicing)] // Run numbers come from binary searches here; event numbers are below `len`.

mod agents;
mod content;
mod graph;
mod limits;
mod named;
mod ops;

use crate::agent::Agent;
pub(crate) use agents::{Agents, Head};
pub(crate) use content::Content;
pub(crate) use graph::{Graph, Version};
pub use limits::Limits;
pub(crate) use named::{BEGINNING, Named, NamedRun};
pub(crate) use ops::{Kind, Op, Ops};

/// So many events, and so much content (bytes of inserted text, elements of a list), a history may have: local numbers are 31 bits wide.
pub(crate) const MAX_EVENTS: u32 = (1 << 31) - 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct History<C = String> {
    pub(crate) agents: Agents,
    pub(crate) graph: Graph,
    pub(crate) ops: Ops<C>,
    pub(crate) limits: Limits,
}

impl<C: Content> History<C> {
    /// The history after a past of `len` events, of which each agent made so many; `heads` are its events without children,
    /// in ascending order.
    pub(crate) fn resume(agents: Vec<(Agent, u32)>, heads: &[Head], len: u32) -> Self {
        History {
            agents: Agents::resume(agents, heads, len),
            graph: Graph::resume(heads.iter().map(|head| head.lv).collect(), len),
            ops: Ops::resume(len),
            limits: Limits::default(),
        }
    }

    /// Appends the columns of a history that was resumed after this one.
    pub(crate) fn extend(&mut self, later: &History<C>) {
        let from = self.len();
        for agent in 0..later.agents.count() as u32 {
            self.agents.number(later.agents.name(agent));
        }
        for (run, end) in later.agents.runs(from, later.len()) {
            let agent = self.agents.number(later.agents.name(run.agent));
            self.agents.push(agent, run.start, end - run.start);
        }
        for run in 0..later.graph.count() {
            self.graph.push(later.graph.parents(run), later.graph.end(run) - later.graph.start(run));
        }
        for op in later.ops.slices(from, later.len()) {
            self.ops.push_run(op.kind, op.at, op.len, later.ops.content(&op));
        }
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> u32 {
        self.graph.len()
    }

    /// Whether so many more events, and content of that size, fit.
    pub(crate) fn has_room(&self, events: usize, content: usize) -> bool {
        self.len() as usize + events <= MAX_EVENTS as usize
            && self.ops.content_size() + content <= MAX_EVENTS as usize
    }

    /// Appends an agent's events that follow everything known.
    pub(crate) fn push_local(&mut self, agent: u32, events: u32) {
        self.agents.push(agent, self.graph.len(), events);
        self.graph.push_at_heads(events);
    }

    /// Forgets the events after a version that was the whole. Names of agents stay.
    pub(crate) fn truncate(&mut self, version: Version<'_>) {
        self.agents.truncate(version.len);
        self.graph.truncate(version);
        self.ops.truncate(version.len);
    }
}

/// The index of the run that holds `lv`, among runs that begin at what `start` says.
fn run_of<T>(runs: &[T], lv: u32, start: impl Fn(&T) -> u32) -> usize {
    runs.partition_point(|run| start(run) <= lv).saturating_sub(1)
}
