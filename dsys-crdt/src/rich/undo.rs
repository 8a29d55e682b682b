//! Taking back what one author did to a rich text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::marks::{Marks, Winners};
use super::{Expand, MarkError, RichText, at_position};
use crate::agent::Agent;
#[cfg(feature = "keys")]
use crate::agent::VersionVector;
use crate::places::Places;
use crate::undo::{Groups, Undo, Way};

/// As [`Undo`], for a [`RichText`]: takes back edits and marks of its text's agent, in groups, and brings them back.
///
/// A mark that is taken back is as if it had never been made; what others marked stays. Characters that come back have the
/// marks that they had.
#[derive(Clone, Debug)]
pub struct RichUndo {
    text: Undo,
    agent: Agent,
    /// How many of the agent's marks are in groups.
    seen: u32,
    groups: Groups<Group>,
    /// Those of the agent's marks that do not count: that were taken back, or made here to show how the text looks without
    /// them.
    void: BTreeSet<u32>,
    /// By character that came back: how many marks there were then. Those lie on it that lay on the one that it stands for.
    born: BTreeMap<u32, usize>,
    /// The same by the numbers of these characters among the agent's events.
    #[cfg(feature = "keys")]
    births: Vec<(Vec<u32>, VersionVector)>,
}

/// What is taken back together: the last group of the text, if it is part of it, and some of the agent's marks.
#[derive(Clone, Debug)]
struct Group {
    text: bool,
    marks: Range<u32>,
}

/// A mark to be made.
struct Act {
    range: Range<usize>,
    value: Option<String>,
    expand: Expand,
}

impl RichUndo {
    /// What the text's agent does from now on can be taken back.
    pub fn new(rich: &RichText) -> RichUndo {
        let agent = rich.text.agent().clone();
        let seen = rich.marks.known(&agent);
        let (groups, void, born) = Default::default();
        RichUndo {
            text: Undo::new(&rich.text),
            agent,
            seen,
            groups,
            void,
            born,
            #[cfg(feature = "keys")]
            births: Vec::new(),
        }
    }

    /// Goes on in a text that was built again, in which what the agent did is the same but for the last of it, and others' doing
    /// has come or gone.
    ///
    /// # Errors
    /// As [`Text::read_past`](crate::Text::read_past). It is to be tried again then.
    #[cfg(feature = "keys")]
    pub(crate) fn revive(&mut self, rich: &mut RichText) -> Result<(), crate::DecodeError> {
        rich.text.read_past()?;
        rich.text.set_agent(self.agent.clone());
        self.text.revive(&rich.text);
        let (agents, marks) = (&rich.text.history.agents, &rich.marks);
        let local = |seq: &u32| agents.local(agents.find(&self.agent)?, *seq);
        self.born.clear();
        for (copies, then) in &self.births {
            let later = marks.all.iter().position(|mark| mark.seq >= then.get(&mark.agent));
            let born = later.unwrap_or(marks.all.len());
            self.born.extend(copies.iter().filter_map(local).map(|copy| (copy, born)));
        }
        Ok(())
    }

    /// As [`Undo::end_group`].
    pub fn end_group(&mut self, rich: &RichText) {
        let text = self.text.end_group(&rich.text);
        let now = rich.marks.known(&self.agent);
        if text || now > self.seen {
            self.groups.end(Group { text, marks: self.seen..now });
            self.text.forget_undone();
            self.seen = now;
        }
    }

    /// As [`Undo::undo`].
    ///
    /// # Errors
    /// As [`Undo::undo`] and [`RichText::mark`]; a part may have been taken back then.
    pub fn undo(&mut self, rich: &mut RichText) -> Result<bool, MarkError> {
        self.turn(rich, Way::Back)
    }

    /// As [`Undo::redo`].
    ///
    /// # Errors
    /// As [`RichUndo::undo`].
    pub fn redo(&mut self, rich: &mut RichText) -> Result<bool, MarkError> {
        self.turn(rich, Way::Forth)
    }

    fn turn(&mut self, rich: &mut RichText, way: Way) -> Result<bool, MarkError> {
        self.end_group(rich);
        let next = self.groups.next(way).filter(|_| *rich.text.agent() == self.agent);
        let Some(group) = next else { return Ok(false) };
        let marks = self.marks(rich, &group);
        self.groups.turned(way, group.clone());
        match way {
            Way::Back => self.void.extend(group.marks.clone()),
            Way::Forth => self.void.retain(|mark| !group.marks.contains(mark)),
        }
        if group.text {
            match way {
                Way::Back => self.text.undo(&mut rich.text),
                Way::Forth => self.text.redo(&mut rich.text),
            }?;
        }
        self.show(rich, &marks, group.text)?;
        Ok(true)
    }

    /// Whether a mark counts, by its place among all.
    fn counts(&self, marks: &Marks, at: usize) -> bool {
        marks.all.get(at).is_none_or(|mark| mark.agent != self.agent || !self.void.contains(&mark.seq))
    }

