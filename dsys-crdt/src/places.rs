//! Which character stands where, and whose it is.
#![allow(clippy::indexing_slicing)] // Indexes come from binary searches in the same vectors.

use std::ops::Range;

use crate::agent::Agent;
use crate::edit::Side;
use crate::encoding::DecodeError;
use crate::history::History;
use crate::text::Text;
use crate::walk::{self, Characters};

/// A place in a text that stays with a character, whatever is edited around it, here and on every other replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Anchor {
    /// Before everything that is ever written.
    Start,
    /// Behind everything that is ever written.
    End,
    /// Beside a character; where that is deleted, where it stood.
    Beside {
        /// Who inserted the character.
        agent: Agent,
        /// The number of the event that did, among the agent's.
        seq: u32,
        /// The side of the *anchor* on which the character is.
        side: Side,
    },
}

/// All characters of a text, deleted ones too, in order: made by [`Text::places`] for the version at that time.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    text: &'a Text,
    history: std::borrow::Cow<'a, History>,
    /// In order, each with the number of visible characters before it.
    order: Vec<(Characters, u32)>,
    /// Indexes of `order` by event, and those of visible characters.
    by_event: Vec<u32>,
    shown: Vec<u32>,
    /// By event, the character that it deletes.
    targets: Vec<u32>,
}

impl Text {
    /// Finds out which character stands where, in one walk of the history: milliseconds for a hundred thousand edits. To
    /// keep a cursor in its place while edits come in, [`Edit::shift`](crate::Edit::shift) is cheaper.
    ///
    /// # Errors
    /// As [`Text::read_past`].
    pub fn places(&self) -> Result<Places<'_>, DecodeError> {
        let history = self.whole()?;
        let sequence = walk::sequence(&history)?;
        let mut visible = 0;
        let order: Vec<_> = sequence
            .characters
            .into_iter()
            .map(|each| {
                let before = visible;
                visible += if each.deleted { 0 } else { each.len };
                (each, before)
            })
            .collect();
        let mut by_event: Vec<u32> = (0..order.len() as u32).collect();
        by_event.sort_unstable_by_key(|&at| order[at as usize].0.event);
        let shown = (0..order.len() as u32).filter(|&at| !order[at as usize].0.deleted).collect();
        Ok(Places { text: self, history, order, by_event, shown, targets: sequence.targets })
    }
}

impl Places<'_> {
    /// An anchor at a position, in code points, beside the character on a side of it. Past the end it is the end's.
    pub fn anchor(&self, position: usize, side: Side) -> Anchor {
        let at = match side {
            Side::Left => position.min(self.text.len()).checked_sub(1),
            Side::Right => Some(position).filter(|&at| at < self.text.len()),
        };
        match (at.and_then(|at| self.event_at(at as u32)), side) {
            (Some(event), side) => {
                let (agent, seq) = self.history.agents.id(event);
                Anchor::Beside { agent: self.history.agents.name(agent).clone(), seq, side }
            }
            (None, Side::Left) => Anchor::Start,
            (None, Side::Right) => Anchor::End,
        }
    }

    /// Where an anchor is, in code points. None if it stays with a character that is not known here.
    pub fn position(&self, anchor: &Anchor) -> Option<usize> {
        match anchor {
            Anchor::Start => Some(0),
            Anchor::End => Some(self.text.len()),
            Anchor::Beside { agent, seq, side } => {
                let agent = self.history.agents.find(agent)?;
                let (position, visible) = self.place_of(self.history.agents.local(agent, *seq)?)?;
                Some(position + usize::from(visible && *side == Side::Left))
            }
        }
    }

    /// Who wrote what: ranges of code points that make up the text, each with its author.
    pub fn authors(&self) -> Vec<(Range<usize>, Agent)> {
        let agents = &self.history.agents;
        let mut found: Vec<(Range<usize>, u32)> = Vec::new();
        for (each, before) in self.order.iter().filter(|(each, _)| !each.deleted) {
            let mut at = *before as usize;
            for (run, end) in agents.runs(each.event, each.event + each.len) {
                let to = at + (end - run.start) as usize;
                match found.last_mut().filter(|last| last.1 == run.agent) {
                    Some(last) => last.0.end = to,
                    None => found.push((at..to, run.agent)),
                }
                at = to;
            }
        }
        found.into_iter().map(|(range, agent)| (range, agents.name(agent).clone())).collect()
    }

    /// The event that inserted a visible character.
    pub(crate) fn event_at(&self, position: u32) -> Option<u32> {
        let after = self.shown.partition_point(|&at| self.order[at as usize].1 <= position);
        let (each, before) = self.order[self.shown[after.checked_sub(1)?] as usize];
        (position - before < each.len).then(|| each.event + (position - before))
    }

    /// Where the character that an event inserted stands, or stood, and whether it is visible.
    pub(crate) fn place_of(&self, event: u32) -> Option<(usize, bool)> {
        let (at, offset) = self.rank_of(event)?;
        let (each, before) = self.order[at as usize];
        let offset = if each.deleted { 0 } else { offset };
        Some(((before + offset) as usize, !each.deleted))
    }

    /// The place of an inserted character among all, deleted ones too: greater behind. None if the event deletes.
    pub(crate) fn rank_of(&self, event: u32) -> Option<(u32, u32)> {
        let at = self.by_event.partition_point(|&at| self.order[at as usize].0.event <= event);
        let at = *self.by_event.get(at.checked_sub(1)?)?;
        let each = self.order[at as usize].0;
        (event - each.event < each.len).then(|| (at, event - each.event))
    }

    /// The characters of that rank.
    pub(crate) fn characters(&self, rank: u32) -> Characters {
        self.order[rank as usize].0
    }

    /// The event that inserted what a deletion deletes.
    pub(crate) fn target_of(&self, event: u32) -> Option<u32> {
        self.targets.get(event as usize).copied()
    }

    /// The history, whole.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }
}
