//! What changes take as bytes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dsys_crdt::change::{Change, Open};
use dsys_crdt::doc::{Doc, DocError, Edit, TreeNode, Value};
use dsys_crdt::laws::Random;

use crate::{empty, key};

/// What `number` changes take, of `ops / number` edits each: bodies, all of them sent, a snapshot; and the time.
fn measure(
    name: &str,
    base: &Doc<Open>,
    author: u8,
    (ops, number): (usize, usize),
    mut edit: impl FnMut(&mut Edit<'_>, usize) -> Result<(), DocError>,
) {
    let mut doc = base.clone();
    let (mut made, mut read) = (Duration::MAX, Duration::MAX);
    let mut bytes = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    for _ in 0..5 {
        doc = base.clone();
        let started = Instant::now();
        let each = ops / number;
        changes = (0..number)
            .map(|at| {
                let mut edits = at * each..(at + 1) * each;
                doc.change(&key(author), 0, |doc| edits.try_for_each(|at| edit(doc, at))).unwrap()
            })
            .collect();
        made = made.min(started.elapsed());
        bytes = doc.encode_since(&base.heads());
        let mut there = base.clone();
        let started = Instant::now();
        there.decode_and_receive(&bytes, 0).unwrap();
        read = read.min(started.elapsed());
        assert_eq!(there.heads(), doc.heads());
    }
    let bodies: usize = changes.iter().map(|change| change.body.len()).sum();
    let snapshot = doc.snapshot(0).unwrap();
    let chunks: usize = snapshot.chunks.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "{name}: bodies {bodies} bytes, {:.1} each; sent {}, {:.1} each; snapshot {} + {chunks}; made {made:.1?}, read {read:.1?}",
        bodies as f64 / ops as f64,
        bytes.len(),
        bytes.len() as f64 / ops as f64,
        snapshot.head.len(),
    );
}

#[test]
#[ignore = "a measurement"]
fn measure_bodies() {
    let mut random = Random::new(7);
    let mut pick = |below: usize| random.below(below as u64) as usize;
    let (nodes, moves) = (100_000, 10_000);
    let tree: Vec<TreeNode> = (0..nodes)
        .map(|at| {
            let parent = (at >= 100).then(|| pick(at).to_string());
            TreeNode { id: at.to_string(), parent, value: BTreeMap::new() }
        })
        .collect();
    let mut doc = empty();
    doc.change(&key(1), 0, |doc| doc.set("/tree", Value::Tree(tree.clone()))).unwrap();
    let ids: Vec<String> = match doc.get("/tree") {
        Some(Value::Tree(nodes)) => nodes.into_iter().map(|node| node.id).collect(),
        _ => Vec::new(),
    };
    // To the root's side of what is there, so that none makes a cycle: a node is moved below one of the first hundred.
    let work: Vec<(usize, usize)> = (0..moves).map(|_| (pick(nodes), pick(nodes))).collect();
    let moving = |doc: &mut Edit<'_>, at: usize| {
        let (node, to) = work[at];
        let _ = doc.move_node("/tree", &ids[node], Some(&ids[to]), None);
        Ok(())
    };
    measure("the tree, in one change", &empty(), 1, (1, 1), |doc, _| {
        doc.set("/tree", Value::Tree(tree.clone()))
    });
    measure("10,000 moves in a tree, one change of another", &doc, 2, (moves, 1), moving);
    measure("10,000 moves in a tree, 10,000 changes of another", &doc, 2, (moves, moves), moving);

    let elements: Vec<Value> = (0..nodes as i64).map(Value::Int).collect();
    let mut list = empty();
    list.change(&key(1), 0, |doc| doc.set("/list", Value::List(elements.clone()))).unwrap();
    let from: Vec<String> = work.iter().map(|(from, _)| format!("/list/{from}")).collect();
    let moving = |doc: &mut Edit<'_>, at: usize| doc.move_to(&from[at], work[at].1);
    measure("a list of 100,000, one change", &empty(), 1, (1, 1), |doc, _| {
        doc.set("/list", Value::List(elements.clone()))
    });
    measure("10,000 moves in a list, one change of another", &list, 2, (moves, 1), moving);
    measure("10,000 moves in a list, 10,000 changes of another", &list, 2, (moves, moves), moving);

    let map: BTreeMap<String, Value> =
        (0..nodes).map(|at| (format!("key {at:06}"), Value::Int(pick(1_000_000) as i64))).collect();
    measure("a map of 100,000 keys, one change", &empty(), 1, (1, 1), |doc, _| {
        doc.set("/map", Value::Map(map.clone()))
    });

    let mut text = empty();
    text.change(&key(1), 0, |doc| doc.set("/text", Value::Text("some text".into()))).unwrap();
    let typing = |doc: &mut Edit<'_>, at: usize| doc.insert_text("/text", 9 + at, "k");
    measure("1 keystroke of the author", &text, 1, (1, 1), typing);
    measure("1 keystroke of another", &text, 2, (1, 1), typing);
    measure("10,000 keystrokes of another, 10,000 changes", &text, 2, (moves, moves), typing);
    measure("1 entry of the root", &empty(), 1, (1, 1), |doc, _| doc.set("/a", 1));
}
