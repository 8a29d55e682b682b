//! Which events of a text's or a list's history belong to which change: there they take their parents from, and so they are
//! named in other changes, for the agents of a history get other names when a fork is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::graph::Graph;

/// Per line of changes: the places of those that have edited here, and the last event of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(BTreeMap<u32, Vec<(u32, u32)>>);

impl Events {
    /// The last events that a change has seen here, or made itself before: the version at the change.
    pub(super) fn version(&self, graph: &Graph, change: u32) -> Vec<u32> {
        let (own_line, own_at) = graph.place(change);
        let own = self.0.get(&own_line).and_then(|edits| edits.last());
        if let Some((_, last)) = own.filter(|(at, _)| *at == own_at) {
            return vec![*last];
        }
        let sight = graph.sight(graph.parents(change));
        let seen = self.0.iter().filter_map(|(&line, edits)| {
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

    /// Notes that an event is the last of a change.
    pub(super) fn note(&mut self, graph: &Graph, change: u32, last: u32) {
        let (line, at) = graph.place(change);
        let own = self.0.entry(line).or_default();
        match own.last_mut().filter(|own| own.0 == at) {
            Some(own) => own.1 = last,
            None => own.push((at, last)),
        }
    }

    /// Forgets changes with events from a number on. A change is taken back as a whole.
    pub(super) fn truncate(&mut self, events: u32) {
        self.0.values_mut().for_each(|edits| edits.retain(|(_, last)| *last < events));
    }

    /// The change of an event that one has made, and its number among the change's events here.
    pub(super) fn owner(&self, graph: &Graph, event: u32) -> Option<(u32, u32)> {
        let after = self.0.iter().filter_map(|(&line, edits)| {
            let at = edits.partition_point(|(_, last)| *last < event);
            edits.get(at).map(|(at, last)| (*last, line, *at))
        });
        let (last, line, at) = after.min()?;
        Some((graph.change_at(line, at)?, event - self.first(last)))
    }

    /// The event of that number among those of a change.
    pub(super) fn event(&self, graph: &Graph, change: u32, number: u32) -> Option<u32> {
        let (line, at) = graph.place(change);
        let edits = self.0.get(&line)?;
        let (_, last) = edits.get(edits.binary_search_by_key(&at, |(at, _)| *at).ok()?)?;
        self.first(*last).checked_add(number).filter(|event| event <= last)
    }

    /// The first of the events in a row of which this is the last.
    fn first(&self, last: u32) -> u32 {
        let before = self.0.values().filter_map(|edits| {
            let at = edits.partition_point(|(_, other)| *other < last);
            at.checked_sub(1).and_then(|at| edits.get(at)).map(|(_, other)| other + 1)
        });
        before.max().unwrap_or(0)
    }

    /// As they are kept: for each line, the distances of the places and of the events from each other.
    pub(super) fn save(&self) -> SavedEvents {
        let line = |(&line, edits): (&u32, &Vec<(u32, u32)>)| {
            let before = std::iter::once((0, 0)).chain(edits.iter().copied());
            let distances = edits.iter().zip(before);
            (line, distances.map(|(it, before)| (it.0 - before.0, it.1.wrapping_sub(before.1))).collect())
        };
        SavedEvents(self.0.iter().map(line).collect())
    }
}

/// See [`Events::save`].
#[derive(Serialize, Deserialize)]
pub(super) struct SavedEvents(Vec<(u32, Vec<(u32, u32)>)>);

impl SavedEvents {
    pub(super) fn load(self) -> Events {
        let line = |(line, distances): (u32, Vec<(u32, u32)>)| {
            let mut last = (0u32, 0u32);
            let sum = |(at, event): (u32, u32)| {
                last = (last.0.wrapping_add(at), last.1.wrapping_add(event));
                last
            };
            (line, distances.into_iter().map(sum).collect())
        };
        Events(self.0.into_iter().map(line).collect())
    }
}
