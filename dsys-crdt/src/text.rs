//! The replicated text.

use std::ops::Range;
use std::sync::Arc;

use crate::agent::{Agent, VersionVector};
use crate::edit::{Edit, Step, Units};
use crate::history::{History, Limits, MAX_EVENTS, Op, Ops, Version};
use crate::rope::{BYTES, CHARS, Rope, UTF16};
use crate::walk::{self, Sequence, Sink};

/// Text that many agents edit at once, each on a replica of its own, and that merges without conflict.
///
/// Positions count Unicode code points, from 0. All insertions and deletions are kept; the text is at the version that
/// includes everything known. A history has at most 2³¹ - 2 events (characters inserted or deleted), and as many bytes of
/// inserted text.
///
/// Concurrent insertions at one place are not interleaved (Weidner & Kleppmann, "The Art of the Fugue", 2023).
#[derive(Clone, Debug)]
pub struct Text {
    pub(crate) history: History,
    /// The file after whose past the history was resumed.
    pub(crate) past: Option<Arc<[u8]>>,
    pub(crate) rope: Rope,
    pub(crate) agent: u32,
    /// All characters, once somebody has asked where they are.
    pub(crate) sequence: Option<Box<Sequence>>,
}

/// Why an edit was not made. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The position lies past the end.
    #[error(
        "position {position} lies past the end, the length being {length}: take positions from what is there now"
    )]
    OutOfRange {
        /// The position, or the end of the range, that was given.
        position: usize,
        /// The length, in code points or elements.
        length: usize,
    },
    /// The history would have more events or more bytes than it can number.
    #[error("the history is full: begin a new text with the present one as its content")]
    Full,
}

impl Text {
    /// An empty text that `agent` edits here.
    pub fn new(agent: Agent) -> Text {
        let mut history = History::default();
        let agent = history.agents.number(&agent);
        Text { history, past: None, rope: Rope::new(), agent, sequence: None }
    }

    /// The agent to whom edits made here belong.
    pub fn agent(&self) -> &Agent {
        self.history.agents.name(self.agent)
    }

    /// From now on edits made here belong to `agent`.
    pub fn set_agent(&mut self, agent: Agent) {
        self.agent = self.history.agents.number(&agent);
    }

    /// The bounds on what others' changes may cost.
    pub fn limits(&self) -> Limits {
        self.history.limits
    }

    /// Sets other bounds.
    pub fn set_limits(&mut self, limits: Limits) {
        self.history.limits = limits;
    }

    /// Inserts text before the character at `position`, or at the end if that is the length.
    ///
    /// # Errors
    /// If the position lies past the end, or the history is full.
    pub fn insert(&mut self, position: usize, text: &str) -> Result<(), EditError> {
        let length = self.len();
        if position > length {
            return Err(EditError::OutOfRange { position, length });
        }
        if !self.history.has_room(text.len(), text.len()) {
            return Err(EditError::Full);
        }
        let chars = if text.is_ascii() { text.len() } else { text.chars().count() } as u32;
        if chars > 0 {
            self.history.push_local(self.agent, chars);
            self.history.ops.insert(position as u32, text, chars);
            self.rope.insert(position as u32, text);
        }
        Ok(())
    }

    /// Deletes the characters of a range; one that ends before it starts is empty.
    ///
    /// # Errors
    /// If the range ends past the end of the text, or the history is full.
    pub fn delete(&mut self, range: Range<usize>) -> Result<(), EditError> {
        let length = self.len();
        if range.end > length {
            return Err(EditError::OutOfRange { position: range.end, length });
        }
        let count = range.end.saturating_sub(range.start);
        if !self.history.has_room(count, 0) {
            return Err(EditError::Full);
        }
        if count > 0 {
            self.history.push_local(self.agent, count as u32);
            self.history.ops.delete(range.start as u32, count as u32);
            self.rope.delete(range.start as u32, count as u32);
        }
        Ok(())
    }

    /// How many code points there are.
    pub fn len(&self) -> usize {
        self.rope.len(CHARS) as usize
    }

    /// Whether there is no text. There may be a history.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of UTF-8 the text has.
    pub fn len_utf8(&self) -> usize {
        self.rope.len(BYTES) as usize
    }

