//! A tree of 100,000 nodes at two replicas, each of which moves 10,000 of them without knowing of the other: dsys-crdt beside
//! loro, CPU time, rounds that take turns in one process; and what it costs that changes are signed.
//! `cargo run --release -p types`

use std::collections::BTreeMap;
use std::time::Duration;

use cpu_time::ProcessTime;
use dsys_core::{Domain, SecretKey};
use dsys_crdt::Agent;
use dsys_crdt::change::{Change, DocumentId, Log, Open};
use dsys_crdt::doc::{Doc, Value};
use dsys_crdt::laws::Random;
use dsys_crdt::types::{Move, Spot, Tree, TreeId};
use loro::{ExportMode, LoroDoc, TreeID, TreeParentId};

const NODES: usize = 100_000;
const MOVES: usize = 10_000;
const ROUNDS: usize = 5;

/// The parent of each node, by number, and the moves of both replicas: node and new parent.
struct Work {
    parents: Vec<Option<usize>>,
    moves: [Vec<(usize, usize)>; 2],
}

fn work() -> Work {
    let mut random = Random::new(7);
    let mut pick = |below: usize| random.below(below as u64) as usize;
    let parents = (0..NODES).map(|node| (node >= 100).then(|| pick(node))).collect();
    let moves = [0, 1].map(|_| (0..MOVES).map(|_| (pick(NODES), pick(NODES))).collect());
    Work { parents, moves }
}

#[derive(Default)]
struct Figures(BTreeMap<&'static str, Vec<Duration>>);

impl Figures {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = ProcessTime::now();
        let result = work();
        self.0.entry(name).or_default().push(start.elapsed());
        result
    }
}

fn ours(work: &Work, figures: &mut Figures) {
    let agents = ["base", "left", "right"].map(|name| Agent::new(name).expect("a name"));
    let mut tree = Tree::default();
    let ids = figures.time("create, dsys-crdt", || {
        let mut ids: Vec<TreeId> = Vec::new();
        for parent in &work.parents {
            let parent = parent.map_or(&TreeId::Root, |parent| &ids[parent]);
            ids.push(tree.create(&agents[0], parent, Spot::Last).expect("room").id());
        }
        ids
    });
    let mut replicas = [tree.clone(), tree];
    let mut sent = Vec::new();
    for (at, replica) in replicas.iter_mut().enumerate() {
        let moves: Vec<Move> = figures.time("move, dsys-crdt", || {
            let moves = work.moves[at].iter();
            moves
                .filter_map(|&(node, to)| {
                    replica.move_to(&agents[at + 1], &ids[node], &ids[to], Spot::Last).ok()
                })
                .collect()
        });
        sent.push(figures.time("encode moves, dsys-crdt", || Tree::encode_moves(&moves)));
    }
    for (replica, bytes) in replicas.iter_mut().zip(sent.iter().rev()) {
        figures.time("merge, dsys-crdt", || {
            let moves: Vec<Move> = Tree::decode_moves(bytes).expect("moves");
            replica.apply_all(moves)
        });
    }
    assert!(ids.iter().all(|id| replicas[0].parent(id) == replicas[1].parent(id)));
    let moves = replicas[0].moves();
    let whole = postcard::to_allocvec(&replicas[0]).expect("bytes");
    let bytes = sent[0].len();
    let loaded: Tree = figures.time("load, dsys-crdt", || postcard::from_bytes(&whole).expect("a tree"));
    assert_eq!(loaded.moves().len(), moves.len());
    println!("dsys-crdt: {bytes} bytes of moves to send, {} for the whole", whole.len());
}

fn loro(work: &Work, figures: &mut Figures) {
    let doc = LoroDoc::new();
    let tree = doc.get_tree("tree");
    tree.enable_fractional_index(0);
    let ids = figures.time("create, loro", || {
        let mut ids: Vec<TreeID> = Vec::new();
        for parent in &work.parents {
            let parent = parent.map_or(TreeParentId::Root, |parent| TreeParentId::Node(ids[parent]));
            ids.push(tree.create(parent).expect("room"));
        }
        doc.commit();
        ids
    });
    let replicas = [doc.fork(), doc];
    let versions = [0, 1].map(|at| replicas[at].oplog_vv());
    for (at, replica) in replicas.iter().enumerate() {
        figures.time("move, loro", || {
            let tree = replica.get_tree("tree");
            for &(node, to) in &work.moves[at] {
                let _ = tree.mov(ids[node], TreeParentId::Node(ids[to]));
            }
            replica.commit();
        });
    }
    let sent = [0, 1].map(|at| replicas[at].export(ExportMode::updates(&versions[at])).expect("bytes"));
    for (replica, bytes) in replicas.iter().zip(sent.iter().rev()) {
        figures.time("merge, loro", || replica.import(bytes).expect("moves"));
    }
    let trees = [0, 1].map(|at| replicas[at].get_tree("tree"));
    assert!(ids.iter().all(|id| trees[0].parent(*id) == trees[1].parent(*id)));
    let whole = replicas[0].export(ExportMode::all_updates()).expect("bytes");
    figures.time("load, loro", || {
        let doc = LoroDoc::new();
        doc.import(&whole).expect("a tree");
        doc.get_tree("tree").parent(ids[0])
    });
    println!("loro: {} bytes of moves to send, {} for the whole", sent[0].len(), whole.len());
}

