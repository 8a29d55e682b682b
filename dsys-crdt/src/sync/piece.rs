//! What is told of a log, and in which pieces. Only its first changes may be: see [`Library::look`](super::Library::look).

use std::collections::{BTreeSet, VecDeque};

use crate::change::{ChangeId, Log, Policy};

/// Longer ones are encoded for each.
const KEPT: usize = 4 << 10;

/// The changes among the first `told` that none of these follows; or a few more, which say the same.
pub(super) fn heads<P: Policy>(log: &Log<P>, told: u32, most: usize) -> Vec<ChangeId> {
    let graph = log.graph();
    let hidden = (told..log.len() as u32).flat_map(|number| graph.parents(number).iter().copied());
    let numbers: BTreeSet<u32> = log.tips().chain(hidden).filter(|number| *number < told).collect();
    numbers.into_iter().rev().take(most).filter_map(|number| log.id_of(number)).collect()
}

/// A sparse list of what is here, the newest first where there is no room for all.
pub(super) fn have<P: Policy>(log: &Log<P>, told: u32, most: usize) -> Vec<ChangeId> {
    let mut have = heads(log, told, most);
    let told = |id: &ChangeId| log.number(id).is_some_and(|number| number < told);
    let mut rest: Vec<ChangeId> = log.summary().into_iter().filter(told).collect();
    rest.sort_by_key(|id| std::cmp::Reverse(log.number(id)));
    have.extend(rest);
    have.truncate(most);
    have
}

/// The numbers of what may be told to somebody who has these; none if it lacks what was cut here, which others may have.
pub(super) fn lacking<P: Policy>(log: &Log<P>, told: u32, known: &[ChangeId]) -> Option<VecDeque<u32>> {
    if known.is_empty() && log.trimmed() == 0 {
        return Some((0..told).collect());
    }
    // In the common case it is the last few, or nothing.
    let tips: BTreeSet<u32> = log.tips().collect();
    let has: BTreeSet<u32> = known.iter().filter_map(|id| log.number(id)).collect();
    if tips.is_subset(&has) {
        return Some(VecDeque::new());
    }
    let told = log.trimmed() as u32..told;
    let lacking = || log.lacking(known).into_iter().filter(|number| told.contains(number)).collect();
    (!log.is_cut_for(known)).then(lacking)
}

/// Takes changes off the queue for one piece of about `size` bytes. A piece ends where each author's last change
/// in it is signed, for an unsigned one is vouched for by a later one. None if there is no such place yet.
pub(super) fn next<P: Policy>(log: &Log<P>, queue: &mut VecDeque<u32>, size: usize) -> Option<Vec<u32>> {
    let mut unsigned: BTreeSet<u32> = BTreeSet::new();
    let (mut bytes, mut end) = (0, 0);
    for (at, &number) in queue.iter().enumerate() {
        let change = log.at(number)?;
        bytes += 8 + change.body.len() + 32 * change.header.others.len();
        // With its first change a piece may be of any size, which the log's bounds have let in.
        if bytes > size && end > 0 {
            break;
        }
        let (line, _) = log.graph().place(number);
        match change.signature {
            Some(_) => unsigned.remove(&line),
            None => unsigned.insert(line),
        };
        if unsigned.is_empty() {
            end = at + 1;
        }
    }
    if end == 0 {
        return None;
    }
    Some(queue.drain(..end).collect())
}

/// Changes as bytes. A new one goes to many, one after the other, so that the last that went alone is kept.
pub(super) fn encode<P: Policy>(
    log: &Log<P>,
    numbers: &[u32],
    alone: &mut Option<(ChangeId, Vec<u8>)>,
) -> Vec<u8> {
    let id = if let [only] = numbers { log.id_of(*only) } else { None };
    if let Some((_, bytes)) = alone.as_ref().filter(|(kept, _)| Some(*kept) == id) {
        return bytes.clone();
    }
    let bytes = log.encode_sparingly_signed(numbers);
    if let Some(id) = id.filter(|_| bytes.len() < KEPT) {
        *alone = Some((id, bytes.clone()));
    }
    bytes
}
