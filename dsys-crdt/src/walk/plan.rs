//! Which events are walked together, and in which order.
#![allow(clippy::indexing_slicing)] // Numbers of items come from here; a parent lies before its child.

use std::ops::Range;

use super::Refused;
use crate::history::{Content, History, Version};

/// Events between two critical versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// `from..to`, each the only parent of the next.
    Line(u32, u32),
    /// `from..to`, with branches.
    Zone(u32, u32),
}

/// A version of which it is asked whether everything later follows it.
struct Cut<'a> {
    version: Version<'a>,
    followed: bool,
}

impl<'a> Cut<'a> {
    fn new(version: Version<'a>) -> Self {
        Cut { version, followed: version.len > 0 }
    }

    /// Takes note of the parents of a later event. If it is not later, nothing that is noted matters any more.
    fn note(&mut self, parents: &[u32]) {
        let Version { len, heads } = self.version;
        self.followed &=
            parents == heads || (!parents.is_empty() && parents.iter().all(|&parent| parent >= len));
    }

    /// Whether a run begins here that follows all of the version.
    fn is_root(&self, start: u32, parents: &[u32]) -> bool {
        start == self.version.len && parents == self.version.heads
    }
}

/// Cuts the history at its critical versions, from the last one that the text, which holds the version `old`, precedes
/// or is.
///
/// The version after event `x` is critical if no event after `x`, and no head, has a parent before `x`: local numbers are
/// in causal order, so what is after `x` follows it then, and what is before precedes it. Of the version that the text
/// holds, and of the past that the history was resumed after, the heads are known: they are critical with several heads
/// too, if whatever refers to them refers to all.
///
/// # Errors
/// [`Refused::Past`] if it takes a walk of the past that is not here.
pub(super) fn stretches<C: Content>(history: &History<C>, old: Version<'_>) -> Result<Vec<Stretch>, Refused> {
    let graph = &history.graph;
    let mut cuts = [Cut::new(old), Cut::new(graph.past())];
    let mut found = Vec::new();
    // Events from here on are in `found`; the lowest number that an event or a head there refers to, if all do.
    let mut done = graph.len();
    let mut lowest = graph.heads().first().copied();
    cuts.iter_mut().for_each(|cut| cut.note(graph.heads()));
    for run in (0..graph.count()).rev() {
        let (start, end, parents) = (graph.start(run), graph.end(run), graph.parents(run));
        let is_root = start == 0 || cuts.iter().any(|cut| cut.is_root(start, parents));
        if let Some(lowest) = lowest.filter(|&lowest| lowest >= start) {
            // The versions after `start`, ..., after `critical - 1` are critical.
            let critical = end.min(lowest + 1);
            if done > critical {
                found.push(Stretch::Zone(critical, done));
            }
            // The run's first event has other parents than its predecessor, or would not begin a run.
            let line = if is_root { start } else { start + 1 };
            if line.max(old.len) < critical {
                found.push(Stretch::Line(line.max(old.len), critical));
            }
            done = line;
        }
        cuts.iter_mut().for_each(|cut| cut.note(parents));
        if done > old.len && cuts.iter().any(|cut| cut.followed && cut.version.len == start) {
            found.push(Stretch::Zone(start, done));
            done = start;
        }
        if done <= old.len {
            break;
        }
        lowest = lowest.zip(parents.first()).map(|(lowest, &parent)| lowest.min(parent));
    }
    if done > old.len {
        if graph.past().len > 0 {
            return Err(Refused::Past);
        }
        found.push(Stretch::Zone(0, done));
    }
    // The last one found may lie in what the text holds already.
    found.retain(|&(Stretch::Line(_, to) | Stretch::Zone(_, to))| to > old.len);
    found.reverse();
    Ok(found)
}

/// The runs of a zone, in local order.
#[derive(Debug, Default)]
pub(super) struct Items {
    items: Vec<Item>,
    /// The parents of all first events that lie in the zone, in the order of the items and in ascending order.
    parents: Vec<At>,
}

