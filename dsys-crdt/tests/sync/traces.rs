//! Recorded editing histories, synced in pieces between two nodes of the simulator.

use std::collections::BTreeMap;
use std::time::Duration;

use dsys_core::{NodeId, SecretKey};
use dsys_crdt::change::{ChangeId, Open, encode};
use dsys_crdt::doc::{Doc, Value};
use dsys_sim::{Config, Network};

use crate::data::{Trace, Txn, trace, traces_beside};
use crate::replica::{Act, OURS, Replica};

fn edit(doc: &mut Doc<Open>, key: &SecretKey, txns: &[Txn]) -> ChangeId {
    let change = doc.change(key, 0, |doc| {
        txns.iter().flat_map(|txn| &txn.patches).try_for_each(|(at, deleted, inserted)| {
            let (at, deleted) = (*at as usize, *deleted as usize);
            doc.delete_text("/text", at..at + deleted)?;
            doc.insert_text("/text", at, inserted)
        })
    });
    change.unwrap().header.id()
}

struct Branch {
    replica: Doc<Open>,
    /// The last transaction that was made there.
    last: usize,
}

/// The transactions that one had seen, back to those which the branch has; those among them too.
fn seen_since(trace: &Trace, ids: &[ChangeId], branch: &Branch, txn: &Txn) -> Vec<usize> {
    let (mut seen, mut due) = (Vec::new(), txn.parents.clone());
    while let Some(at) = due.pop() {
        if !seen.contains(&at) {
            seen.push(at);
            if branch.replica.log().get(&ids[at]).is_none() {
                due.extend(&trace.txns[at].parents);
            }
        }
    }
    seen
}

/// The document, written by its authors on replicas of their own, as far as each had seen the others.
fn written(trace: &Trace) -> Doc<Open> {
    let (owner, mut doc) = (SecretKey::from_bytes([255; 32]), Doc::new(OURS, Open));
    doc.change(&owner, 0, |doc| doc.set("/text", Value::Text(trace.start_content.clone()))).unwrap();
    if trace.txns.iter().all(|txn| txn.parents.is_empty()) {
        // In order; some hundred edits make a change.
        for txns in trace.txns.chunks(trace.txns.len().div_ceil(1_500)) {
            edit(&mut doc, &owner, txns);
        }
        return doc;
    }
    let begun = doc.clone();
    // An author has a replica, and a key, for each branch that goes on beside others.
    let mut branches: BTreeMap<u32, Vec<Branch>> = BTreeMap::new();
    let mut ids: Vec<ChangeId> = Vec::new();
    for (number, txn) in trace.txns.iter().enumerate() {
        let branches = branches.entry(txn.agent).or_default();
        let goes_on = |branch: &Branch| seen_since(trace, &ids, branch, txn).contains(&branch.last);
        let at = branches.iter().rposition(goes_on).unwrap_or_else(|| {
            branches.push(Branch { replica: begun.clone(), last: number });
            branches.len() - 1
        });
        let branch = &mut branches[at];
        // What the author saw, and has not got here yet.
        let mut lacking = seen_since(trace, &ids, branch, txn);
        lacking.retain(|seen| branch.replica.log().get(&ids[*seen]).is_none());
        lacking.sort_unstable();
        branch.last = number;
        let replica = &mut branch.replica;
        let changes: Vec<_> = lacking.iter().map(|at| doc.log().get(&ids[*at]).unwrap().clone()).collect();
        assert_eq!(replica.receive(changes, 0).0.refused, []);
        let mut bytes = [1; 32];
        bytes[..4].copy_from_slice(&txn.agent.to_le_bytes());
        bytes[4..8].copy_from_slice(&(at as u32).to_le_bytes());
        let key = SecretKey::from_bytes(bytes);
        let id = edit(replica, &key, std::slice::from_ref(txn));
        let change = replica.log().get(&id).unwrap().clone();
        doc.receive([change], 0);
        ids.push(id);
    }
    doc
}

fn syncs(name: &str) {
    let Some(trace) = trace(name) else { return };
    let doc = written(&trace);
    let mut network = Network::new(Config::new(1));
    let ids: [NodeId; 2] = [network.id(0), network.id(1)];
    network.set_spawn(move |id, disk| {
        Replica::new(id, disk, vec![(OURS, ids.into_iter().filter(|other| *other != id).collect())], &[])
    });
    network.join();
    let changes = encode(&doc.log().since(&[]));
    let bytes = changes.len();
    network.command(ids[0], Act::Take(OURS, changes));
    network.run_for(Duration::from_secs(1));
    network.join();
    network.run_for(Duration::from_secs(60));
    let replica = |at: usize| network.machine(ids[at]).unwrap();
    for at in [0, 1] {
        let there = replica(at).doc(&OURS).unwrap();
        assert!(there.get("/text") == Some(Value::Text(trace.end_content.clone())), "{name} at {at}");
        assert_eq!((there.heads(), there.log().len()), (doc.heads(), doc.log().len()), "{name}");
    }
    let stats = replica(0).sync.stats();
    assert_eq!(stats.sent as usize, doc.log().len(), "{name}: nothing twice");
    println!("{name}: {} changes, {bytes} bytes whole, {} in pieces", doc.log().len(), stats.sent_bytes);
}

#[test]
fn sequential_traces() {
    ["automerge-paper", "rustcode", "sveltecomponent"].into_iter().for_each(syncs);
}

#[test]
fn friendsforever() {
    syncs("friendsforever");
}

#[test]
fn clownschool() {
    syncs("clownschool");
}

/// A file's history in git: 204 people on long branches, each of whom has a key for each branch.
#[test]
#[ignore = "long: a minute or two without optimisation"]
fn long_branches() {
    syncs("A1");
}

/// Whatever else there is.
#[test]
fn further_traces() {
    let tested = ["automerge-paper", "rustcode", "sveltecomponent", "friendsforever", "clownschool", "A1"];
    traces_beside(&tested).iter().for_each(|name| syncs(name));
}
