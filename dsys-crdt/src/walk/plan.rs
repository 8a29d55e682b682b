//! Which events are walked together, and in which order.

use crate::history::{Graph, History};

/// Events between two critical versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// `from..to`, each the only parent of the next.
    Line(u32, u32),
    /// `from..to`, with branches.
    Zone(u32, u32),
}

/// A run of the graph, or the part of one that the text does not hold yet.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The parents of the first event that lie in the zone.
    pub(super) parents: Vec<u32>,
}

/// Cuts the history at its critical versions, from the last one that the text, which holds the events below `old`,
/// precedes or is.
///
/// The version after event `x` is critical if no event after `x`, and no head, has a parent before `x`: local numbers are
/// in causal order, so what is after `x` follows it then, and what is before precedes it.
pub(super) fn stretches(history: &History, old: u32) -> Vec<Stretch> {
    let graph = &history.graph;
    let mut found = Vec::new();
    // Events from here on are in `found`; the lowest number that an event or a head there refers to, if all do.
    let mut done = graph.len();
    let mut lowest = graph.heads().first().copied();
    for run in (0..graph.count()).rev() {
        let (start, end) = (graph.start(run), graph.end(run));
        if let Some(lowest) = lowest.filter(|&lowest| lowest >= start) {
            // The versions after `start`, ..., after `critical - 1` are critical.
            let critical = end.min(lowest + 1);
            if done > critical {
                found.push(Stretch::Zone(critical, done));
            }
            // The run's first event has other parents than its predecessor, or would not begin a run.
            let line = if start == 0 { 0 } else { start + 1 };
            if line.max(old) < critical {
                found.push(Stretch::Line(line.max(old), critical));
            }
            done = line;
            if done <= old {
                break;
            }
        }
        lowest = lowest.zip(graph.parents(run).first()).map(|(lowest, &parent)| lowest.min(parent));
    }
    if done > old {
        found.push(Stretch::Zone(0, done));
    }
    // The last one found may lie in what the text holds already.
    found.retain(|&(Stretch::Line(_, to) | Stretch::Zone(_, to))| to > old);
    found.reverse();
    found
}

/// The runs of a zone, in local order.
pub(super) fn items(history: &History, from: u32, old: u32, to: u32) -> Vec<Item> {
    let graph = &history.graph;
    let mut items = Vec::new();
    let mut run = graph.run_of(from);
    while run < graph.count() && graph.start(run) < to {
        let (start, end) = (graph.start(run).max(from), graph.end(run).min(to));
        let mut cuts = [(start, end), (end, end)];
        if start < old && old < end {
            cuts = [(start, old), (old, end)];
        }
        for (start, end) in cuts {
            if start < end {
                let parents =
                    parents_of(graph, run, start).into_iter().filter(|&each| each >= from).collect();
                items.push(Item { start, end, parents });
            }
        }
        run += 1;
    }
    items
}

fn parents_of(graph: &Graph, run: usize, lv: u32) -> Vec<u32> {
    if lv == graph.start(run) { graph.parents(run).to_vec() } else { vec![lv - 1] }
}

/// An order of the items in which parents come first, what the text holds comes before the rest, and a branch is
/// followed as long as it goes, so that little is taken back and forth.
pub(super) fn order(items: &[Item], old: u32) -> Vec<usize> {
    let item_of = |lv: u32| items.partition_point(|item| item.start <= lv).saturating_sub(1);
    let mut missing: Vec<usize> = vec![0; items.len()];
    let mut children: Vec<(usize, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut parents: Vec<usize> = item.parents.iter().map(|&lv| item_of(lv)).collect();
        parents.dedup();
        if let Some(missing) = missing.get_mut(index) {
            *missing = parents.len();
        }
        children.extend(parents.into_iter().map(|parent| (parent, index)));
    }
    children.sort_unstable();
    let mut order = Vec::with_capacity(items.len());
    let (mut held, mut fresh) = (Vec::new(), Vec::new());
    for (index, _) in missing.iter().enumerate().rev().filter(|(_, missing)| **missing == 0) {
        if items.get(index).is_some_and(|item| item.start < old) {
            held.push(index)
        } else {
            fresh.push(index)
        }
    }
    while let Some(index) = held.pop().or_else(|| fresh.pop()) {
        order.push(index);
        let first = children.partition_point(|&(parent, _)| parent < index);
        let own =
            children.get(first..).unwrap_or_default().iter().take_while(|&&(parent, _)| parent == index);
        for &(_, child) in own {
            let Some(missing) = missing.get_mut(child) else { continue };
            *missing -= 1;
            if *missing == 0 {
                if items.get(child).is_some_and(|item| item.start < old) {
                    held.push(child)
                } else {
                    fresh.push(child)
                }
            }
        }
    }
    order
}