/// A signed history of 100,000 changes, and 10,000 of them one by one.
fn signed(figures: &mut Figures) {
    let keys = [1, 2, 3].map(|byte| SecretKey::from_bytes([byte; 32]));
    let new = || Log::new(DocumentId::from_bytes([7; 32]), Open);
    let (mut log, mut apart) = (new(), new());
    let mut live: Vec<Change> = Vec::new();
    for step in 0..100_000u64 {
        let body = [step.to_le_bytes().as_slice(), b"twenty bytes"].concat();
        // The third author writes without the others, and meets them now and then.
        let at = if step % 3 == 2 { &mut apart } else { &mut log };
        let change = at.commit(&keys[step as usize % 3], step, body).expect("open");
        if step % 60 == 59 {
            apart.receive(log.since(&apart.summary()), step);
            log.receive(apart.since(&log.summary()), step);
        }
        if live.len() < 10_000 {
            live.push(change);
        }
    }
    log.receive(apart.since(&log.summary()), 100_000);
    let bytes = log.encode_since(&[]);
    let mut whole = new();
    let received = figures
        .time("signed, 100,000 at once", || whole.decode_and_receive(&bytes, 100_000).expect("changes"));
    assert_eq!((received.accepted, whole.heads()), (100_000, log.heads()));
    let mut one_by_one = new();
    figures.time("signed, 10,000 one by one", || {
        live.iter().for_each(|change| drop(one_by_one.receive([change.clone()], 100_000)));
    });
    assert_eq!((one_by_one.len(), one_by_one.waiting()), (10_000, 0));
    let domain = Domain::from_static("bench/1");
    let signature = keys[0].sign(domain, &[7; 32]);
    figures.time("signatures alone, 10,000", || {
        (0..10_000).for_each(|_| keys[0].public().verify(domain, &[7; 32], &signature).expect("good"));
    });
    println!("signed: {} bytes for 100,000 changes", bytes.len());
}

/// A document in which three authors type 9,000 times, each time a change of its own, and set entries of a map.
fn document(figures: &mut Figures) {
    let keys = [1, 2, 3].map(|byte| SecretKey::from_bytes([byte; 32]));
    let mut first = Doc::new(DocumentId::from_bytes([7; 32]), Open);
    let made = first.change(&keys[0], 0, |doc| {
        doc.set("/text", Value::Text(String::new()))?;
        doc.set("/map", Value::Map(BTreeMap::new()))
    });
    made.expect("an empty document");
    let mut replicas = vec![first; 3];
    figures.time("document, 9,000 signed changes made", || {
        for step in 0..9_000usize {
            let doc = &mut replicas[step / 30 % 3];
            let length = doc.count("/text").unwrap_or(0);
            let made = doc.change(&keys[step / 30 % 3], 0, |doc| {
                doc.insert_text("/text", (step / 40).min(length), "k")?;
                if step % 10 == 0 { doc.set(&format!("/map/{step}"), step as i64) } else { Ok(()) }
            });
            made.expect("an edit");
            // The others go on typing for a while before they hear of it.
            if step % 90 == 89 {
                for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
                    let lacking = replicas[from].log().since(&replicas[to].summary());
                    replicas[to].receive(lacking, 0);
                }
            }
        }
    });
    let bytes = replicas[0].encode_since(&[]);
    let mut whole = Doc::new(DocumentId::from_bytes([7; 32]), Open);
    figures.time("document, 9,000 at once", || whole.decode_and_receive(&bytes, 0).expect("changes"));
    assert_eq!(whole.value(), replicas[0].value());
    println!("document: {} bytes for 9,000 changes", bytes.len());
}

fn main() {
    let work = work();
    let mut figures = Figures::default();
    for _ in 0..ROUNDS {
        ours(&work, &mut figures);
        loro(&work, &mut figures);
    }
    for _ in 0..3 {
        signed(&mut figures);
        document(&mut figures);
    }
    for (name, mut times) in figures.0 {
        times.sort();
        println!(
            "{name}: {:.2} ms CPU (median of {})",
            times[times.len() / 2].as_secs_f64() * 1e3,
            times.len()
        );
    }
}
