//! Taking back what one author did.
#![allow(clippy::indexing_slicing)] // Segments are pushed before they are looked at.

mod groups;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(crate) use groups::{EventGroups, Groups, Way};

use crate::Agent;
use crate::encoding::DecodeError;
use crate::history::History;
use crate::text::{EditError, Text};
use crate::walk::Sequence;

/// Takes back what the agent of a text did there, in groups, and brings it back, whatever others did meanwhile.
///
/// It belongs to one [`Text`]. To take an insertion back is to delete what is left of it; to take a deletion back is to
/// insert the same characters where they stood, unless somebody else deleted them too. Both are edits like any other:
/// other replicas need not know of undo.
#[derive(Clone, Debug)]
pub struct Undo {
    groups: EventGroups,
    agent: Agent,
    /// By character, the one that was inserted in its place when its deletion was taken back; and the way back.
    copies: BTreeMap<u32, u32>,
    originals: BTreeMap<u32, u32>,
    /// The characters that the agent has deleted with its events up to this one.
    deleted: BTreeSet<u32>,
    noted: u32,
    /// Its first event that can be taken back.
    #[cfg_attr(not(feature = "keys"), allow(dead_code))]
    begun: u32,
    restored: Vec<(u32, u32)>,
    /// All characters that came back, by their names, and the numbers among the agent's events of what was inserted for them:
    /// what is left of `copies` when the history has other numbers.
    named: Vec<((Agent, u32), u32)>,
}

impl Undo {
    /// So many groups are kept; the oldest are forgotten.
    pub const GROUPS: usize = 1_000;

    /// Edits that the text's agent makes from now on can be taken back.
    pub fn new(text: &Text) -> Undo {
        let agent = text.agent;
        let seen = text.history.agents.events(agent);
        Undo {
            groups: EventGroups::new(agent, seen),
            agent: text.agent().clone(),
            copies: BTreeMap::new(),
            originals: BTreeMap::new(),
            deleted: BTreeSet::new(),
            noted: seen,
            begun: seen,
            restored: Vec::new(),
            named: Vec::new(),
        }
    }

    /// Goes on in a text that was built again and is the same agent's, in which its events are the same but for the last ones, and others have
    /// come or gone.
    #[cfg(feature = "keys")]
    pub(crate) fn revive(&mut self, text: &Text) {
        let (agents, agent, now) = (&text.history.agents, text.agent, self.events(text));
        self.groups.revive(agent, now);
        self.named.retain(|(_, copy)| *copy < now);
        let pairs: Vec<(u32, u32)> = self
            .named
            .iter()
            .filter_map(|((by, seq), copy)| {
                Some((agents.local(agents.find(by)?, *seq)?, agents.local(agent, *copy)?))
            })
            .collect();
        self.copies = pairs.iter().copied().collect();
        self.originals = pairs.iter().map(|(original, copy)| (*copy, *original)).collect();
        self.restored.clear();
        self.deleted.clear();
        self.noted = self.begun.min(now);
    }

    /// Ends a group: the edits made since the last one will be taken back together. What was taken back before them cannot
    /// be brought back any more. Does nothing, and says so, if there are none.
    pub fn end_group(&mut self, text: &Text) -> bool {
        self.groups.end(self.events(text))
    }

    fn events(&self, text: &Text) -> u32 {
        let agents = &text.history.agents;
        agents.find(&self.agent).map_or(0, |agent| agents.events(agent))
    }

    /// Nothing can be brought back any more.
    pub(crate) fn forget_undone(&mut self) {
        self.groups.groups.forget_undone();
    }

