//! A text within a document: its history takes its parents from the changes.

use std::collections::BTreeMap;

use super::op::TextEdit;
use crate::change::graph::Graph;
use crate::history::{Kind, Limits, MAX_EVENTS, Version};
use crate::{Agent, Text};

/// A text, and which of its events were the last of each change.
#[derive(Clone, Debug)]
pub(super) struct TextField {
    pub(super) text: Text,
    /// Per line of changes: the places of those that have edited here, and the last event of each.
    edits: BTreeMap<u32, Vec<(u32, u32)>>,
    /// So many events the rope holds,
    shown: u32,
    /// and these of them have no children among them.
    heads: Vec<u32>,
}

impl TextField {
    pub(super) fn new(agent: Agent) -> TextField {
        let mut text = Text::new(agent);
        // What makes sense must not depend on what else comes with it, or replicas would decide differently. Who may write
        // is the policy's business.
        text.history.limits =
            Limits { branches: u32::MAX, events_in_walk: u32::MAX, steps_per_edit: u32::MAX };
        TextField { text, edits: BTreeMap::new(), shown: 0, heads: Vec::new() }
    }

    /// Notes that the last events are a change's, made here, and shown already.
    pub(super) fn note(&mut self, graph: &Graph, change: u32) {
        let (line, at) = graph.place(change);
        let events = self.text.history.len();
        if let Some(last) = events.checked_sub(1).filter(|_| events > self.shown) {
            self.edits.entry(line).or_default().push((at, last));
        }
        self.seen();
    }

    /// Appends a change's edits, to be shown by [`TextField::show`]; none if the history is full.
    pub(super) fn push(
        &mut self,
        graph: &Graph,
        change: u32,
        agent: &Agent,
        edits: &[TextEdit],
    ) -> Option<()> {
        let mut parents = self.version(graph, change);
        let history = &mut self.text.history;
        let agent = history.agents.number(agent);
        for edit in edits {
            let inserted = edit.insert.chars().count();
            let events = inserted.checked_add(edit.delete as usize)?;
            let end = (edit.at as usize).checked_add(inserted)?;
            let fits = end <= MAX_EVENTS as usize && history.has_room(events, edit.insert.len());
            if events == 0 || !fits {
                return None;
            }
            let start = history.len();
            history.agents.push(agent, start, events as u32);
            history.graph.push(&parents, events as u32);
            if edit.delete > 0 {
                history.ops.push_run(Kind::Delete, edit.at, edit.delete, "");
            }
            if inserted > 0 {
                history.ops.push_run(Kind::Insert, edit.at, inserted as u32, &edit.insert);
            }
            parents = vec![history.len() - 1];
        }
        let (line, at) = graph.place(change);
        let own = self.edits.entry(line).or_default();
        let last = history.len().checked_sub(1)?;
        match own.last_mut().filter(|own| own.0 == at) {
            Some(own) => own.1 = last,
            None => own.push((at, last)),
        }
        Some(())
    }

    /// Brings the text to all events; if one of the new edits lies outside the text that its author saw, the new ones are
    /// forgotten, and there is nothing.
    pub(super) fn show(&mut self) -> Option<()> {
        let before = Version { len: self.shown, heads: &self.heads };
        if crate::text::catch_up(&self.text.history, &mut self.text.rope, before, None).is_err() {
            self.forget();
            return None;
        }
        self.seen();
        Some(())
    }

    /// The rope holds all events.
    fn seen(&mut self) {
        self.shown = self.text.history.len();
        self.heads.clear();
        self.heads.extend_from_slice(self.text.history.graph.heads());
    }

    /// Forgets what was pushed and not shown.
    pub(super) fn forget(&mut self) {
        self.text.history.truncate(Version { len: self.shown, heads: &self.heads });
        for edits in self.edits.values_mut() {
            // A change is pushed and shown as a whole.
            edits.retain(|(_, last)| *last < self.shown);
        }
    }

    /// The last events that a change has seen here, or made itself before: the text's version at the change.
    fn version(&self, graph: &Graph, change: u32) -> Vec<u32> {
        let (own_line, own_at) = graph.place(change);
        let own = self.edits.get(&own_line).and_then(|edits| edits.last());
        if let Some((_, last)) = own.filter(|(at, _)| *at == own_at) {
            return vec![*last];
        }
        let sight = graph.sight(graph.parents(change));
        let seen = self.edits.iter().filter_map(|(&line, edits)| {
            let behind = edits.partition_point(|(at, _)| *at < sight.count(line));
            behind.checked_sub(1).and_then(|last| edits.get(last)).map(|(at, last)| (line, *at, *last))
        });
        let seen: Vec<(u32, u32, u32)> = seen.collect();
        // Without those that another of them has seen.
        let newest = seen.iter().filter(|(line, at, _)| {
            !seen.iter().any(|(other_line, other_at, _)| {
                other_line != line && graph.has_seen_place((*other_line, *other_at), (*line, *at))
            })
        });
        let mut events: Vec<u32> = newest.map(|(_, _, last)| *last).collect();
        events.sort_unstable();
        events
    }
}
