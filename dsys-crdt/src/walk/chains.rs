//! Versions of a history in which few agents write, each in one line: numbers that are compared, instead of a graph.
#![allow(clippy::indexing_slicing)] // Parents and characters are compared with the number of events before; agents with `AGENTS`.

/// So many agents at most.
pub(crate) const AGENTS: usize = 8;

/// A version: of each agent, so many events.
pub(crate) type Known = [u32; AGENTS];

/// Events in a row, each of which has the one before it as its only parent, by one agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) agent: usize,
    /// The first one's number among the agent's.
    pub(crate) seq: u32,
    /// What the agent knew.
    pub(crate) known: Known,
}

impl Turn {
    /// What the agent knew after it.
    pub(crate) fn after(&self) -> Known {
        let mut known = self.known;
        known[self.agent] = self.seq + (self.end - self.start);
        known
    }
}

/// The turns of a history in which every event of an agent follows all earlier ones of the agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chains {
    turns: Vec<Turn>,
    /// The turn of each event.
    turn_of: Vec<u32>,
    events: Known,
    /// What is known to somebody else than its author.
    heard: Known,
}

impl Chains {
    /// Appends a turn. None if it is of too many agents, does not follow what its agent did before, or has a parent that is
    /// not there.
    pub(crate) fn push(&mut self, agent: usize, len: u32, parents: impl Iterator<Item = u32>) -> Option<()> {
        let start = self.len();
        let mut known = [0; AGENTS];
        for parent in parents {
            let turn = &self.turns[*self.turn_of.get(parent as usize)? as usize];
            known = std::array::from_fn(|at| known[at].max(turn.known[at]));
            known[turn.agent] = known[turn.agent].max(turn.seq + (parent - turn.start) + 1);
        }
        let seq = *self.events.get(agent)?;
        if known[agent] != seq {
            return None;
        }
        let end = start.checked_add(len)?;
        let own = self.heard[agent];
        self.heard = std::array::from_fn(|at| self.heard[at].max(known[at]));
        self.heard[agent] = own;
        self.events[agent] += len;
        self.turn_of.resize(end as usize, self.turns.len() as u32);
        self.turns.push(Turn { start, end, agent, seq, known });
        Some(())
    }

    pub(crate) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    pub(crate) fn len(&self) -> u32 {
        self.turn_of.len() as u32
    }

    /// How many events each agent has.
    pub(crate) fn events(&self) -> Known {
        self.events
    }

    /// The agents, with their last events, of whom nobody has followed the last, in the order of those.
    pub(crate) fn heads(&self) -> Vec<(u32, usize)> {
        let last = |agent| self.turns.iter().rev().find(|turn| turn.agent == agent).map(|turn| turn.end - 1);
        let mut heads: Vec<_> = (0..AGENTS)
            .filter(|&agent| self.heard[agent] < self.events[agent])
            .filter_map(|agent| Some((last(agent)?, agent)))
            .collect();
        heads.sort_unstable();
        heads
    }

    /// Whether a version includes an event.
    #[inline]
    pub(crate) fn includes(&self, known: &Known, event: u32) -> bool {
        let turn = &self.turns[self.turn_of[event as usize] as usize];
        turn.seq + (event - turn.start) < known[turn.agent]
    }

    /// The turns of each agent.
    pub(crate) fn by_agent(&self) -> [Vec<u32>; AGENTS] {
        let mut all: [Vec<u32>; AGENTS] = Default::default();
        for (at, turn) in self.turns.iter().enumerate() {
            all[turn.agent].push(at as u32);
        }
        all
    }
}

/// How many events are in one version and not in the other.
pub(crate) fn difference(a: &Known, b: &Known) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
}

/// How many events a version includes.
pub(crate) fn size(known: &Known) -> u64 {
    known.iter().map(|&events| u64::from(events)).sum()
}