    /// The places among all marks of those of a group.
    fn marks(&self, rich: &RichText, group: &Group) -> Vec<usize> {
        let all = rich.marks.all.iter().enumerate().rev();
        let ours = all.filter(|(_, mark)| mark.agent == self.agent);
        let ours = ours.skip_while(|(_, mark)| mark.seq >= group.marks.end);
        ours.take_while(|(_, mark)| mark.seq >= group.marks.start).map(|(at, _)| at).collect()
    }

    /// Marks the text so that it looks as it does by the marks that count: where some lie that count now, or do not any
    /// more, and on characters that came back.
    fn show(&mut self, rich: &mut RichText, changed: &[usize], restored: bool) -> Result<(), MarkError> {
        if restored {
            let copies = self.text.restored().iter();
            self.born.extend(copies.map(|&(_, copy)| (copy, rich.marks.all.len())));
            #[cfg(feature = "keys")]
            {
                let seq = |&(_, copy): &(u32, u32)| rich.text.history.agents.id(copy).1;
                let copies = self.text.restored().iter().map(seq).collect();
                self.births.push((copies, rich.marks.version()));
            }
        }
        for (key, acts) in self.acts(rich, changed, restored)? {
            for Act { range, value, expand } in acts {
                self.void.insert(rich.marks.known(&self.agent));
                rich.push_mark(range, &key, value, expand)?;
            }
        }
        self.seen = rich.marks.known(&self.agent);
        Ok(())
    }

    /// What is to be done to each key.
    fn acts(
        &self,
        rich: &mut RichText,
        changed: &[usize],
        restored: bool,
    ) -> Result<BTreeMap<String, Vec<Act>>, MarkError> {
        let mut acts: BTreeMap<String, Vec<Act>> = BTreeMap::new();
        if rich.marks.all.is_empty() {
            return Ok(acts);
        }
        let (length, marks) = (rich.text.len(), &rich.marks);
        let places = rich.text.places()?;
        let shown = marks.winners(&places, length, |_| true);
        let meant = marks.winners(&places, length, |at| self.counts(marks, at));
        let again = self.came_back(marks, &places, changed, restored);
        let changed: Vec<_> =
            changed.iter().filter_map(|&at| Some((marks.range(at, &places)?, marks.all.get(at)?))).collect();
        let mut cuts: BTreeSet<usize> = again.keys().flat_map(|&at| [at, at + 1]).collect();
        cuts.extend(shown.iter().chain(&meant).flat_map(|(range, _)| [range.start, range.end]));
        for (&from, &to) in cuts.iter().zip(cuts.iter().skip(1)) {
            let shown = at_position(&shown, from);
            let came_back = again.get(&from);
            let meant = came_back.cloned().unwrap_or_else(|| at_position(&meant, from));
            let here = changed.iter().filter(|(range, _)| range.contains(&from)).map(|(_, mark)| &mark.key);
            let keys: BTreeSet<&String> = match came_back {
                Some(_) => meant.keys().chain(shown.keys()).collect(),
                None => here.collect(),
            };
            for key in keys {
                let value = marks.value(meant.get(key));
                if value == marks.value(shown.get(key)) {
                    continue;
                }
                // What comes back grows as it did, and where something ends nothing grows that did not.
                let like = if value.is_some() { meant.get(key) } else { shown.get(key) };
                let mark = like.filter(|_| came_back.is_none()).and_then(|&at| marks.all.get(at));
                let expand = mark.map_or(Expand::Neither, |mark| mark.expand);
                let acts = acts.entry(key.clone()).or_default();
                match acts.last_mut().filter(|last| last.range.end == from && last.value.as_deref() == value)
                {
                    Some(last) => last.range.end = to,
                    None => acts.push(Act {
                        range: from..to,
                        value: value.map(String::from),
                        expand: if value.is_some() { expand } else { expand.opposite() },
                    }),
                }
            }
        }
        Ok(acts)
    }

    /// What is meant to hold at characters that were deleted and came back: those of the last time, or those that the
    /// marks that changed lie on.
    fn came_back(
        &self,
        all: &Marks,
        places: &Places<'_>,
        changed: &[usize],
        restored: bool,
    ) -> BTreeMap<usize, Winners> {
        let new: BTreeSet<u32> =
            if restored { self.text.restored().iter().map(|each| each.1).collect() } else { BTreeSet::new() };
        let mut found = BTreeMap::new();
        for (copy, characters) in self.text.copies() {
            let Some((at, true)) = places.place_of(copy) else { continue };
            let was_there =
                |character: &&u32, mark| self.born.get(character).is_none_or(|&born| born <= mark);
            let lies = |mark: &usize| {
                let character = characters.iter().find(|character| was_there(character, *mark));
                character.is_some_and(|&character| all.covers(*mark, places, character))
            };
            let seems = |mark: &usize| all.covers(*mark, places, copy);
            if new.contains(&copy) || changed.iter().any(|mark| lies(mark) || seems(mark)) {
                let counts = (0..all.all.len()).filter(|mark| self.counts(all, *mark));
                found.insert(at, all.winners_of(counts.filter(lies)));
            }
        }
        found
    }
}
