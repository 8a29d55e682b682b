//! Two sets of a million names with a hundred differences spread over them: who lacks what?

use cpu_time::ProcessTime;
use dsys_core::Rng;
use dsys_gossip::MessageId;
use dsys_gossip::reconcile::{Key, Peeler, Sketch, Way, choose};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::harness::{Args, Goal, line, median};

const NAME: &str = "negentropy 0.5";

/// What it took. CPU seconds: to take a name in, and to compare when all are in.
struct Run {
    bytes: f64,
    trips: f64,
    take: f64,
    compare: f64,
}

/// Names in the order of their time; of every hundredth part one side lacks one, in turns.
fn sets(size: usize, rng: &mut Rng) -> [Vec<(u64, [u8; 32])>; 2] {
    let mut sets = [Vec::with_capacity(size), Vec::with_capacity(size)];
    let every = size / 100;
    for at in 0..size {
        let mut name = [0; 32];
        rng.fill(&mut name);
        let lacks = (at % every == every / 2).then_some(at / every % 2);
        for (side, set) in sets.iter_mut().enumerate() {
            if lacks != Some(side) {
                set.push((at as u64, name));
            }
        }
    }
    sets
}

/// One asks, the other answers with cells; done, unless there were too few.
fn ours(sets: &[Vec<(u64, [u8; 32])>; 2]) -> Run {
    let [asking, answering] = sets;
    let name = |name: &[u8; 32]| MessageId(*name.first_chunk().expect("a name has 32 bytes"));
    let start = ProcessTime::now();
    let Way::Cells(count) = choose(asking.len(), answering.len(), None) else {
        panic!("cells are best here")
    };
    let key = Key(1, 2);
    let mut sketch = Sketch::new(key, count);
    answering.iter().for_each(|(_, one)| sketch.insert(name(one)));
    let mut peeler = Peeler::new(key);
    asking.iter().for_each(|(_, one)| peeler.insert(name(one)));
    let take = start.elapsed().as_secs_f64();
    let start = ProcessTime::now();
    // The question: a key, a number of names, and what it is about.
    let question = postcard::to_allocvec(&(key.0, key.1, asking.len())).expect("numbers have bytes").len();
    let answer = postcard::to_allocvec(sketch.cells()).expect("cells have bytes");
    let cells: Vec<dsys_gossip::reconcile::Cell> = postcard::from_bytes(&answer).expect("they come back");
    let found = peeler.peel(&cells).expect("so many cells are enough for 100");
    assert_eq!(found.ours.len() + found.theirs.len(), 100);
    let compare = start.elapsed().as_secs_f64();
    Run { bytes: (question + answer.len()) as f64, trips: 1.0, take, compare }
}

fn theirs(sets: &[Vec<(u64, [u8; 32])>; 2]) -> Run {
    let start = ProcessTime::now();
    let [asking, answering] = sets.each_ref().map(|set| {
        let mut storage = NegentropyStorageVector::new();
        for (time, name) in set {
            storage.insert(*time, Id::from_byte_array(*name)).expect("not sealed");
        }
        storage.seal().expect("sealed once");
        storage
    });
    let take = start.elapsed().as_secs_f64();
    let start = ProcessTime::now();
    let mut asks = Negentropy::borrowed(&asking, 0).expect("no limit of frames");
    let mut answers = Negentropy::borrowed(&answering, 0).expect("no limit of frames");
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (mut bytes, mut trips) = (0, 0);
    let mut question = Some(asks.initiate().expect("the first"));
    while let Some(asked) = question {
        let answer = answers.reconcile(&asked).expect("it is sound");
        bytes += asked.len() + answer.len();
        trips += 1;
        question = asks.reconcile_with_ids(&answer, &mut have, &mut need).expect("it is sound");
    }
    assert_eq!(have.len() + need.len(), 100);
    Run { bytes: bytes as f64, trips: f64::from(trips), take, compare: start.elapsed().as_secs_f64() }
}

pub fn run(args: &Args) {
    let size = if args.quick { 20_000 } else { 1_000_000 };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for seed in 0..args.rounds(3) as u64 {
        let sets = sets(size, &mut Rng::from_seed(seed));
        a.push(ours(&sets));
        b.push(theirs(&sets));
    }
    let print = |figure: &str, of: fn(&Run) -> f64, show: fn(f64) -> String, most: Option<f64>| {
        let [a, b] = [&a, &b].map(|runs| median(runs.iter().map(of).collect()));
        let goal = most.map_or(Goal::None, |most| Goal::Itself(a, most));
        line(&format!("{size} names, 100 differ: {figure}"), &show(a), NAME, &show(b), a / b, goal);
    };
    print("bytes", |run| run.bytes, |value| format!("{value:.0}"), Some(6_500.0));
    print("round trips", |run| run.trips, |value| format!("{value:.0}"), Some(1.0));
    print("take all names in, CPU", |run| run.take, |value| format!("{:.0} ms", value * 1e3), None);
    print("compare, CPU", |run| run.compare, |value| format!("{:.1} ms", value * 1e3), None);
}