    /// Every character that stands for deleted ones that came back, with them and itself.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (u32, Vec<u32>)> + '_ {
        let chain = |copy| std::iter::successors(Some(copy), |copy| self.originals.get(copy).copied());
        self.originals.keys().map(move |&copy| (copy, chain(copy).collect()))
    }

    /// The deleted characters that came back when something was taken back, or brought back, last; each with its copy.
    pub(crate) fn restored(&self) -> &[(u32, u32)] {
        &self.restored
    }

    /// How many groups can be taken back.
    pub fn len(&self) -> usize {
        self.groups.groups.len()
    }

    /// Whether none can be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes back the last group, which ends here if it has not. False if there is none, or the text has another agent now.
    ///
    /// # Errors
    /// As [`Text::read_past`], or if the history is full.
    pub fn undo(&mut self, text: &mut Text) -> Result<bool, DecodeError> {
        self.turn(text, Way::Back)
    }

    /// Brings back what was taken back last. False if there is nothing: it was brought back, or something was edited since.
    ///
    /// # Errors
    /// As [`Undo::undo`].
    pub fn redo(&mut self, text: &mut Text) -> Result<bool, DecodeError> {
        self.turn(text, Way::Forth)
    }

    fn turn(&mut self, text: &mut Text, way: Way) -> Result<bool, DecodeError> {
        let now = self.events(text);
        let Some(group) = self.groups.next(way, text.agent, now) else { return Ok(false) };
        self.invert(text, group)?;
        self.groups.turned(way, self.events(text));
        Ok(true)
    }

    /// Does the opposite of a group.
    fn invert(&mut self, text: &mut Text, group: Range<u32>) -> Result<(), DecodeError> {
        let (sequence, history) = text.sequence()?;
        let heads = history.graph.heads();
        sequence.prepare(history, heads)?;
        self.note_deletions(history, sequence);
        let segments = segments(&self.opposites(history, sequence, group));
        // All or nothing: what follows cannot fail but for this.
        let size: usize = segments.iter().map(|each| each.deleted + each.inserted.len()).sum();
        if !text.history.has_room(size, size * 4) {
            return Err(DecodeError::Full);
        }
        let full = |_: EditError| DecodeError::Full;
        self.restored.clear();
        for segment in segments.into_iter().rev() {
            text.delete(segment.at..segment.at + segment.deleted).map_err(full)?;
            let copy = text.history.len();
            text.insert(segment.at, &segment.inserted.iter().map(|each| each.1).collect::<String>())
                .map_err(full)?;
            for ((original, _), copy) in segment.inserted.into_iter().zip(copy..) {
                self.copies.insert(original, copy);
                self.originals.insert(copy, original);
                self.restored.push((original, copy));
                let agents = &text.history.agents;
                let (by, seq) = agents.id(original);
                self.named.push(((agents.name(by).clone(), seq), agents.id(copy).1));
            }
        }
        Ok(())
    }

    /// What is to be done to each character, in the order of the text. The sequence is prepared at the present version.
    fn opposites(&self, history: &History, sequence: &Sequence, group: Range<u32>) -> Vec<Opposite> {
        let inserts = |event: u32| history.ops.slices(event, event + 1).next().is_some_and(|op| op.inserts());
        let by_others =
            |character: &u32| sequence.deletions(*character) > u32::from(self.deleted.contains(character));
        let (mut found, mut gone, mut own) = (Vec::new(), Vec::new(), BTreeSet::new());
        for event in group.filter_map(|seq| history.agents.local(self.groups.agent, seq)) {
            let inserts = inserts(event);
            let stood = if inserts { event } else { sequence.target_of(event) };
            let mut character = stood;
            let kept_away = by_others(&character);
            while let Some(&copy) = self.copies.get(&character) {
                character = copy;
            }
            let (at, visible) = sequence.place_of(character);
            if inserts {
                own.insert(character);
                if visible {
                    found.push((stood, Opposite { at: at as usize, restored: None }));
                }
            } else if !visible && !kept_away && !own.contains(&character) {
                let text = history.ops.slices(character, character + 1).next();
                let restored = text.and_then(|op| history.ops.content(&op).chars().next());
                gone.push((stood, event, restored.map(|restored| (character, restored))));
            }
        }
        gone.sort_unstable_by(|a, b| sequence.compare(a.0, b.0));
        let mut last = None;
        for (stood, event, restored) in gone {
            // The next of a row stands where the one before it does.
            let at = match last {
                Some((before, at)) if sequence.follows(before, stood) => at,
                _ => self.place_behind(sequence, stood, event),
            };
            last = Some((stood, at));
            found.push((stood, Opposite { at, restored }));
        }
        let deletes = |each: &Opposite| each.restored.is_none();
        found.sort_by(|(a_stood, a), (b_stood, b)| {
            (a.at, deletes(a)).cmp(&(b.at, deletes(b))).then_with(|| sequence.compare(*a_stood, *b_stood))
        });
        found.into_iter().map(|(_, opposite)| opposite).collect()
    }

    /// Where a character is to stand again that was deleted by an event: behind the next one before
    /// it that is visible. Where characters were copied, it is the copies of that time that tell their order, for a copy
    /// stands in front of what had been deleted around the original.
    fn place_behind(&self, sequence: &Sequence, character: u32, deleted_by: u32) -> usize {
        for span in sequence.before(character) {
            for event in (span.event..span.event + span.len).rev() {
                let copied_later = event > deleted_by && self.originals.contains_key(&event);
                let mut latest = event;
                let replaced = self.copies.get(&latest).is_some_and(|&copy| copy < deleted_by);
                while let Some(&copy) = self.copies.get(&latest) {
                    latest = copy;
                }
                let (at, visible) = sequence.place_of(latest);
                if visible && !copied_later && !replaced {
                    return at as usize + 1;
                }
                if span.deleted && self.copies.range(span.event..event).next().is_none() {
                    break;
                }
            }
        }
        0
    }

    /// Takes note of what the agent has deleted since it was looked at last.
    fn note_deletions(&mut self, history: &History, sequence: &Sequence) {
        let now = history.agents.events(self.groups.agent);
        let events = (self.noted..now).filter_map(|seq| history.agents.local(self.groups.agent, seq));
        let deletes =
            |&event: &u32| history.ops.slices(event, event + 1).next().is_some_and(|op| !op.inserts());
        self.deleted.extend(events.filter(deletes).map(|event| sequence.target_of(event)));
        self.noted = now;
    }
}

/// Deletes a character, or inserts one in place of one that was deleted.
struct Opposite {
    at: usize,
    restored: Option<(u32, char)>,
}

/// One edit of characters side by side.
struct Segment {
    at: usize,
    deleted: usize,
    inserted: Vec<(u32, char)>,
}

fn segments(opposites: &[Opposite]) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    for each in opposites {
        let joins = all.last().is_some_and(|last| last.at + last.deleted == each.at);
        if !joins {
            all.push(Segment { at: each.at, deleted: 0, inserted: Vec::new() });
        }
        let last = all.len() - 1;
        match each.restored {
            None => all[last].deleted += 1,
            Some(restored) => all[last].inserted.push(restored),
        }
    }
    all
}
