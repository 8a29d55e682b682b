//! Rich text.

mod encoding;
#[cfg(feature = "keys")]
pub(crate) mod field;
mod markdown;
mod marks;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::agent::{Agent, VersionVector};
use crate::edit::{Edit, Side};
use crate::encoding::DecodeError;
use crate::places::Anchor;
use crate::text::{EditError, Text};
use crate::versions::VersionError;
use marks::{Mark, Marks, Winners};

pub use marks::Expand;
pub use undo::RichUndo;

/// Text with marks: bold, links, comments, whatever an app calls them; that many agents edit and format at once, and that
/// merges as people mean it (Litt, Lim, Kleppmann, van Hardenberg, "Peritext: A CRDT for Collaborative Rich Text Editing",
/// CSCW 2022).
///
/// A mark gives a *key* a value over a stretch of characters, to which it is anchored. Where marks of one key overlap, the
/// later one holds, character by character; marks of different keys do not touch each other. What may overlap itself, such
/// as comments, takes a key for each. Whether text that is typed at an end of a mark belongs to it, [`Expand`] says.
///
/// ```
/// use dsys_crdt::{Agent, Expand, RichText};
///
/// let mut ours = RichText::new(Agent::new("anna")?);
/// ours.insert(0, "The fox jumped.")?;
/// let mut theirs = RichText::load(&ours.save()?, Agent::new("ben")?)?;
/// ours.mark(0..7, "bold", "", Expand::After)?;
/// theirs.mark(4..14, "italic", "", Expand::After)?;
/// ours.apply(&theirs.changes_since(&ours.version())?)?;
/// assert_eq!(ours.to_markdown()?, "**The** <strong><em>fox</em></strong> *jumped*.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RichText {
    text: Text,
    marks: Marks,
    limits: MarkLimits,
}

/// Bounds on marks that others make. Changes that would exceed one are refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MarkLimits {
    /// Marks ever made, those that take values away too. 2²⁰.
    pub marks: u32,
    /// Bytes of a key. 256.
    pub key_bytes: u32,
    /// Bytes of a value. 65,536.
    pub value_bytes: u32,
}

impl Default for MarkLimits {
    fn default() -> Self {
        MarkLimits { marks: 1 << 20, key_bytes: 256, value_bytes: 65_536 }
    }
}

/// Why a mark was not made. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkError {
    /// The range is empty, or ends past the end of the text.
    #[error("there is nothing to mark in that range of a text of {length} characters")]
    OutOfRange {
        /// The length of the text in code points.
        length: usize,
    },
    /// It would exceed the [`MarkLimits`], which others have too.
    #[error("the mark exceeds the limit of that name: {0}")]
    Limit(&'static str),
    /// The history could not be read.
    #[error(transparent)]
    Past(#[from] DecodeError),
}

/// What a replica of a rich text has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RichVersion {
    /// Of the text.
    pub text: VersionVector,
    /// Of the marks: for each agent, how many.
    pub marks: VersionVector,
}

impl RichVersion {
    /// Whether everything in `other` is here too.
    pub fn includes(&self, other: &RichVersion) -> bool {
        self.text.includes(&other.text) && self.marks.includes(&other.marks)
    }
}

/// A stretch of text with the same marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where, in code points.
    pub range: Range<usize>,
    /// The text.
    pub text: String,
    /// The keys that have values, with their values.
    pub marks: BTreeMap<String, String>,
}

/// What others' changes did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RichEdits {
    /// To the text, in order.
    pub edits: Vec<Edit>,
    /// Where, in the text as it is now, marks were made.
    pub marked: Vec<Range<usize>>,
}

impl RichText {
    /// An empty text that `agent` edits here.
    pub fn new(agent: Agent) -> RichText {
        RichText::of(Text::new(agent))
    }

    /// A text as it is, without marks.
    pub fn of(text: Text) -> RichText {
        RichText { text, marks: Marks::default(), limits: MarkLimits::default() }
    }

    /// The text.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The text, for its anchors and limits. What is inserted here directly may come to belong to a mark that ended at a
    /// character that is deleted by now; [`RichText::insert`] sees to that.
    pub fn text_mut(&mut self) -> &mut Text {
        &mut self.text
    }

    /// The bounds on marks.
    pub fn mark_limits(&self) -> MarkLimits {
        self.limits
    }

    /// Sets other bounds.
    pub fn set_mark_limits(&mut self, limits: MarkLimits) {
        self.limits = limits;
    }

