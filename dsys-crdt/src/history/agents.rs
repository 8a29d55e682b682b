//! Which agent made which event.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::run_of;
use crate::agent::{Agent, VersionVector};

#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentRun {
    pub(crate) start: u32,
    pub(crate) agent: u32,
    pub(crate) seq: u32,
}

#[derive(Clone, Debug, Default)]
struct Known {
    events: u32,
    /// How many of them are in the past that is not here.
    past: u32,
    /// Where in `runs` the agent's are, in the order of their `seq`.
    runs: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Agents {
    names: Vec<Agent>,
    numbers: BTreeMap<Agent, u32>,
    known: Vec<Known>,
    runs: Vec<AgentRun>,
    len: u32,
    /// How many events are not here; of those, each run is one, whatever follows it.
    past: u32,
}

/// An event without children in a past that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) lv: u32,
    pub(crate) agent: u32,
    pub(crate) seq: u32,
}

impl Agents {
    /// As [`History::resume`](super::History::resume). The heads are the only events of the past that have identities.
    pub(super) fn resume(agents: Vec<(Agent, u32)>, heads: &[Head], len: u32) -> Agents {
        let mut all = Agents { len, past: len, ..Agents::default() };
        for (name, events) in agents {
            let number = all.number(&name);
            (all.known[number as usize].events, all.known[number as usize].past) = (events, events);
        }
        for &Head { lv: start, agent, seq } in heads {
            all.known[agent as usize].runs.push(all.runs.len() as u32);
            all.runs.push(AgentRun { start, agent, seq });
        }
        all
    }

    /// The number of an agent here, which is given out at the first call.
    pub(crate) fn number(&mut self, agent: &Agent) -> u32 {
        if let Some(&number) = self.numbers.get(agent) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(agent.clone());
        self.known.push(Known::default());
        self.numbers.insert(agent.clone(), number);
        number
    }

    /// The number of an agent that has one.
    pub(crate) fn find(&self, agent: &Agent) -> Option<u32> {
        self.numbers.get(agent).copied()
    }

    pub(crate) fn name(&self, number: u32) -> &Agent {
        &self.names[number as usize]
    }

    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// How many events of an agent there are: the `seq` of its next.
    pub(crate) fn events(&self, agent: u32) -> u32 {
        self.known[agent as usize].events
    }

    /// How many of them are in the past that is not here.
    pub(crate) fn past(&self, agent: u32) -> u32 {
        self.known[agent as usize].past
    }

    pub(crate) fn push(&mut self, agent: u32, start: u32, events: u32) {
        let known = &mut self.known[agent as usize];
        if self.runs.last().is_none_or(|last| last.agent != agent) {
            known.runs.push(self.runs.len() as u32);
            self.runs.push(AgentRun { start, agent, seq: known.events });
        }
        known.events += events;
        self.len = start + events;
    }

    /// The runs that overlap the events `from..to`, clipped to them, each with its end.
    pub(crate) fn runs(&self, from: u32, to: u32) -> impl Iterator<Item = (AgentRun, u32)> + '_ {
        let first = run_of(&self.runs, from, |run| run.start);
        let clipped = (first..self.runs.len()).map_while(move |at| {
            let mut run = self.runs[at];
            let end = self.end(at).min(to);
            let skip = from.saturating_sub(run.start);
            let within = run.start < to;
            run.start += skip;
            run.seq += skip;
            within.then_some((run, end))
        });
        clipped.filter(|(run, end)| run.start < *end)
    }

    /// The agent of an event and the event's number among the agent's.
    pub(crate) fn id(&self, lv: u32) -> (u32, u32) {
        let run = self.runs[run_of(&self.runs, lv, |run| run.start)];
        (run.agent, run.seq + (lv - run.start))
    }

    /// The event that is an agent's number `seq`.
    pub(crate) fn local(&self, agent: u32, seq: u32) -> Option<u32> {
        let known = self.known.get(agent as usize)?;
        if seq >= known.events {
            return None;
        }
        let at = known.runs.partition_point(|&run| self.runs[run as usize].seq <= seq).checked_sub(1)?;
        let run = self.runs[known.runs[at] as usize];
        // What follows a head of the past is not here, unless it came later, without a gap.
        let here =
            run.start >= self.past || seq == run.seq || (run.start + 1 == self.past && seq >= known.past);
        here.then_some(run.start + (seq - run.seq))
    }

    /// Which of two events of different agents stands first, where the list leaves the choice.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        let ((a, a_seq), (b, b_seq)) = (self.id(a), self.id(b));
        self.name(a).cmp(self.name(b)).then(a_seq.cmp(&b_seq))
    }

    pub(crate) fn version(&self) -> VersionVector {
        let with_events = self.names.iter().zip(&self.known).filter(|(_, known)| known.events > 0);
        VersionVector(with_events.map(|(name, known)| (name.clone(), known.events)).collect())
    }

    /// Whether a version includes all of the past that is not here.
    pub(crate) fn includes_past(&self, version: &VersionVector) -> bool {
        let mut agents = self.names.iter().zip(&self.known);
        agents.all(|(name, known)| known.past == 0 || version.get(name) >= known.past)
    }

    /// The version of the past that is not here.
    pub(crate) fn past_version(&self) -> VersionVector {
        let with_events = self.names.iter().zip(&self.known).filter(|(_, known)| known.past > 0);
        VersionVector(with_events.map(|(name, known)| (name.clone(), known.past)).collect())
    }

    pub(crate) fn truncate(&mut self, len: u32) {
        while let Some(&run) = self.runs.last() {
            let end = self.end(self.runs.len() - 1);
            if end <= len {
                break;
            }
            let known = &mut self.known[run.agent as usize];
            known.events -= end - run.start.max(len);
            if run.start < len {
                break;
            }
            known.runs.pop();
            self.runs.pop();
            self.len = run.start;
        }
        self.len = len.min(self.len);
    }

    fn end(&self, at: usize) -> u32 {
        self.runs.get(at + 1).map_or(self.len, |next| next.start)
    }
}
