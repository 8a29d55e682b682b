//! Which character stands where, and whose it is.

use std::cmp::Ordering;
use std::ops::Range;

use crate::agent::Agent;
use crate::edit::Side;
use crate::encoding::DecodeError;
use crate::history::History;
use crate::text::Text;
use crate::walk::{self, Sequence};

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

/// Which character stands where, at the present version: made by [`Text::places`].
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    text: &'a Text,
    sequence: &'a Sequence,
}

impl Text {
    /// Which character stands where. The first call walks the history, milliseconds for a hundred thousand edits, and keeps
    /// what it finds: 8 bytes an event, and 20 a run of characters ([`Text::forget_places`]). Later calls look only at what
    /// is new, so that many cursors can be kept in their places at every keystroke. One cursor that need not be exact
    /// beside deleted characters is had cheaper by [`Edit::shift`](crate::Edit::shift).
    ///
    /// # Errors
    /// As [`Text::read_past`], or if the walk exceeds the [`Limits`](crate::Limits).
    pub fn places(&mut self) -> Result<Places<'_>, DecodeError> {
        self.sequence()?;
        let text = &*self;
        let sequence = text.sequence.as_deref().ok_or(DecodeError::Past)?;
        Ok(Places { text, sequence })
    }

    /// Frees the memory that [`Text::places`], [`Text::diff`] and [`Undo`](crate::Undo) keep; they find out again what they
    /// need.
    pub fn forget_places(&mut self) {
        self.sequence = None;
    }

    /// All characters, up to date, and the history that they are of.
    pub(crate) fn sequence(&mut self) -> Result<(&mut Sequence, &History), DecodeError> {
        self.read_past()?;
        let sequence = self.sequence.get_or_insert_default();
        sequence.update(&self.history, &mut walk::Nowhere)?;
        Ok((sequence, &self.history))
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
                let agents = &self.text.history.agents;
                let (agent, seq) = agents.id(event);
                Anchor::Beside { agent: agents.name(agent).clone(), seq, side }
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
            Anchor::Beside { side, .. } => {
                let (position, visible) = self.place_of(self.event_of(anchor)?)?;
                Some(position + usize::from(visible && *side == Side::Left))
            }
        }
    }

    /// Who wrote what: ranges of code points that make up the text, each with its author.
    pub fn authors(&self) -> Vec<(Range<usize>, Agent)> {
        let agents = &self.text.history.agents;
        let mut found: Vec<(Range<usize>, u32)> = Vec::new();
        let mut at = 0;
        for each in self.sequence.characters().into_iter().filter(|each| !each.deleted) {
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
        self.sequence.at(position).map(|characters| characters.event)
    }

    /// Where the character that an event inserted stands, or stood, and whether it is visible; none if the event deletes.
    pub(crate) fn place_of(&self, event: u32) -> Option<(usize, bool)> {
        let inserts = self.text.history.ops.slices(event, event + 1).next()?.inserts();
        let (at, visible) = inserts.then(|| self.sequence.place_of(event))?;
        Some((at as usize, visible))
    }

    /// Whether an anchor is beside a character that is visible.
    pub(crate) fn is_shown(&self, anchor: &Anchor) -> bool {
        self.event_of(anchor).and_then(|event| self.place_of(event)).is_some_and(|place| place.1)
    }

    /// Whether a character, deleted or not, stands between two anchors.
    pub(crate) fn is_between(&self, character: u32, start: &Anchor, end: &Anchor) -> bool {
        let side = |anchor: &Anchor| match anchor {
            Anchor::Start => Some(Ordering::Less),
            Anchor::End => Some(Ordering::Greater),
            Anchor::Beside { side, .. } => {
                let event = self.event_of(anchor)?;
                self.place_of(event)?;
                // In front of its character if that is to its right.
                let beside = if *side == Side::Right { Ordering::Less } else { Ordering::Greater };
                Some(self.sequence.compare(event, character).then(beside))
            }
        };
        side(start) == Some(Ordering::Less) && side(end) == Some(Ordering::Greater)
    }

    /// The event that an anchor is beside.
    fn event_of(&self, anchor: &Anchor) -> Option<u32> {
        let Anchor::Beside { agent, seq, .. } = anchor else { return None };
        let agents = &self.text.history.agents;
        agents.local(agents.find(agent)?, *seq)
    }
}
