//! Resolved changes: a whole history with the text that it comes to, for one who has nothing.
//!
//! Changes give positions, and what those mean a walk must find. Where much is concurrent, the sender spares everybody the
//! walk: the operations name characters, and the text is there as a saved one is. The receiver checks that every operation
//! could be given a position ([`check`]) and shows the text; the positions are found when something
//! refers to the history ([`Text::read_past`](crate::Text::read_past)), by a walk ([`positions`]).
//!
//! Nothing is believed. The order of the characters is what the walk gives, and the text says which character each of
//! them is: so whatever text comes, as long as it has so many characters, is the text of this history. What was checked
//! has positions, and limits are compared with what finding them costs at most: so there is no text that cannot be
//! merged later.

mod write;

use std::collections::BTreeSet;

use super::bytes::Reader;
use super::decode::{Changes, File, LENGTH, Parent, fill, unpack};
use super::{DecodeError, apply};
use crate::history::{BEGINNING, Head, History, Kind, Limits, MAX_EVENTS, Named, NamedRun};
use crate::walk::{AGENTS, Chains, Checked, allowed, check, positions};
pub(super) use write::write;

/// A whole history that was checked.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Everything but the operations.
    changes: Changes,
    chains: Chains,
    named: Named,
    pub(super) text: String,
    /// The deleted characters, in the order of the events that inserted them.
    deleted: String,
    checked: Checked,
}

impl Resolved {
    /// Reads and checks it.
    pub(super) fn read(file: &File<'_>) -> Result<Resolved, DecodeError> {
        let changes: Changes = file.events()?;
        let named = read_named(&unpack(file.ops, &[])?, changes.events)?;
        let text = file.unpacked_text()?;
        let deleted = file.deleted(&text)?;
        if text.len() + deleted.len() > MAX_EVENTS as usize {
            return Err(DecodeError::Full);
        }
        // Before any memory is made for events: each takes a character that is here, of which each agent deletes one once.
        let (inserts, deletes) = named.count();
        let chars = text.chars().count();
        if chars + deleted.chars().count() != inserts || deletes > inserts.saturating_mul(AGENTS) {
            return Err(LENGTH);
        }
        let chains = chains(&changes)?;
        let checked = check(&named, &chains).ok_or(DecodeError::Malformed(
            "an operation names a character that was not in the text that its author saw",
        ))?;
        if checked.shown != chars {
            return Err(LENGTH);
        }
        Ok(Resolved { changes, chains, named, text, deleted, checked })
    }

    /// How many events there are.
    pub(super) fn events(&self) -> usize {
        self.chains.len() as usize
    }

    /// Whether finding the positions stays within the limits. If not, it may.
    pub(super) fn is_within(&self, limits: Limits) -> bool {
        self.checked.steps <= allowed(self.named.runs.len(), limits)
            && self.chains.len() <= limits.events_in_walk
            && self.changes.names.len() <= limits.branches as usize
    }

    /// Whether a history has all of these events.
    pub(super) fn is_known(&self, history: &History) -> bool {
        let known = |name| history.agents.find(name).map_or(0, |agent| history.agents.events(agent));
        self.changes.names.iter().zip(self.chains.events()).all(|(name, events)| events <= known(name))
    }

    /// The history after this one, for an empty one, whose agents keep their numbers.
    pub(super) fn resume(&self, empty: &History) -> History {
        let mut agents: Vec<_> =
            (0..empty.agents.count() as u32).map(|agent| (empty.agents.name(agent).clone(), 0)).collect();
        let events = self.chains.events();
        let numbers: Vec<u32> = self
            .changes
            .names
            .iter()
            .zip(events)
            .map(|(name, events)| {
                let known = empty.agents.find(name).and_then(|agent| agents.get_mut(agent as usize));
                match known {
                    Some(known) => known.1 = events,
                    None => agents.push((name.clone(), events)),
                }
                empty.agents.find(name).unwrap_or(agents.len() as u32 - 1)
            })
            .collect();
        let head = |(lv, agent): (u32, usize)| {
            Some(Head { lv, agent: *numbers.get(agent)?, seq: events.get(agent)?.checked_sub(1)? })
        };
        let heads: Vec<Head> = self.chains.heads().into_iter().filter_map(head).collect();
        History { limits: empty.limits, ..History::resume(agents, &heads, self.chains.len()) }
    }

