//! A text within a document: its history takes its parents from the changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::op::TextEdit;
use crate::change::graph::Graph;
use crate::history::{Kind, Limits, MAX_EVENTS, Version};
use crate::walk::Refused;
use crate::{Agent, Anchor, RichText, Text};

/// A text with its marks, and which of its events were the last of each change.
#[derive(Clone, Debug)]
pub(super) struct TextField {
    pub(super) rich: RichText,
    /// Per line of changes: the places of those that have edited here, and the last event of each.
    edits: BTreeMap<u32, Vec<(u32, u32)>>,
    /// So many events the rope holds,
    shown: u32,
    /// and these of them have no children among them.
    heads: Vec<u32>,
    /// The file that the text was opened from could not be read: the text is to be built again.
    pub(super) broken: bool,
    /// The edits that nobody was told of yet,
    pub(super) told: Vec<crate::Edit>,
    /// and how many of the marks were told of.
    pub(super) marks_told: usize,
}

impl TextField {
    pub(super) fn new(agent: Agent) -> TextField {
        let mut text = Text::new(agent);
        // What makes sense must not depend on what else comes with it, or replicas would decide differently. Who may write
        // is the policy's business.
        text.history.limits =
            Limits { branches: u32::MAX, events_in_walk: u32::MAX, steps_per_edit: u32::MAX };
        TextField {
            rich: RichText::of(text),
            edits: BTreeMap::new(),
            shown: 0,
            heads: Vec::new(),
            broken: false,
            told: Vec::new(),
            marks_told: 0,
        }
    }

    /// Nobody is told of what was done up to now.
    pub(super) fn tell_nobody(&mut self) {
        self.told = Vec::new();
        self.marks_told = self.rich.marks_made();
    }

    pub(super) fn text(&self) -> &Text {
        self.rich.text()
    }

    /// Notes that the last events are a change's, made here, and shown already.
    pub(super) fn note(&mut self, graph: &Graph, change: u32) {
        let (line, at) = graph.place(change);
        let events = self.text().history.len();
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
        self.reach(&parents)?;
        let history = &mut self.rich.text_mut().history;
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
        let mut shown = self.catch_up();
        if matches!(shown, Err(Refused::Past)) {
            self.read_past();
            shown = self.catch_up();
        }
        if shown.is_err() {
            self.forget();
            return None;
        }
        self.seen();
        Some(())
    }

    fn catch_up(&mut self) -> Result<(), Refused> {
        let before = Version { len: self.shown, heads: &self.heads };
        let (text, known) = (self.rich.text_mut(), self.told.len());
        let shown = crate::text::catch_up(&text.history, &mut text.rope, before, Some(&mut self.told));
        if shown.is_err() {
            self.told.truncate(known);
        }
        shown
    }

    /// Reads the past of a text that was opened from a file, if one of these events stands in it and is no head there.
    fn reach(&mut self, events: &[u32]) -> Option<()> {
        let past = self.text().history.graph.past();
        let inside = |event: &u32| *event < past.len && !past.heads.contains(event);
        if events.iter().any(inside) {
            self.read_past();
        }
        (!self.broken).then_some(())
    }

    fn read_past(&mut self) {
        // The file's checksum was right when it was opened.
        self.broken |= self.rich.text_mut().read_past().is_err();
    }

    /// The rope holds all events.
    fn seen(&mut self) {
        let history = &self.rich.text().history;
        self.shown = history.len();
        self.heads.clear();
        self.heads.extend_from_slice(history.graph.heads());
    }

