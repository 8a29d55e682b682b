//! Every recorded trace reaches the content that it was recorded with.

use super::Builder;
use super::data::{Trace, trace, traces_beside};
use crate::{Agent, Text};

fn replayed(name: &str) {
    let Some(trace) = trace(name) else { return };
    let mut text = Text::new(Agent::new("a").unwrap());
    text.insert(0, &trace.start_content).unwrap();
    for (at, deleted, inserted) in trace.txns.iter().flat_map(|txn| &txn.patches) {
        let at = *at as usize;
        text.delete(at..at + *deleted as usize).unwrap();
        text.insert(at, inserted).unwrap();
    }
    assert!(text.to_string() == trace.end_content);
    // The same events, walked from nothing, take the same way.
    let mut again = Builder { history: text.history, ..Builder::default() };
    assert!(again.text() == trace.end_content);
}

/// The transactions in a causal order, chosen by `pick`: which of so many that could be next.
fn causal_order(trace: &Trace, mut pick: impl FnMut(usize) -> usize) -> Vec<usize> {
    let mut missing: Vec<usize> = trace.txns.iter().map(|txn| txn.parents.len()).collect();
    let mut children = vec![Vec::new(); trace.txns.len()];
    for (at, txn) in trace.txns.iter().enumerate() {
        txn.parents.iter().for_each(|&parent| children[parent].push(at));
    }
    let mut ready: Vec<usize> = (0..missing.len()).filter(|&at| missing[at] == 0).collect();
    let mut order = Vec::new();
    while !ready.is_empty() {
        let at = ready.swap_remove(pick(ready.len()));
        order.push(at);
        for &child in &children[at] {
            missing[child] -= 1;
            if missing[child] == 0 {
                ready.push(child);
            }
        }
    }
    order
}

/// Merges a trace in an order, bringing the text up to date after every `step` transactions.
fn merged(trace: &Trace, order: &[usize], step: usize) {
    let mut builder = Builder::default();
    let mut last = vec![0; trace.txns.len()];
    for (count, &at) in order.iter().enumerate() {
        let txn = &trace.txns[at];
        let parents: Vec<u32> = txn.parents.iter().map(|&parent| last[parent]).collect();
        let patches: Vec<_> = txn.patches.iter().map(|(at, del, ins)| (*at, *del, ins.as_str())).collect();
        last[at] = builder.push(&format!("agent {:03}", txn.agent), &parents, &patches);
        if count % step == step - 1 {
            builder.catch_up();
        }
    }
    assert_eq!(order.len(), trace.txns.len());
    assert!(builder.text() == trace.end_content);
}

fn merged_in_any_order(name: &str, orders: u64) {
    let Some(trace) = trace(name) else { return };
    let recorded: Vec<usize> = (0..trace.txns.len()).collect();
    merged(&trace, &recorded, usize::MAX);
    merged(&trace, &recorded, 100);
    for seed in 1..=orders {
        let mut state = seed;
        // An order that mostly follows one branch, and jumps now and then.
        let order = causal_order(&trace, |count| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let random = (state >> 33) as usize;
            if random.is_multiple_of(seed as usize) { random / 7 % count } else { count - 1 }
        });
        merged(&trace, &order, usize::MAX);
        merged(&trace, &order, 350 * seed as usize);
    }
}

#[test]
fn automerge_paper_is_replayed() {
    replayed("automerge-paper");
}

#[test]
fn rustcode_is_replayed() {
    replayed("rustcode");
}

#[test]
fn sveltecomponent_is_replayed() {
    replayed("sveltecomponent");
}

#[test]
fn friendsforever_is_merged_in_any_order() {
    merged_in_any_order("friendsforever", 3);
}

#[test]
fn clownschool_is_merged_in_any_order() {
    merged_in_any_order("clownschool", 3);
}

#[test]
fn a_git_history_is_merged_in_any_order() {
    merged_in_any_order("A1", 3);
}

/// Whatever else there is.
#[test]
fn further_traces_reach_their_end() {
    let tested = ["automerge-paper", "rustcode", "sveltecomponent", "friendsforever", "clownschool", "A1"];
    for name in traces_beside(&tested) {
        let Some(trace) = trace(&name) else { continue };
        match trace.txns.iter().all(|txn| txn.parents.is_empty()) {
            true => replayed(&name),
            false => merged_in_any_order(&name, 1),
        }
        println!("{name}: as recorded");
    }
}
