//! A rich text that is a field of a document: its marks are operations of changes, which say when they were made.

use std::ops::Range;

use super::marks::Mark;
use super::{Expand, RichText};
use crate::agent::Agent;
use crate::encoding::DecodeError;
use crate::places::Anchor;

/// What a mark says, without when it was made and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Marking {
    pub(crate) start: Anchor,
    pub(crate) end: Anchor,
    pub(crate) expand: Expand,
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

impl RichText {
    /// How many marks there are, those that take values away too.
    pub(crate) fn marks_made(&self) -> usize {
        self.marks.all.len()
    }

    /// The marks from a place among all on.
    pub(crate) fn markings(&self, from: usize) -> Vec<Marking> {
        let marking = |mark: &Mark| Marking {
            start: mark.start.clone(),
            end: mark.end.clone(),
            expand: mark.expand,
            key: mark.key.clone(),
            value: mark.value.clone(),
        };
        self.marks.all.iter().skip(from).map(marking).collect()
    }

    /// Says when a mark was made here.
    pub(crate) fn date(&mut self, at: usize, time: u32) {
        if let Some(mark) = self.marks.all.get_mut(at) {
            mark.time = time;
        }
    }

    /// Appends a mark of somebody.
    pub(crate) fn append_mark(&mut self, agent: Agent, time: u32, marking: Marking) {
        let Marking { start, end, expand, key, value } = marking;
        let seq = self.marks.known(&agent);
        self.marks.push(Mark { time, agent, seq, start, end, expand, key, value });
    }

    /// Where the marks from a place among all on lie in the text as it is now.
    ///
    /// # Errors
    /// As [`Text::places`](crate::Text::places).
    pub(crate) fn marked_since(&mut self, from: usize) -> Result<Vec<Range<usize>>, DecodeError> {
        if from >= self.marks.all.len() {
            return Ok(Vec::new());
        }
        let places = self.text.places()?;
        Ok((from..self.marks.all.len()).filter_map(|at| self.marks.range(at, &places)).collect())
    }

    /// The marks as bytes; none if there are none.
    pub(crate) fn save_marks(&self) -> Vec<u8> {
        if self.marks.all.is_empty() { Vec::new() } else { super::encoding::write(&[], &self.marks.all) }
    }

    /// Takes back what [`RichText::save_marks`] gave.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn load_marks(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if !bytes.is_empty() {
            let (_, marks) = super::encoding::read(bytes, u32::MAX)?;
            marks.into_iter().for_each(|mark| self.marks.push(mark));
        }
        Ok(())
    }
}