    /// Forgets what was pushed and not shown.
    pub(super) fn forget(&mut self) {
        let version = Version { len: self.shown, heads: &self.heads };
        self.rich.text_mut().history.truncate(version);
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

/// The characters of a text by the changes that inserted them: so they are named in other changes, for the agents of a text
/// get other names when a fork is found.
impl TextField {
    /// The change of an event, and its number among the change's events here; none for one that was made here and is not a
    /// change's yet: then its number among those.
    pub(super) fn owner(&self, graph: &Graph, event: u32) -> (Option<u32>, u32) {
        if event >= self.shown {
            return (None, event - self.shown);
        }
        let after = self.edits.iter().filter_map(|(&line, edits)| {
            let at = edits.partition_point(|(_, last)| *last < event);
            edits.get(at).map(|(at, last)| (*last, line, *at))
        });
        let owner = after.min().map(|(last, line, at)| (graph.change_at(line, at), event - self.first(last)));
        owner.unwrap_or_default()
    }

    /// The event of that number among those of a change.
    pub(super) fn event(&self, graph: &Graph, change: u32, number: u32) -> Option<u32> {
        let (line, at) = graph.place(change);
        let edits = self.edits.get(&line)?;
        let (_, last) = edits.get(edits.binary_search_by_key(&at, |(at, _)| *at).ok()?)?;
        self.first(*last).checked_add(number).filter(|event| event <= last)
    }

    /// The first of the events in a row of which this is the last.
    fn first(&self, last: u32) -> u32 {
        let before = self.edits.values().filter_map(|edits| {
            let at = edits.partition_point(|(_, other)| *other < last);
            at.checked_sub(1).and_then(|at| edits.get(at)).map(|(_, other)| other + 1)
        });
        before.max().unwrap_or(0)
    }

    /// The event that inserted the character that an anchor is beside.
    pub(super) fn event_beside(&self, anchor: &Anchor) -> Option<u32> {
        let Anchor::Beside { agent, seq, .. } = anchor else { return None };
        let agents = &self.text().history.agents;
        agents.local(agents.find(agent)?, *seq)
    }

    /// The event as an anchor names its character; none if it deletes, or stands in the past that cannot be read.
    pub(super) fn character(&mut self, event: u32) -> Option<(Agent, u32)> {
        self.reach_inside(event)?;
        let history = &self.rich.text().history;
        history.ops.slices(event, event + 1).next().filter(|op| op.inserts())?;
        let (agent, seq) = history.agents.id(event);
        Some((history.agents.name(agent).clone(), seq))
    }

    fn reach_inside(&mut self, event: u32) -> Option<()> {
        if event < self.text().history.graph.past().len {
            self.read_past();
        }
        (!self.broken).then_some(())
    }
}

/// A text as it is kept: its file, and for each line of changes the distances of those that edited from each other, and of
/// their last events.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedText {
    agent: Agent,
    file: Vec<u8>,
    marks: Vec<u8>,
    edits: Vec<(u32, Vec<(u32, u32)>)>,
}

impl TextField {
    /// None if the file that the text was opened from cannot be read.
    pub(super) fn save(&self) -> Option<SavedText> {
        let text = self.text();
        let unchanged = text.past.as_deref().filter(|_| text.history.graph.past().len == text.history.len());
        let file = match unchanged {
            Some(file) => file.to_vec(),
            None => text.save().ok()?,
        };
        let line = |(&line, edits): (&u32, &Vec<(u32, u32)>)| {
            let before = std::iter::once((0, 0)).chain(edits.iter().copied());
            let distances = edits.iter().zip(before);
            (line, distances.map(|(it, before)| (it.0 - before.0, it.1.wrapping_sub(before.1))).collect())
        };
        let (agent, marks) = (text.agent().clone(), self.rich.save_marks());
        Some(SavedText { agent, file, marks, edits: self.edits.iter().map(line).collect() })
    }
}

impl SavedText {
    /// None if the file is damaged.
    pub(super) fn load(self) -> Option<TextField> {
        let mut field = TextField::new(self.agent.clone());
        let limits = field.text().limits();
        let mut text = Text::load(&self.file, self.agent).ok()?;
        text.set_limits(limits);
        field.rich = RichText::of(text);
        field.rich.load_marks(&self.marks).ok()?;
        field.marks_told = field.rich.marks_made();
        for (line, distances) in self.edits {
            let mut last = (0u32, 0u32);
            let sum = |(at, event): (u32, u32)| {
                last = (last.0.wrapping_add(at), last.1.wrapping_add(event));
                last
            };
            field.edits.insert(line, distances.into_iter().map(sum).collect());
        }
        field.seen();
        Some(field)
    }
}