    /// How many units of UTF-16 the text has, as JavaScript counts them.
    pub fn len_utf16(&self) -> usize {
        self.rope.len(UTF16) as usize
    }

    /// The parts of the text in order, each whole characters.
    pub fn chunks(&self) -> impl Iterator<Item = &str> {
        self.rope.chunks().filter(|chunk| !chunk.is_empty())
    }

    /// The byte of UTF-8 at which the character at `position` begins; past the end, the number of bytes.
    pub fn to_utf8(&self, position: usize) -> usize {
        self.convert(CHARS, BYTES, position)
    }

    /// The character that holds a byte of UTF-8; past the end, the number of characters.
    pub fn from_utf8(&self, byte: usize) -> usize {
        self.convert(BYTES, CHARS, byte)
    }

    /// The unit of UTF-16 at which the character at `position` begins; past the end, the number of units.
    pub fn to_utf16(&self, position: usize) -> usize {
        self.convert(CHARS, UTF16, position)
    }

    /// The character that holds a unit of UTF-16; past the end, the number of characters.
    pub fn from_utf16(&self, unit: usize) -> usize {
        self.convert(UTF16, CHARS, unit)
    }

    /// What is known here: all events that the text includes.
    pub fn version(&self) -> VersionVector {
        self.history.agents.version()
    }

    /// How many events there are: characters inserted and characters deleted, by all agents.
    pub fn events(&self) -> usize {
        self.history.len() as usize
    }

    fn convert(&self, from: usize, to: usize, at: usize) -> usize {
        self.rope.convert(from, to, at.min(MAX_EVENTS as usize) as u32) as usize
    }
}

impl std::fmt::Display for Text {
    /// The text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

/// A rope that is given edits directly.
struct Fresh<'a>(Rope, &'a Ops);

impl Sink for Fresh<'_> {
    fn insert(&mut self, at: u32, op: &Op) {
        self.0.insert(at, self.1.content(op));
    }

    fn delete(&mut self, at: u32, count: u32) {
        self.0.delete(at, count);
    }
}

/// Edits that wait until all of them are known to be in range.
struct Steps(Vec<Step>);

impl Sink for Steps {
    fn insert(&mut self, at: u32, op: &Op) {
        self.0.push(Step::Insert(at, op.content));
    }

    fn delete(&mut self, at: u32, count: u32) {
        self.0.push(Step::Delete(at, count));
    }
}

/// Edits that are known to be in range, of a text that holds a version or, if that is nothing, its content.
#[derive(Debug)]
pub(crate) struct Walked {
    whole: Option<Rope>,
    steps: Vec<Step>,
}

/// What brings a text that holds the version `old` to all of `history`.
pub(crate) fn walked(history: &History, rope: &Rope, old: Version<'_>) -> Result<Walked, walk::Refused> {
    if old.len == 0 {
        let mut fresh = Fresh(Rope::new(), &history.ops);
        walk::walk(history, old, 0, &mut fresh)?;
        return Ok(Walked { whole: Some(fresh.0), steps: Vec::new() });
    }
    let mut steps = Steps(Vec::new());
    walk::walk(history, old, rope.len(CHARS), &mut steps)?;
    Ok(Walked { whole: None, steps: steps.0 })
}

impl Walked {
    /// An empty text becomes this one.
    pub(crate) fn of(whole: Rope) -> Walked {
        Walked { whole: Some(whole), steps: Vec::new() }
    }

    /// Makes the edits, and tells who asks.
    pub(crate) fn make(self, history: &History, rope: &mut Rope, mut told: Option<&mut Vec<Edit>>) {
        if let Some(whole) = self.whole {
            *rope = whole;
            if let Some(told) = told.as_deref_mut().filter(|_| rope.len(CHARS) > 0) {
                told.push(Edit { at: Units::default(), deleted: Units::default(), inserted: rope.text() });
            }
        }
        for step in &self.steps {
            if let Some(told) = told.as_deref_mut() {
                told.push(step.tell(rope, &history.ops));
            }
            step.make(rope, &history.ops);
        }
    }
}
