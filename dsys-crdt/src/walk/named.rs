//! Operations that name characters: whether their authors can have meant them, and which positions those have.
//!
//! An operation of an event graph is a position in the text at the event's parents. One that names a character says the
//! same if that character stood in the text then: a position right behind it, or its own, can be given, and the walk of
//! that position finds that character again. So [`check`] looks at nothing else, and what passes it *has* positions;
//! [`positions`] finds them, at the cost of a walk. No sequence is made to check, nothing is put in its place: where
//! among concurrent insertions one goes follows from the characters to the left, whoever walks.
#![allow(clippy::indexing_slicing)] // Characters are compared with the number of events before they are looked up.

use super::chains::{Chains, Known, difference, size};
use super::tracker::{PREPARED, Tracker};
use super::{FREE_STEPS, Refused, Sequence, spend};
use crate::history::{Agents, BEGINNING, Kind, Limits, Named, NamedRun, Op, Ops};

/// What is known of the deletion of characters. A character is deleted at most once by each agent.
struct Deletions<'a> {
    chains: &'a Chains,
    /// By event: 0 if it inserts and nothing deletes that; [`NO_CHARACTER`]; the event that deletes it, + 1; or
    /// [`SEVERAL`] + a place in `several`.
    by: Vec<u32>,
    /// An event that deletes, and, as in `by`, who else does.
    several: Vec<(u32, u32)>,
}

const NO_CHARACTER: u32 = u32::MAX;
const SEVERAL: u32 = 1 << 31;

impl Deletions<'_> {
    /// Whether a character stands in the text at a version.
    #[inline]
    fn stands(&self, known: &Known, character: u32) -> bool {
        let mut by = self.by[character as usize];
        if by == NO_CHARACTER || !self.chains.includes(known, character) {
            return false;
        }
        while by != 0 {
            let (event, other) = match by.checked_sub(SEVERAL) {
                None => (by - 1, 0),
                Some(at) => self.several[at as usize],
            };
            if self.chains.includes(known, event) {
                return false;
            }
            by = other;
        }
        true
    }

    fn delete(&mut self, character: u32, event: u32) {
        let by = &mut self.by[character as usize];
        if *by == 0 {
            *by = event + 1;
        } else {
            self.several.push((event, *by));
            *by = SEVERAL + (self.several.len() as u32 - 1);
        }
    }
}

/// What a history whose operations name characters comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    /// How many characters stand in the text in the end.
    pub(crate) shown: usize,
    /// At least as many steps as finding the positions takes.
    pub(crate) steps: u64,
}

/// Checks that each operation names what stood in the text that its author saw, and in the beginning of none. None if one
/// does not, or if a run goes on over the end of a turn.
///
/// It takes time in proportion to the events that delete, and to runs of others.
pub(crate) fn check(named: &Named, chains: &Chains) -> Option<Checked> {
    let mut deletions = Deletions { chains, by: vec![0; chains.len() as usize], several: Vec::new() };
    let (mut steps, mut deleted, mut inserted) = (0, 0, 0);
    let mut runs = named.runs.iter().peekable();
    let mut before = Known::default();
    for turn in chains.turns() {
        let mut known = turn.known;
        // Shifting takes a step for each run of characters, and few for looking through targets.
        steps += 2 * difference(&before, &known);
        let concurrent = u64::from(turn.start) - size(&known);
        while let Some(run) = runs.next_if(|run| run.start < turn.end) {
            if run.end() > turn.end {
                return None;
            }
            known[turn.agent] = turn.seq + (run.start - turn.start);
            if run.kind == Kind::Insert {
                if run.character != BEGINNING && !deletions.stands(&known, run.character) {
                    return None;
                }
                inserted += run.len as usize;
                // Looking for what its author knew, and for its place, passes concurrent characters only.
                steps += 2 + 2 * concurrent;
                continue;
            }
            deletions.by[run.start as usize..run.end() as usize].fill(NO_CHARACTER);
            for at in 0..run.len {
                let character = match run.kind {
                    Kind::DeleteBack => run.character.checked_sub(at)?,
                    _ => run.character + at,
                };
                if character >= run.start || !deletions.stands(&known, character) {
                    return None;
                }
                deleted += usize::from(deletions.by[character as usize] == 0);
                deletions.delete(character, run.start + at);
            }
        }
        before = turn.after();
    }
    Some(Checked { shown: inserted - deleted, steps })
}

