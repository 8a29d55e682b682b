//! What two versions do not share.

use std::collections::BinaryHeap;

use crate::history::Graph;

/// Ranges of events, the latest first.
pub(super) type Ranges = Vec<(u32, u32)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    A,
    B,
    Both,
}

/// The events from number `from` on that only version `a` has, and those that only version `b` has.
///
/// Walks back from both, the latest event first, until everything that is left to visit is in both.
pub(super) fn diff(graph: &Graph, from: u32, a: &[u32], b: &[u32]) -> (Ranges, Ranges) {
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    let mut queue: BinaryHeap<(u32, Side)> = BinaryHeap::new();
    queue.extend(a.iter().map(|&lv| (lv, Side::A)));
    queue.extend(b.iter().map(|&lv| (lv, Side::B)));
    let mut unshared = queue.len();
    while unshared > 0 {
        let Some((mut lv, mut side)) = queue.pop() else { break };
        unshared -= usize::from(side != Side::Both);
        let run = graph.run_of(lv);
        let start = graph.start(run).max(from);
        // All that is queued in the same run is an ancestor of this one, or the same.
        while let Some(&(next, other)) = queue.peek()
            && next >= start
        {
            queue.pop();
            unshared -= usize::from(other != Side::Both);
            record(side, next + 1, lv + 1, &mut only_a, &mut only_b);
            lv = next;
            if other != side {
                side = Side::Both;
            }
        }
        record(side, start, lv + 1, &mut only_a, &mut only_b);
        if start == graph.start(run) {
            for &parent in graph.parents(run).iter().filter(|&&parent| parent >= from) {
                queue.push((parent, side));
                unshared += usize::from(side != Side::Both);
            }
        }
    }
    (only_a, only_b)
}

fn record(side: Side, from: u32, to: u32, only_a: &mut Ranges, only_b: &mut Ranges) {
    if from < to {
        match side {
            Side::A => only_a.push((from, to)),
            Side::B => only_b.push((from, to)),
            Side::Both => {}
        }
    }
}
