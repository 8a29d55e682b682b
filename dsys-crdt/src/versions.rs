//! A text at other versions than the present one.
#![allow(clippy::indexing_slicing)] // Events are below the length of the history.

use crate::agent::{Agent, VersionVector};
use crate::edit::{Edit, Units};
use crate::encoding::{self, DecodeError};
use crate::history::History;
use crate::text::Text;
use crate::walk;

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
    /// # Errors
    /// If one of the versions is not known here.
    pub fn diff(&self, from: &VersionVector, to: &VersionVector) -> Result<Vec<Edit>, VersionError> {
        let history = self.whole()?;
        let sequence = walk::sequence(&history).map_err(DecodeError::from)?;
        let [from, to] = [from, to].map(|version| {
            // First all events of the version, then the characters that are visible at it.
            let mut members = members(&history, version)?;
            for op in history.ops.slices(0, history.len()).filter(|op| !op.inserts()) {
                for event in op.start..op.start + op.len {
                    if members[event as usize] {
                        members[sequence.targets[event as usize] as usize] = false;
                    }
                }
            }
            Ok::<_, VersionError>(members)
        });
        let (from, to) = (from?, to?);
        let mut edits = Edits::default();
        for each in &sequence.characters {
            for op in history.ops.slices(each.event, each.event + each.len) {
                let events = op.start..op.start + op.len;
                for (event, character) in events.zip(history.ops.text(&op).chars()) {
                    edits.pass(character, from[event as usize], to[event as usize]);
                }
            }
        }
        Ok(edits.done)
    }
}

/// Which events a version has.
fn members(history: &History, version: &VersionVector) -> Result<Vec<bool>, VersionError> {
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
