//! Cases that need the inside of the crate: traces and oracles are given as events with parents.

mod data;
mod editor;
mod limits;
mod list;
mod list_versions;
mod markdown;
mod merging;
mod oracle;
mod plain;
mod presence;
mod resolved;
mod rich;
mod traces;

use crate::agent::Agent;
use crate::history::{History, Kind, Version};
use crate::rope::Rope;
use crate::text::walked;

/// A history that is given event by event, as if every one had come from somebody else.
#[derive(Clone, Default)]
pub(crate) struct Builder {
    pub(crate) history: History,
    pub(crate) rope: Rope,
    /// The events that `rope` holds, and their heads.
    pub(crate) known: u32,
    pub(crate) heads: Vec<u32>,
}

impl Builder {
    /// Appends edits of one agent, which knew the events `parents` and what is before them; gives the last event.
    pub(crate) fn push(&mut self, agent: &str, parents: &[u32], edits: &[(u32, u32, &str)]) -> u32 {
        let agent = self.history.agents.number(&Agent::new(agent).unwrap());
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        for &(at, deleted, inserted) in edits {
            let chars = inserted.chars().count() as u32;
            let start = self.history.len();
            self.history.agents.push(agent, start, deleted + chars);
            self.history.graph.push(&parents, deleted + chars);
            if deleted > 0 {
                self.history.ops.push_run(Kind::Delete, at, deleted, "");
            }
            if chars > 0 {
                self.history.ops.push_run(Kind::Insert, at, chars, inserted);
            }
            parents = vec![self.history.len() - 1];
        }
        self.history.len() - 1
    }

    /// Brings the text to all events.
    pub(crate) fn catch_up(&mut self) {
        let old = Version { len: self.known, heads: &self.heads };
        walked(&self.history, &self.rope, old).unwrap().make(&self.history, &mut self.rope, None);
        self.known = self.history.len();
        self.heads = self.history.graph.heads().to_vec();
    }

    pub(crate) fn text(&mut self) -> String {
        self.catch_up();
        self.rope.text()
    }
}