    /// As [`Text::insert`]. The text gets, of each key, the latest mark of those that have visible characters on both sides
    /// of it, and of those that end or begin there and expand there. So neither a link grows at its ends nor what a link
    /// was taken from, whatever was deleted there; and a mark whose characters are all deleted gives nothing.
    ///
    /// # Errors
    /// As [`Text::insert`] and [`Text::read_past`].
    pub fn insert(&mut self, position: usize, text: &str) -> Result<(), MarkError> {
        let length = self.text.len();
        let meant = if position <= length { self.meant_at(position)? } else { None };
        self.text.insert(position, text).map_err(|error| match error {
            EditError::OutOfRange { length, .. } => MarkError::OutOfRange { length },
            EditError::Full => MarkError::Past(DecodeError::Full),
        })?;
        let inserted = position..position + self.text.len() - length;
        let Some(meant) = meant.filter(|_| !inserted.is_empty()) else { return Ok(()) };
        let places = self.text.places()?;
        let lies = |&at: &usize| self.marks.range(at, &places).is_some_and(|range| range.contains(&position));
        let got = self.marks.winners_of((0..self.marks.all.len()).filter(lies));
        let keys: BTreeSet<&String> = meant.keys().chain(got.keys()).collect();
        for key in keys {
            let value = self.marks.value(meant.get(key));
            if value == self.marks.value(got.get(key)) {
                continue;
            }
            // What is typed before it is meant so too. What is typed behind it too, if nothing is: a mark that is there
            // to expand would go on where the one that it stands for has ended.
            let expand = if value.is_some() { Expand::Before } else { Expand::Both };
            let value = value.map(String::from);
            self.push_mark(inserted.clone(), key, value, expand)?;
        }
        Ok(())
    }

    /// As [`Text::delete`].
    ///
    /// # Errors
    /// As [`Text::delete`].
    pub fn delete(&mut self, range: Range<usize>) -> Result<(), EditError> {
        self.text.delete(range)
    }

    /// Gives a key a value over a range of characters.
    ///
    /// # Errors
    /// If the range is empty or ends past the end, or a limit is exceeded, or as [`Text::read_past`].
    pub fn mark(
        &mut self,
        range: Range<usize>,
        key: &str,
        value: &str,
        expand: Expand,
    ) -> Result<(), MarkError> {
        self.push_mark(range, key, Some(value.to_string()), expand)
    }

    /// Takes the value of a key away over a range of characters. `expand` is what the mark has: text that is typed at the
    /// ends belongs to what is left of the mark as if the mark had ended there.
    ///
    /// # Errors
    /// As [`RichText::mark`].
    pub fn unmark(&mut self, range: Range<usize>, key: &str, expand: Expand) -> Result<(), MarkError> {
        self.push_mark(range, key, None, expand.opposite())
    }

    /// The text in stretches with the same marks.
    ///
    /// # Errors
    /// As [`Text::places`].
    pub fn spans(&mut self) -> Result<Vec<Span>, DecodeError> {
        let length = self.text.len();
        let places = self.text.places()?;
        let mut spans: Vec<Span> = Vec::new();
        let stretches = self.marks.winners(&places, length, |_| true);
        for (range, winners) in stretches {
            let value = |(key, winner): (&String, &usize)| {
                Some((key.clone(), self.marks.value(Some(winner))?.to_string()))
            };
            let marks: BTreeMap<String, String> = winners.iter().filter_map(value).collect();
            match spans.last_mut().filter(|last| last.marks == marks) {
                Some(last) => last.range.end = range.end,
                None => spans.push(Span { range, text: String::new(), marks }),
            }
        }
        let text = self.text.to_string();
        for span in &mut spans {
            let bytes = self.text.to_utf8(span.range.start)..self.text.to_utf8(span.range.end);
            span.text.push_str(text.get(bytes).unwrap_or_default());
        }
        Ok(spans)
    }

    /// The text as Markdown (CommonMark): the keys `bold`, `italic`, `code` and `strike`, whatever their values, and
    /// `link` with an address as its value. Where delimiters of Markdown would be misread, between letters and signs or
    /// one within another, it has the tags of HTML that Markdown allows. Line ends stay; of several empty lines one.
    ///
    /// # Errors
    /// As [`Text::places`].
    pub fn to_markdown(&mut self) -> Result<String, DecodeError> {
        Ok(markdown::write(&self.spans()?))
    }

    /// What is known here.
    pub fn version(&self) -> RichVersion {
        RichVersion { text: self.text.version(), marks: self.marks.version() }
    }