/// How many steps operations of so many runs may take.
pub(crate) fn allowed(runs: usize, limits: Limits) -> u64 {
    FREE_STEPS + u64::from(limits.steps_per_edit) * runs as u64
}

/// Gives operations that were checked their positions, in so many steps; content is still to be filled in. And the
/// sequence of all characters, which is found on the way.
///
/// # Errors
/// If it takes more steps: no other.
pub(crate) fn positions(
    named: &Named,
    chains: &Chains,
    agents: &Agents,
    steps: u64,
) -> Result<(Ops, Sequence), Refused> {
    let len = chains.len();
    let mut tracker = Tracker::new();
    tracker.reset(0, len, 0);
    let mut positions = Positions { tracker, agents, ops: Ops::default() };
    let by_agent = chains.by_agent();
    let (mut steps, mut before) = (steps, Known::default());
    for turn in chains.turns() {
        // In which order does not matter: each shift of a character is a step up or down.
        for (agent, turns) in by_agent.iter().enumerate() {
            let (has, wants) = (before[agent], turn.known[agent]);
            let (from, to) = (has.min(wants), has.max(wants));
            let first =
                turns.partition_point(|&at| chains.turns()[at as usize].seq <= from).saturating_sub(1);
            let overlapping = turns[first..].iter().map(|&at| chains.turns()[at as usize]);
            for other in overlapping.take_while(|other| other.seq < to) {
                let event = |seq: u32| (other.start + seq.saturating_sub(other.seq)).min(other.end);
                let (from, to) = (event(from), event(to));
                if from < to {
                    positions.tracker.shift(named.slices(from, to), has < wants);
                }
            }
        }
        for run in named.starting(turn.start, turn.end) {
            positions.apply(run);
            spend(&mut steps, positions.tracker.take_steps())?;
        }
        before = turn.after();
    }
    let Positions { tracker, ops, .. } = positions;
    Ok((ops, Sequence::walked(tracker, len)))
}

struct Positions<'a> {
    tracker: Tracker,
    agents: &'a Agents,
    ops: Ops,
}

impl Positions<'_> {
    /// Applies a run at the prepared version, and notes its positions.
    fn apply(&mut self, run: &NamedRun) {
        if run.kind == Kind::Insert {
            let behind = |character| self.tracker.before(character)[PREPARED] + 1;
            let at = if run.character == BEGINNING { 0 } else { behind(run.character) };
            let op = Op { start: run.start, len: run.len, at, kind: run.kind, content: (0, 0) };
            self.tracker.insert(&op, self.agents);
            self.ops.push_on(run.kind, at, run.len);
            return;
        }
        // Characters in a row may have others between them by now: each part has a position of its own.
        let mut done = 0;
        while done < run.len {
            let back = run.kind == Kind::DeleteBack;
            let first = if back { run.character - done } else { run.character + done };
            let (span, offset) = self.tracker.span_of(first);
            let room = if back { offset + 1 } else { span.len - offset };
            let len = room.min(run.len - done);
            let low = self.tracker.before(if back { first + 1 - len } else { first })[PREPARED];
            let at = if back { low + len } else { low };
            let op = Op { start: run.start + done, len, at, kind: run.kind, content: (0, 0) };
            self.tracker.delete(&op, |_, _| {});
            self.ops.push_on(run.kind, at, len);
            done += len;
        }
    }
}

/// The operations of a history with the names of the characters that they refer to, cut where turns end.
pub(crate) fn named(ops: &Ops, chains: &Chains, all: &Sequence) -> Named {
    let mut runs: Vec<NamedRun> = Vec::new();
    for op in chains.turns().iter().flat_map(|turn| ops.slices(turn.start, turn.end)) {
        if op.kind == Kind::Insert {
            let character = all.left_of(op.start).unwrap_or(BEGINNING);
            runs.push(NamedRun { start: op.start, len: op.len, kind: op.kind, character });
            continue;
        }
        let begins = runs.len();
        for event in op.start..op.start + op.len {
            let character = all.target_of(event);
            let last = runs.get_mut(begins..).and_then(|runs| runs.last_mut());
            let goes_on = |last: &&mut NamedRun| match op.kind {
                Kind::DeleteBack => last.character.checked_sub(last.len) == Some(character),
                _ => last.character + last.len == character,
            };
            match last.filter(goes_on) {
                Some(last) => last.len += 1,
                None => runs.push(NamedRun { start: event, len: 1, kind: op.kind, character }),
            }
        }
    }
    Named { runs }
}
