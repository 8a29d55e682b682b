//! Histories that would cost too much are refused, and cost nothing when they are allowed to.

use super::Builder;
use crate::history::Kind;
use crate::{Agent, DecodeError, Text};

/// The changes that a builder holds, as a peer would send them.
fn changes(builder: Builder) -> Vec<u8> {
    let mut text = Text::new(Agent::new("hostile").unwrap());
    text.history = builder.history;
    text.changes_since(&Default::default()).unwrap()
}

fn refused(changes: &[u8], limit: &'static str) -> Text {
    let mut text = Text::new(Agent::new("honest").unwrap());
    text.insert(0, "mine").unwrap();
    assert_eq!(text.apply(changes), Err(DecodeError::Limit(limit)));
    assert_eq!((text.to_string().as_str(), text.events()), ("mine", 4));
    text
}

/// Two branches of `n` × `n` edits, and a merge of every `n`th version of the one with every `n`th of the other: whatever
/// the order, to go from merge to merge is to go back and forth on the branches.
fn grid(n: usize) -> Builder {
    let mut builder = Builder::default();
    let mut branch = |name: &str| {
        let mut versions = Vec::new();
        let mut parents = Vec::new();
        for _ in 0..n {
            // In front of the last: none of them joins.
            let last = builder.push(name, &parents, &vec![(0, 0, "x"); n]);
            versions.push(last);
            parents = vec![last];
        }
        versions
    };
    let (left, right) = (branch("left"), branch("right"));
    for (at, &l) in left.iter().enumerate() {
        for (to, &r) in right.iter().enumerate() {
            builder.push(&format!("{at} {to}"), &[l, r], &[(0, 0, "m")]);
        }
    }
    builder
}

#[test]
fn a_walk_back_and_forth_ends_at_the_limit() {
    let changes = changes(grid(50));
    let mut text = refused(&changes, "steps_per_edit");
    let mut limits = text.limits();
    limits.steps_per_edit = u32::MAX;
    text.set_limits(limits);
    assert_eq!(text.apply(&changes), Ok(3 * 2_500));
}

#[test]
fn events_that_are_only_claimed_get_no_memory() {
    let mut builder = Builder::default();
    builder.push("a", &[], &[(0, 0, "x")]);
    let b = builder.history.agents.number(&Agent::new("b").unwrap());
    // A few bytes, and eight gigabytes if they were believed.
    let claimed = (1 << 31) - 10;
    builder.history.agents.push(b, 1, claimed);
    builder.history.graph.push(&[], claimed);
    builder.history.ops.push_run(Kind::Delete, 0, claimed, "");
    let changes = changes(builder);
    assert!(changes.len() < 100);
    refused(&changes, "events_in_walk");
}

#[test]
fn branches_are_counted() {
    let mut builder = Builder::default();
    for at in 0..101 {
        builder.push(&format!("{at}"), &[], &[(0, 0, "x")]);
    }
    let changes = changes(builder);
    let mut text = Text::new(Agent::new("honest").unwrap());
    let mut limits = text.limits();
    limits.branches = 100;
    text.set_limits(limits);
    assert_eq!(text.apply(&changes), Err(DecodeError::Limit("branches")));
    limits.branches = 101;
    text.set_limits(limits);
    assert_eq!(text.apply(&changes), Ok(101));
}