    /// Appends everything to an empty history.
    ///
    /// # Errors
    /// If that exceeds a limit of the history.
    pub(super) fn fill(self, history: &mut History) -> Result<(), DecodeError> {
        if self.chains.len() > history.limits.events_in_walk {
            return Err(DecodeError::Limit("events_in_walk"));
        }
        let steps = allowed(self.named.runs.len(), history.limits);
        self.fill_within(history, steps)
    }

    fn fill_within(mut self, history: &mut History, steps: u64) -> Result<(), DecodeError> {
        apply::append(history, &mut self.changes)?;
        let (ops, all) = positions(&self.named, &self.chains, &history.agents, steps)?;
        history.ops = ops;
        fill(history, &all, &self.text, &self.deleted)
    }

    /// The same as changes with positions.
    ///
    /// # Errors
    /// As [`Resolved::fill`].
    pub(super) fn changes(self, limits: Limits) -> Result<Changes, DecodeError> {
        let mut history = History { limits, ..History::default() };
        let changes = self.changes.clone();
        self.fill(&mut history)?;
        Ok(Changes { ops: history.ops, ..changes })
    }
}

/// Whether the positions in a file are found in as many steps as they were thought to take at most.
#[cfg(test)]
pub(crate) fn keeps_to_its_estimate(file: &[u8]) -> bool {
    let file = File::read(file, super::MAGIC).and_then(|file| Resolved::read(&file));
    file.is_ok_and(|resolved| {
        let steps = resolved.checked.steps;
        resolved.fill_within(&mut History::default(), steps).is_ok()
    })
}

/// The turns of events. An error if an agent's are no line.
fn chains(changes: &Changes) -> Result<Chains, DecodeError> {
    const LINE: DecodeError =
        DecodeError::Malformed("an agent did not follow its own events, or too many agents");
    let distinct = changes.names.iter().collect::<BTreeSet<_>>().len() == changes.names.len();
    if !distinct || changes.names.len() > AGENTS {
        return Err(LINE);
    }
    let (mut chains, mut at) = (Chains::default(), 0);
    for run in &changes.agents {
        let (mut from, end) = (run.start, run.start + run.len);
        if chains.events().get(run.agent) != Some(&run.seq) {
            return Err(DecodeError::Missing);
        }
        while from < end {
            while changes.graph.get(at + 1).is_some_and(|next| next.start <= from) {
                at += 1;
            }
            let next = changes.graph.get(at + 1).map_or(end, |next| next.start.min(end));
            // A parent elsewhere is none that is there.
            let parents = changes.parents_of(at, from).map(|parent| match parent {
                Parent::Here(event) => event,
                Parent::Elsewhere { .. } => u32::MAX,
            });
            chains.push(run.agent, next - from, parents).ok_or(LINE)?;
            from = next;
        }
    }
    Ok(chains)
}

/// The operations: for each run its kind, whether a length follows, and how many events before its first the character
/// was inserted.
fn read_named(section: &[u8], events: u32) -> Result<Named, DecodeError> {
    const RANGE: DecodeError = DecodeError::Malformed("an operation's character or length is out of range");
    let mut reader = Reader(section);
    let mut runs = Vec::new();
    let mut start = 0u32;
    while !reader.is_empty() {
        let head = reader.number()?;
        let kind = match head & 3 {
            0 => Kind::Insert,
            1 => Kind::Delete,
            2 => Kind::DeleteBack,
            _ => return Err(RANGE),
        };
        let len = if head & 4 != 0 { reader.small()? } else { 1 };
        let character = match u32::try_from(head >> 3).map_err(|_| RANGE)? {
            0 if kind == Kind::Insert => BEGINNING,
            0 => return Err(RANGE),
            distance => start.checked_sub(distance).ok_or(RANGE)?,
        };
        runs.push(NamedRun { start, len, kind, character });
        start = start.checked_add(len).filter(|&end| end <= events && len > 0).ok_or(RANGE)?;
    }
    if start != events {
        return Err(DecodeError::Malformed("operations and events differ in number"));
    }
    Ok(Named { runs })
}