/// A run of the graph, or the part of one that the text does not hold yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The run of operations that holds the first event.
    pub(super) op: u32,
    /// Where in `parents` the item's begin.
    parents: u32,
}

/// An event, with the item that holds it. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) lv: u32,
    pub(super) item: u32,
}

impl Items {
    /// The items of the zone `from..to`; at `old` one ends.
    pub(super) fn new<C: Content>(history: &History<C>, from: u32, old: u32, to: u32) -> Items {
        let graph = &history.graph;
        let mut all = Items::default();
        let mut op = history.ops.run_of(from);
        for run in graph.run_of(from)..graph.count() {
            if graph.start(run) >= to {
                break;
            }
            let (start, end) = (graph.start(run).max(from), graph.end(run).min(to));
            let cut = old.clamp(start, end);
            for (start, end) in [(start, cut), (cut, end)] {
                if start == end {
                    continue;
                }
                op = history.ops.run_after(op, start);
                let parents = all.parents.len() as u32;
                if start == graph.start(run) {
                    let inside = graph.parents(run).iter().filter(|&&lv| lv >= from);
                    all.parents.extend(inside.map(|&lv| At { lv, item: item_of(&all.items, lv) }));
                } else if start > from {
                    all.parents.push(At { lv: start - 1, item: all.items.len() as u32 - 1 });
                }
                all.items.push(Item { start, end, op: op as u32, parents });
            }
        }
        all
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// An event, with the item that holds it.
    pub(super) fn at(&self, lv: u32) -> At {
        At { lv, item: item_of(&self.items, lv) }
    }

    pub(super) fn get(&self, item: u32) -> Item {
        self.items[item as usize]
    }

    /// The parents of the item's first event that lie in the zone.
    pub(super) fn parents(&self, item: u32) -> &[At] {
        let end = self.items.get(item as usize + 1).map_or(self.parents.len(), |next| next.parents as usize);
        &self.parents[self.items[item as usize].parents as usize..end]
    }

    /// The runs of operations that hold the item's events.
    pub(super) fn ops(&self, item: u32) -> Range<usize> {
        let next = self.items.get(item as usize + 1);
        self.items[item as usize].op as usize..next.map_or(usize::MAX, |next| next.op as usize + 1)
    }

    /// An order of the items in which parents come first, what the text holds (the events below `old`) comes before the
    /// rest, and a branch is followed as long as it goes, so that little is taken back and forth.
    pub(super) fn order(&self, old: u32) -> Vec<u32> {
        // The children of an item, in local order, stand from its number in `first` to the next one's.
        let mut first = vec![0u32; self.len() + 1];
        for parent in &self.parents {
            first[parent.item as usize + 1] += 1;
        }
        for item in 0..self.len() {
            first[item + 1] += first[item];
        }
        let mut children = vec![0; self.parents.len()];
        let mut free = first.clone();
        let mut missing = vec![0u32; self.len()];
        for item in 0..self.len() as u32 {
            for parent in self.parents(item) {
                let free = &mut free[parent.item as usize];
                children[*free as usize] = item;
                *free += 1;
                missing[item as usize] += 1;
            }
        }
        let mut order = Vec::with_capacity(self.len());
        let (mut held, mut fresh) = (Vec::new(), Vec::new());
        let ready = |item: u32, held: &mut Vec<u32>, fresh: &mut Vec<u32>| {
            if self.get(item).start < old { held.push(item) } else { fresh.push(item) }
        };
        let roots = (0..self.len() as u32).rev().filter(|&item| missing[item as usize] == 0);
        roots.for_each(|item| ready(item, &mut held, &mut fresh));
        while let Some(item) = held.pop().or_else(|| fresh.pop()) {
            order.push(item);
            for &child in &children[first[item as usize] as usize..first[item as usize + 1] as usize] {
                missing[child as usize] -= 1;
                if missing[child as usize] == 0 {
                    ready(child, &mut held, &mut fresh);
                }
            }
        }
        order
    }
}

fn item_of(items: &[Item], lv: u32) -> u32 {
    items.partition_point(|item| item.start <= lv).saturating_sub(1) as u32
}
