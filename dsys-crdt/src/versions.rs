//! A text at other versions than the present one.
#![allow(clippy::indexing_slicing)] // Events are below the length of the history.

use crate::agent::{Agent, VersionVector};
use crate::edit::{Edit, Units};
use crate::encoding::{self, DecodeError};
use crate::history::{Content, History};
use crate::rope::{BYTES, CHARS, UTF16};
use crate::text::Text;

/// Why there is no text at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// It has events that are not known here.
    #[error("the version has events that are not known here: fetch the changes first")]
    Unknown,
    /// It has events, and not those that they follow.
    #[error(
        "no replica was ever at that version: it has events, and not those that they follow; take it from a replica"
    )]
    Torn,
    /// The history could not be read.
    #[error(transparent)]
    Past(#[from] DecodeError),
}

impl Text {
    /// A text of its own at an older version, whose edits belong to `agent`, who must not be one of those who edit this
    /// one. What is done there is merged as any other change.
    ///
    /// # Errors
    /// If the version is not one that is known here.
    pub fn branch(&self, version: &VersionVector, agent: Agent) -> Result<Text, VersionError> {
        let history = self.whole()?;
        members(&history, version)?;
        let mut text = Text::new(agent);
        text.set_limits(self.limits());
        text.apply(&encoding::until(&history, version))?;
        Ok(text)
    }

    /// The edits that make the text of one version out of that of another, whichever is older, or neither: in ascending
    /// order, each where nothing but the ones before it has changed.
    ///
    /// Between the present version and a recent one it takes time in proportion to what is between them, and keeps what
    /// [`Text::places`] keeps; otherwise it looks at every character.
    ///
    /// # Errors
    /// If one of the versions is not known here.
    pub fn diff(&mut self, from: &VersionVector, to: &VersionVector) -> Result<Vec<Edit>, VersionError> {
        self.read_past()?;
        let now = self.version();
        if !now.includes(from) || !now.includes(to) {
            return Err(VersionError::Unknown);
        }
        let (other, back) = if *to == now { (from, false) } else { (to, true) };
        let since = self.events_since(other);
        if (*from == now || *to == now)
            && since * 16 <= self.events()
            && let Some(edits) = self.diff_recent(other, back)?
        {
            return Ok(edits);
        }
        self.diff_all(from, to)
    }

    /// As [`Text::diff`] from a version to the present one, or `back`, by looking at what came in between. None if the
    /// version is not all that its last events follow.
    pub(crate) fn diff_recent(
        &mut self,
        version: &VersionVector,
        back: bool,
    ) -> Result<Option<Vec<Edit>>, VersionError> {
        Ok(self.recent(version)?.map(|changed| self.edits(&changed, back)))
    }

    /// How many events a version lacks, which is known here.
    fn events_since(&self, version: &VersionVector) -> usize {
        self.events() - version.iter().map(|(_, events)| events as usize).sum::<usize>()
    }

    /// As [`Text::diff`], by looking at every character.
    pub(crate) fn diff_all(
        &mut self,
        from: &VersionVector,
        to: &VersionVector,
    ) -> Result<Vec<Edit>, VersionError> {
        let (sequence, history) = self.sequence()?;
        let [from, to] = [from, to].map(|version| {
            // First all events of the version, then the characters that are visible at it.
            let mut members = members(history, version)?;
            for op in history.ops.slices(0, history.len()).filter(|op| !op.inserts()) {
                for event in op.start..op.start + op.len {
                    if members[event as usize] {
                        members[sequence.target_of(event) as usize] = false;
                    }
                }
            }
            Ok::<_, VersionError>(members)
        });
        let (from, to) = (from?, to?);
        let mut edits = Edits::default();
        for each in sequence.characters() {
            for op in history.ops.slices(each.event, each.event + each.len) {
                let events = op.start..op.start + op.len;
                for (event, character) in events.zip(history.ops.content(&op).chars()) {
                    edits.pass(character, from[event as usize], to[event as usize]);
                }
            }
        }
        Ok(edits.done)
    }