    /// A text of its own at an older version, as [`Text::branch`].
    ///
    /// # Errors
    /// As [`Text::branch`].
    pub fn branch(&self, version: &RichVersion, agent: Agent) -> Result<RichText, VersionError> {
        if !self.marks.version().includes(&version.marks) {
            return Err(VersionError::Unknown);
        }
        let mut branch = RichText::of(self.text.branch(&version.text, agent)?);
        branch.limits = self.limits;
        let known = self.marks.all.iter().filter(|mark| mark.seq < version.marks.get(&mark.agent));
        let mut known: Vec<&Mark> = known.collect();
        // In the order in which they came here one may be later than there are marks before it in the branch.
        known.sort_by_key(|mark| mark.time);
        known.into_iter().for_each(|mark| branch.marks.push(mark.clone()));
        Ok(branch)
    }

    /// Everything, to be kept, as [`Text::save`].
    ///
    /// # Errors
    /// As [`Text::save`].
    pub fn save(&self) -> Result<Vec<u8>, DecodeError> {
        Ok(encoding::write(&self.text.save()?, &self.marks.all))
    }

    /// Opens what [`RichText::save`] gave, as [`Text::load`].
    ///
    /// # Errors
    /// As [`Text::load`] and [`RichText::apply`].
    pub fn load(saved: &[u8], agent: Agent) -> Result<RichText, DecodeError> {
        RichText::load_within(saved, agent, MarkLimits::default())
    }

    /// As [`RichText::load`], with other bounds on marks.
    ///
    /// # Errors
    /// As [`RichText::load`].
    pub fn load_within(saved: &[u8], agent: Agent, limits: MarkLimits) -> Result<RichText, DecodeError> {
        let (text, marks) = encoding::read(saved, limits.marks)?;
        let mut rich = RichText::of(Text::load(text, agent)?);
        rich.limits = limits;
        let marks = rich.new_marks(marks)?;
        marks.into_iter().for_each(|mark| rich.marks.push(mark));
        Ok(rich)
    }

    /// What a replica at `version` lacks, for [`RichText::apply`] there.
    ///
    /// # Errors
    /// As [`Text::changes_since`].
    pub fn changes_since(&self, version: &RichVersion) -> Result<Vec<u8>, DecodeError> {
        let new = self.marks.all.iter().filter(|mark| mark.seq >= version.marks.get(&mark.agent));
        Ok(encoding::write(&self.text.changes_since(&version.text)?, new))
    }

    /// Merges changes that another replica made. What is known already is skipped.
    ///
    /// # Errors
    /// As [`Text::apply`]; nothing is changed then.
    pub fn apply(&mut self, changes: &[u8]) -> Result<(), DecodeError> {
        let (text, marks) = encoding::read(changes, self.limits.marks)?;
        let marks = self.new_marks(marks)?;
        self.text.apply(text)?;
        marks.into_iter().for_each(|mark| self.marks.push(mark));
        Ok(())
    }

    /// As [`RichText::apply`], and tells what it did, so that a view can do it too.
    ///
    /// # Errors
    /// As [`RichText::apply`] and [`Text::places`]; the changes are merged if it is the latter that failed.
    pub fn apply_edits(&mut self, changes: &[u8]) -> Result<RichEdits, DecodeError> {
        let (text, marks) = encoding::read(changes, self.limits.marks)?;
        let marks = self.new_marks(marks)?;
        let edits = self.text.apply_edits(text)?;
        let before = self.marks.all.len();
        marks.into_iter().for_each(|mark| self.marks.push(mark));
        if before == self.marks.all.len() {
            return Ok(RichEdits { edits, marked: Vec::new() });
        }
        let places = self.text.places()?;
        let marked = (before..self.marks.all.len()).filter_map(|at| self.marks.range(at, &places));
        Ok(RichEdits { edits, marked: marked.collect() })
    }

    /// The marks that are new, if all of them are in order.
    fn new_marks(&self, marks: Vec<Mark>) -> Result<Vec<Mark>, DecodeError> {
        let mut known = BTreeMap::new();
        let mut new: Vec<Mark> = Vec::new();
        for mark in marks {
            let next = known.entry(mark.agent.clone()).or_insert_with(|| self.marks.known(&mark.agent));
            if mark.seq < *next {
                continue;
            }
            if mark.seq > *next {
                return Err(DecodeError::Missing);
            }
            // A mark is one later at most than its author knew marks. So one that is later than there are marks here
            // follows some that are not; and no clock is set forward.
            let count = self.marks.all.len() + new.len();
            if mark.time == 0 {
                return Err(DecodeError::Malformed("a mark at no time"));
            }
            if mark.time as usize > count + 1 {
                return Err(DecodeError::Missing);
            }
            self.within_limits(count, &mark.key, mark.value.as_deref()).map_err(DecodeError::Limit)?;
            *next += 1;
            new.push(mark);
        }
        Ok(new)
    }

