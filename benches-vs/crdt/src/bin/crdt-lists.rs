//! A list of 100,000 elements at two replicas, each of which moves 10,000 of them without knowing of the other, beside
//! loro's movable list; and a map of 1,000,000 keys beside loro's, yrs' and automerge's. CPU time, rounds that take turns in
//! one process. `cargo run --release -p crdt --bin crdt-lists -- [list|map] [divisor of the sizes]`

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ROOT, ReadDoc};
use cpu_time::ProcessTime;
use dsys_crdt::types::{Causal, Merge, MvRegister, OrMap};
use dsys_crdt::{Agent, List};
use loro::{ExportMode, LoroDoc, LoroMovableList};
use yrs::updates::decoder::Decode;
use yrs::{Map, ReadTxn, StateVector, Transact, Update};

const ROUNDS: usize = 5;

#[derive(Default)]
struct Figures(BTreeMap<String, Vec<Duration>>);

impl Figures {
    fn time<T>(&mut self, what: &str, who: &str, work: impl FnOnce() -> T) -> T {
        let start = ProcessTime::now();
        let result = work();
        self.0.entry(format!("{what}, {who}")).or_default().push(start.elapsed());
        result
    }

    fn print(mut self) {
        for (name, times) in &mut self.0 {
            times.sort();
            println!("{name:32} {:9.2} ms", times[times.len() / 2].as_secs_f64() * 1e3);
        }
    }
}

/// Positions: of insertions, in a list that grows; of moves at each replica.
struct Work {
    inserts: Vec<usize>,
    moves: [Vec<(usize, usize)>; 2],
}

fn work(elements: usize) -> Work {
    let mut state = 7u64;
    let mut pick = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    // Mostly one after the other, as people and programs do.
    let inserts = (0..elements).map(|at| if at % 10 == 0 { pick(at + 1) } else { at }).collect();
    let moves = [0, 1].map(|_| (0..elements / 10).map(|_| (pick(elements), pick(elements))).collect());
    Work { inserts, moves }
}

fn our_list(work: &Work, figures: &mut Figures) {
    let [base, left, right] = ["base", "left", "right"].map(|name| Agent::new(name).unwrap());
    let mut list: List<i64> = List::new(base);
    figures.time("list: insert one by one", "dsys-crdt", || {
        work.inserts.iter().enumerate().for_each(|(n, &at)| list.insert(at, n as i64).unwrap());
    });
    let before = list.version();
    let mut replicas = [list.clone(), list];
    let mut sent = Vec::new();
    for ((replica, moves), agent) in replicas.iter_mut().zip(&work.moves).zip([left, right]) {
        replica.set_agent(agent);
        figures.time("list: move 10 %", "dsys-crdt", || {
            moves.iter().for_each(|&(from, to)| replica.move_to(from, to).unwrap());
        });
        sent.push(replica.changes_since(&before));
    }
    for (replica, bytes) in replicas.iter_mut().zip(sent.iter().rev()) {
        figures.time("list: merge the other's moves", "dsys-crdt", || replica.apply(bytes).unwrap());
    }
    assert!(replicas[0].iter().eq(replicas[1].iter()) && replicas[0].len() == work.inserts.len());
    let whole = replicas[0].save();
    let loaded: List<i64> = figures
        .time("list: load", "dsys-crdt", || List::load(&whole, Agent::new("reader").unwrap()).unwrap());
    let sum: i64 = figures.time("list: read all", "dsys-crdt", || loaded.iter().sum());
    assert_eq!(sum, (0..work.inserts.len() as i64).sum::<i64>());
    println!("dsys-crdt: {} bytes of moves to send, {} for the whole", sent[0].len(), whole.len());
}

fn loro_list(work: &Work, figures: &mut Figures) {
    let list = |doc: &LoroDoc| -> LoroMovableList { doc.get_movable_list("list") };
    let doc = LoroDoc::new();
    figures.time("list: insert one by one", "loro", || {
        work.inserts.iter().enumerate().for_each(|(n, &at)| list(&doc).insert(at, n as i64).unwrap());
        doc.commit();
    });
    let before = doc.oplog_vv();
    let replicas = [doc.fork(), doc];
    let mut sent = Vec::new();
    for (replica, moves) in replicas.iter().zip(&work.moves) {
        figures.time("list: move 10 %", "loro", || {
            moves.iter().for_each(|&(from, to)| list(replica).mov(from, to).unwrap());
            replica.commit();
        });
        sent.push(replica.export(ExportMode::updates(&before)).unwrap());
    }
    for (replica, bytes) in replicas.iter().zip(sent.iter().rev()) {
        figures.time("list: merge the other's moves", "loro", || drop(replica.import(bytes).unwrap()));
    }
    assert_eq!(list(&replicas[0]).get_deep_value(), list(&replicas[1]).get_deep_value());
    let whole = replicas[0].export(ExportMode::all_updates()).unwrap();
    let loaded = figures.time("list: load", "loro", || {
        let doc = LoroDoc::new();
        doc.import(&whole).unwrap();
        doc
    });
    let mut count = 0;
    figures.time("list: read all", "loro", || list(&loaded).for_each(|_| count += 1));
    assert_eq!(count, work.inserts.len());
    println!("loro: {} bytes of moves to send, {} for the whole", sent[0].len(), whole.len());
}

