//! Which events an event's author knew.

use super::run_of;

#[derive(Clone, Copy, Debug)]
struct GraphRun {
    start: u32,
    /// Where in `pool` the parents of the first event are; they end where the next run's begin.
    parents: u32,
}

/// What is known before a number of events: they, and which of them have no children there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) len: u32,
    pub(crate) heads: &'a [u32],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    runs: Vec<GraphRun>,
    pool: Vec<u32>,
    /// The events without children, in ascending order.
    heads: Vec<u32>,
    len: u32,
    /// The events without children in the past that is not here, and how many events that has.
    past_heads: Vec<u32>,
    past: u32,
}

impl Graph {
    /// As [`History::resume`](super::History::resume).
    pub(super) fn resume(heads: Vec<u32>, len: u32) -> Graph {
        Graph { heads: heads.clone(), len, past_heads: heads, past: len, ..Graph::default() }
    }

    /// The events that are not here.
    pub(crate) fn past(&self) -> Version<'_> {
        Version { len: self.past, heads: &self.past_heads }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn heads(&self) -> &[u32] {
        &self.heads
    }

    pub(crate) fn count(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn run_of(&self, lv: u32) -> usize {
        run_of(&self.runs, lv, |run| run.start)
    }

    pub(crate) fn start(&self, run: usize) -> u32 {
        self.runs[run].start
    }

    pub(crate) fn end(&self, run: usize) -> u32 {
        self.runs.get(run + 1).map_or(self.len, |next| next.start)
    }

    /// The parents of a run's first event, in ascending order.
    pub(crate) fn parents(&self, run: usize) -> &[u32] {
        let end = self.runs.get(run + 1).map_or(self.pool.len(), |next| next.parents as usize);
        &self.pool[self.runs[run].parents as usize..end]
    }

    /// Appends events that follow all that is known.
    pub(crate) fn push_at_heads(&mut self, events: u32) {
        if self.heads.len() == 1 && self.heads[0] + 1 == self.len && !self.runs.is_empty() {
            self.len += events;
            self.heads[0] = self.len - 1;
            return;
        }
        let parents = std::mem::take(&mut self.heads);
        self.push(&parents, events);
    }

    /// Appends events of which the first has these parents, given in ascending order, and each other its predecessor.
    pub(crate) fn push(&mut self, parents: &[u32], events: u32) {
        if self.runs.is_empty() || *parents != [self.len - 1] {
            self.runs.push(GraphRun { start: self.len, parents: self.pool.len() as u32 });
            self.pool.extend_from_slice(parents);
        }
        for parent in parents {
            if let Ok(at) = self.heads.binary_search(parent) {
                self.heads.remove(at);
            }
        }
        self.len += events;
        self.heads.push(self.len - 1);
    }

    /// Forgets the events from number `len` on; the heads before it are given back.
    pub(crate) fn truncate(&mut self, version: Version<'_>) {
        while let Some(&run) = self.runs.last()
            && run.start >= version.len
        {
            self.pool.truncate(run.parents as usize);
            self.runs.pop();
        }
        self.len = version.len;
        self.heads = version.heads.to_vec();
    }
}
