//! A text within a document: its history takes its parents from the changes.

use serde::{Deserialize, Serialize};

use super::events::{Events, SavedEvents};
use super::op::TextEdit;
use crate::change::graph::Graph;
use crate::history::{Kind, Limits, MAX_EVENTS, Version};
use crate::text::{Walked, walked};
use crate::walk::Refused;
use crate::{Agent, Anchor, RichText, Text};

/// A text with its marks, and which change made which of its events.
#[derive(Clone, Debug)]
pub(super) struct TextField {
    pub(super) rich: RichText,
    events: Events,
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
            events: Events::default(),
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
        let events = self.text().history.len();
        if let Some(last) = events.checked_sub(1).filter(|_| events > self.shown) {
            self.events.note(graph, change, last);
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
        let mut parents = self.events.version(graph, change);
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
        self.events.note(graph, change, history.len().checked_sub(1)?);
        Some(())
    }

    /// The new edits, of which each lies within the text that its author saw; else there is nothing.
    pub(super) fn walk(&mut self) -> Option<Walked> {
        match self.walked() {
            Err(Refused::Past) => {
                self.read_past();
                self.walked().ok()
            }
            walked => walked.ok(),
        }
    }

    fn walked(&self) -> Result<Walked, Refused> {
        let text = self.text();
        walked(&text.history, &text.rope, Version { len: self.shown, heads: &self.heads })
    }

    /// Makes what [`TextField::walk`] gave.
    pub(super) fn show(&mut self, walked: Walked) {
        let text = self.rich.text_mut();
        walked.make(&text.history, &mut text.rope, Some(&mut self.told));
        self.seen();
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
        self.events.truncate(self.shown);
    }
}

/// The characters of a text by the changes that inserted them.
impl TextField {
    /// The change of an event, and its number among the change's events here; none for one that was made here and is not a
    /// change's yet: then its number among those.
    pub(super) fn owner(&self, graph: &Graph, event: u32) -> (Option<u32>, u32) {
        if event >= self.shown {
            return (None, event - self.shown);
        }
        self.events.owner(graph, event).map(|(change, at)| (Some(change), at)).unwrap_or_default()
    }

    /// The event of that number among those of a change.
    pub(super) fn event(&self, graph: &Graph, change: u32, number: u32) -> Option<u32> {
        self.events.event(graph, change, number)
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

/// A text as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedText {
    agent: Agent,
    file: Vec<u8>,
    marks: Vec<u8>,
    events: SavedEvents,
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
        let (agent, marks) = (text.agent().clone(), self.rich.save_marks());
        Some(SavedText { agent, file, marks, events: self.events.save() })
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
        field.events = self.events.load();
        field.seen();
        Some(field)
    }
}