    /// The characters that the events since a version have inserted or deleted, in the order of the text, each with
    /// whether it stood there at that version.
    fn recent(&mut self, version: &VersionVector) -> Result<Option<Vec<(u32, bool)>>, VersionError> {
        let since = self.events_since(version);
        let (sequence, history) = self.sequence()?;
        let last =
            |(name, events): (&Agent, u32)| history.agents.local(history.agents.find(name)?, events - 1);
        let mut heads: Vec<u32> = version.iter().filter_map(last).collect();
        heads.sort_unstable();
        let refused = DecodeError::from;
        sequence.prepare(history, history.graph.heads()).map_err(refused)?;
        let [later, _] = sequence.prepare(history, &heads).map_err(refused)?;
        if later.iter().map(|(from, to)| (to - from) as usize).sum::<usize>() != since {
            return Ok(None);
        }
        let mut changed = Vec::new();
        for op in later.iter().flat_map(|&(from, to)| history.ops.slices(from, to)) {
            let events = op.start..op.start + op.len;
            changed.extend(events.map(|event| if op.inserts() { event } else { sequence.target_of(event) }));
        }
        changed.sort_unstable_by(|&a, &b| sequence.compare(a, b));
        changed.dedup();
        Ok(Some(changed.into_iter().map(|each| (each, sequence.stood(each))).collect()))
    }

    /// The edits that lead from a version to the present one, or `back`.
    fn edits(&self, changed: &[(u32, bool)], back: bool) -> Vec<Edit> {
        let Some(sequence) = &self.sequence else { return Vec::new() };
        let mut edits = Edits::default();
        // Of the present text so much has passed by.
        let mut passed = 0;
        for &(character, stood) in changed {
            let (at, stands) = sequence.place_of(character);
            let content = self.history.ops.slices(character, character + 1).next();
            let content = content.and_then(|op| self.history.ops.content(&op).chars().next());
            let Some(content) = content.filter(|_| stood != stands) else { continue };
            if at > passed {
                edits.skip(self.between(passed, at));
            }
            let (before, after) = if back { (stands, stood) } else { (stood, stands) };
            edits.pass(content, before, after);
            passed = at + u32::from(stands);
        }
        edits.done
    }

    /// The size of a part of the present text.
    fn between(&self, from: u32, to: u32) -> Units {
        let size = |dim| (self.rope.convert(CHARS, dim, to) - self.rope.convert(CHARS, dim, from)) as usize;
        Units { chars: size(CHARS), utf8: size(BYTES), utf16: size(UTF16) }
    }
}

/// Which events a version has.
pub(crate) fn members<C: Content>(
    history: &History<C>,
    version: &VersionVector,
) -> Result<Vec<bool>, VersionError> {
    if !history.agents.version().includes(version) {
        return Err(VersionError::Unknown);
    }
    let mut members = vec![false; history.len() as usize];
    for (run, end) in history.agents.runs(0, history.len()) {
        let known = version.get(history.agents.name(run.agent)).saturating_sub(run.seq);
        let to = run.start.saturating_add(known).min(end);
        members[run.start as usize..to as usize].fill(true);
    }
    let graph = &history.graph;
    for run in 0..graph.count() {
        let events = &members[graph.start(run) as usize..graph.end(run) as usize];
        let starts = events.first() == Some(&true);
        let follows = graph.parents(run).iter().all(|&parent| members[parent as usize]);
        if !events.is_sorted_by(|a, b| a >= b) || (starts && !follows) {
            return Err(VersionError::Torn);
        }
    }
    Ok(members)
}

/// Collects edits while the characters of both versions pass by.
#[derive(Default)]
struct Edits {
    done: Vec<Edit>,
    /// Where we are in the text as edited so far.
    at: Units,
    /// Whether the last edit ends here.
    open: bool,
}

impl Edits {
    /// Passes by what is the same in both.
    fn skip(&mut self, size: Units) {
        self.open = false;
        plus(&mut self.at, size);
    }

    fn pass(&mut self, character: char, before: bool, after: bool) {
        let size = Units { chars: 1, utf8: character.len_utf8(), utf16: character.len_utf16() };
        if before != after {
            if !self.open {
                self.done.push(Edit { at: self.at, deleted: Units::default(), inserted: String::new() });
                self.open = true;
            }
            if let Some(edit) = self.done.last_mut() {
                if before {
                    plus(&mut edit.deleted, size);
                } else {
                    edit.inserted.push(character);
                }
            }
        } else if after {
            self.open = false;
        }
        if after {
            plus(&mut self.at, size);
        }
    }
}

fn plus(to: &mut Units, size: Units) {
    to.chars += size.chars;
    to.utf8 += size.utf8;
    to.utf16 += size.utf16;
}