    fn within_limits(&self, count: usize, key: &str, value: Option<&str>) -> Result<(), &'static str> {
        let limits = self.limits;
        match () {
            () if count >= limits.marks as usize => Err("marks"),
            () if key.len() > limits.key_bytes as usize => Err("key_bytes"),
            () if value.is_some_and(|value| value.len() > limits.value_bytes as usize) => Err("value_bytes"),
            () => Ok(()),
        }
    }

    fn push_mark(
        &mut self,
        range: Range<usize>,
        key: &str,
        value: Option<String>,
        expand: Expand,
    ) -> Result<(), MarkError> {
        let length = self.text.len();
        if range.is_empty() || range.end > length {
            return Err(MarkError::OutOfRange { length });
        }
        self.within_limits(self.marks.all.len(), key, value.as_deref()).map_err(MarkError::Limit)?;
        let places = self.text.places()?;
        // Peritext §3.2: an end that expands is anchored to the character beyond it.
        let start = places.anchor(range.start, if expand.before() { Side::Left } else { Side::Right });
        let end = places.anchor(range.end, if expand.after() { Side::Right } else { Side::Left });
        let agent = self.text.agent().clone();
        let (time, seq) = (self.marks.next_time(), self.marks.known(&agent));
        self.marks.push(Mark { time, agent, seq, start, end, expand, key: key.to_string(), value });
        Ok(())
    }

    /// The marks that text typed at a position is to have; none if it gets them by their anchors.
    ///
    /// What is typed stands behind the visible character before it, in front of all that are deleted there. So a mark lies
    /// on it that ends behind one of those, and one does not that begins behind one of those and expands (Peritext §4.2
    /// looks for a place between the deleted ones that suits; with several marks there need not be one).
    fn meant_at(&mut self, position: usize) -> Result<Option<Winners>, DecodeError> {
        if self.marks.all.iter().all(|mark| mark.expand == Expand::After) {
            return Ok(None);
        }
        let places = self.text.places()?;
        let is_loose = |mark: &&Mark| {
            let behind_deleted = |anchor: &Anchor| {
                matches!(anchor, Anchor::Beside { side: Side::Left, .. })
                    && places.position(anchor) == Some(position)
                    && !places.is_shown(anchor)
            };
            let is_empty = || {
                let ends = [&mark.start, &mark.end].map(|anchor| places.position(anchor));
                mark.expand == Expand::Both && ends == [Some(position); 2]
            };
            mark.expand != Expand::After
                && (behind_deleted(&mark.start) || behind_deleted(&mark.end) || is_empty())
        };
        if !self.marks.all.iter().any(|mark| is_loose(&mark)) {
            return Ok(None);
        }
        let holds = |&at: &usize| {
            let (range, mark) = (self.marks.range(at, &places), self.marks.all.get(at));
            range.zip(mark).is_some_and(|(Range { start, end }, mark)| {
                (start < position || start == position && mark.expand.before())
                    && (position < end || position == end && mark.expand.after())
            })
        };
        Ok(Some(self.marks.winners_of((0..self.marks.all.len()).filter(holds))))
    }
}

/// What holds at a character.
fn at_position(stretches: &[(Range<usize>, Winners)], position: usize) -> Winners {
    let stretch = stretches.iter().find(|(range, _)| range.contains(&position));
    stretch.map(|(_, winners)| winners.clone()).unwrap_or_default()
}

#[cfg(test)]
impl RichText {
    /// The marks at a position, by the definition.
    pub(crate) fn marks_plainly(&mut self, position: usize) -> BTreeMap<String, String> {
        let places = self.text.places().unwrap();
        let character = places.event_at(position as u32).unwrap();
        let all = 0..self.marks.all.len();
        let winners = self.marks.winners_of(all.filter(|&at| self.marks.covers(at, &places, character)));
        let value = |(key, winner): (&String, &usize)| {
            Some((key.clone(), self.marks.value(Some(winner))?.to_string()))
        };
        winners.iter().filter_map(value).collect()
    }

    /// The mark that holds at a position for a key.
    pub(crate) fn winner_at(&mut self, position: usize, key: &str) -> Option<usize> {
        let length = self.text.len();
        let places = self.text.places().unwrap();
        at_position(&self.marks.winners(&places, length, |_| true), position).get(key).copied()
    }

    /// Sets the clocks of all marks.
    pub(crate) fn set_times(&mut self, time: u32) {
        self.marks.all.iter_mut().for_each(|mark| mark.time = time);
    }
}