type OurMap = Causal<OrMap<String, MvRegister<i64>>>;

fn our_map(keys: &[String], figures: &mut Figures) {
    let agent = Agent::new("a").unwrap();
    let mut map = OurMap::default();
    figures.time("map: set each key", "dsys-crdt", || {
        for (at, key) in keys.iter().enumerate() {
            map.change(&agent, |map| map.update(key.clone(), |value| value.set(at as i64))).unwrap();
        }
    });
    let bytes = figures.time("map: save", "dsys-crdt", || postcard::to_allocvec(&map).unwrap());
    let other: OurMap = figures.time("map: load", "dsys-crdt", || postcard::from_bytes(&bytes).unwrap());
    let mut empty = OurMap::default();
    figures.time("map: merge into nothing", "dsys-crdt", || empty.merge(&other));
    drop(empty);
    let read = |key: &String| *other.get(key).and_then(MvRegister::get).unwrap();
    let sum: i64 = figures.time("map: read each key", "dsys-crdt", || keys.iter().map(read).sum());
    assert_eq!(sum, (0..keys.len() as i64).sum::<i64>());
    println!("dsys-crdt: {} bytes for the map", bytes.len());
}

fn loro_map(keys: &[String], figures: &mut Figures) {
    let doc = LoroDoc::new();
    figures.time("map: set each key", "loro", || {
        let map = doc.get_map("map");
        keys.iter().enumerate().for_each(|(at, key)| map.insert(key, at as i64).unwrap());
        doc.commit();
    });
    let bytes = figures.time("map: save", "loro", || doc.export(ExportMode::Snapshot).unwrap());
    let other = LoroDoc::new();
    let map = figures.time("map: load", "loro", || {
        other.import(&bytes).unwrap();
        other.get_map("map")
    });
    let read = |key: &String| map.get(key).unwrap().into_value().unwrap().into_i64().unwrap();
    let sum: i64 = figures.time("map: read each key", "loro", || keys.iter().map(read).sum());
    assert_eq!(sum, (0..keys.len() as i64).sum::<i64>());
    println!("loro: {} bytes for the map", bytes.len());
}

fn yrs_map(keys: &[String], figures: &mut Figures) {
    let doc = yrs::Doc::new();
    let map = doc.get_or_insert_map("map");
    figures.time("map: set each key", "yrs", || {
        let mut write = doc.transact_mut();
        keys.iter().enumerate().for_each(|(at, key)| drop(map.insert(&mut write, key.as_str(), at as i64)));
    });
    let bytes = figures
        .time("map: save", "yrs", || doc.transact().encode_state_as_update_v2(&StateVector::default()));
    let other = yrs::Doc::new();
    let map = other.get_or_insert_map("map");
    figures.time("map: load", "yrs", || {
        other.transact_mut().apply_update(Update::decode_v2(&bytes).unwrap()).unwrap();
    });
    let look = other.transact();
    let read = |key: &String| map.get(&look, key).unwrap().cast::<i64>().unwrap();
    let sum: i64 = figures.time("map: read each key", "yrs", || keys.iter().map(read).sum());
    assert_eq!(sum, (0..keys.len() as i64).sum::<i64>());
    println!("yrs: {} bytes for the map", bytes.len());
}

fn automerge_map(keys: &[String], figures: &mut Figures) {
    let mut doc = AutoCommit::new();
    figures.time("map: set each key", "automerge", || {
        keys.iter().enumerate().for_each(|(at, key)| doc.put(ROOT, key.as_str(), at as i64).unwrap());
        doc.commit();
    });
    let bytes = figures.time("map: save", "automerge", || doc.save());
    let other = figures.time("map: load", "automerge", || AutoCommit::load(&bytes).unwrap());
    let read = |key: &String| other.get(ROOT, key.as_str()).unwrap().unwrap().0.to_i64().unwrap();
    let sum: i64 = figures.time("map: read each key", "automerge", || keys.iter().map(read).sum());
    assert_eq!(sum, (0..keys.len() as i64).sum::<i64>());
    println!("automerge: {} bytes for the map", bytes.len());
}

fn main() {
    let mut figures = Figures::default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let divisor = args.iter().find_map(|arg| arg.parse::<usize>().ok()).unwrap_or(1);
    let wants = |what: &str| !args.iter().any(|arg| ["list", "map"].contains(&&**arg) && arg != what);
    let work = work(100_000 / divisor);
    let keys: Vec<String> = (0..1_000_000 / divisor).map(|at| format!("key {at}")).collect();
    for _ in 0..ROUNDS {
        if wants("list") {
            our_list(&work, &mut figures);
            loro_list(&work, &mut figures);
        }
    }
    for round in 0..ROUNDS {
        if wants("map") {
            our_map(&keys, &mut figures);
            loro_map(&keys, &mut figures);
            yrs_map(&keys, &mut figures);
            // It takes much longer.
            if round == 0 {
                automerge_map(&keys, &mut figures);
            }
        }
    }
    figures.print();
}
