//! The tree against its definition, over every order of a few moves; and what it means.

use std::collections::BTreeMap;

use dsys_crdt::Agent;
use dsys_crdt::laws::Random;
use dsys_crdt::types::{Merge, Move, Position, Spot, Stamp, Tree, TreeError, TreeId};

fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

fn stamp(time: u64) -> Stamp {
    Stamp { time, agent: agent("a") }
}

/// The definition (§3.2): moves in the order of their stamps, each skipped that would make a cycle.
fn oracle(moves: &[Move]) -> BTreeMap<TreeId, (TreeId, Position)> {
    let mut sorted = moves.to_vec();
    sorted.sort();
    let mut places: BTreeMap<TreeId, (TreeId, Position)> = BTreeMap::new();
    for op in sorted {
        let (mut above, mut cycle) = (Some(&op.parent), false);
        while let Some(at) = above {
            cycle |= *at == op.id();
            above = places.get(at).map(|(parent, _)| parent);
        }
        if !cycle {
            places.insert(op.id(), (op.parent.clone(), op.position.clone()));
        }
    }
    places
}

/// Every node stands where the definition says, is listed there in order, and leads up to the root or the trash.
fn agrees(tree: &Tree, moves: &[Move], nodes: &[TreeId]) {
    let places = oracle(moves);
    let parents = nodes.iter().chain([&TreeId::Root, &TreeId::Trash]);
    for parent in parents {
        let mut expected: Vec<(&Position, &TreeId)> = places
            .iter()
            .filter(|(_, (at, _))| at == parent)
            .map(|(id, (_, position))| (position, id))
            .collect();
        expected.sort();
        let listed: Vec<&TreeId> = tree.children(parent).collect();
        assert_eq!(listed, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), "{moves:?}");
        assert_eq!(tree.count(parent), listed.len());
    }
    for node in nodes {
        assert_eq!(tree.parent(node).as_ref(), places.get(node).map(|(parent, _)| parent), "{moves:?}");
        let steps = std::iter::successors(tree.parent(node), |at| tree.parent(at)).take(99).count();
        assert!(steps < 99, "a cycle: {moves:?}");
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    match count {
        0 => vec![Vec::new()],
        _ => permutations(count - 1)
            .into_iter()
            .flat_map(|rest| {
                (0..count).map(move |at| {
                    let mut order = rest.clone();
                    order.insert(at, count - 1);
                    order
                })
            })
            .collect(),
    }
}

/// A root with `nodes` children, then every choice of `moves` concurrent moves (or every `stride`-th), in every order.
fn every_order(nodes: u64, moves: u32, stride: usize) {
    let ids: Vec<TreeId> = (1..=nodes).map(|time| TreeId::Made(stamp(time))).collect();
    let position = |digit| Position::from_digits(&[digit]).unwrap();
    let create = |time: u64| Move {
        stamp: stamp(time),
        node: stamp(time),
        parent: TreeId::Root,
        position: position(time as u16),
    };
    let mut start = Tree::default();
    start.apply_all((1..=nodes).map(create));
    let places: Vec<TreeId> = ids.iter().cloned().chain([TreeId::Root, TreeId::Trash]).collect();
    let kinds = nodes as usize * places.len();
    let orders = permutations(moves as usize);
    for choice in (0..kinds.pow(moves)).step_by(stride) {
        let chosen: Vec<Move> = (0..moves)
            .map(|at| {
                let kind = choice / kinds.pow(at) % kinds;
                Move {
                    stamp: stamp(nodes + 1 + u64::from(at)),
                    node: stamp(1 + kind as u64 % nodes),
                    parent: places[kind / nodes as usize].clone(),
                    position: position(20 - at as u16),
                }
            })
            .collect();
        let all: Vec<Move> = start.moves().chain(&chosen).cloned().collect();
        let mut first: Option<Tree> = None;
        for order in &orders {
            let mut tree = start.clone();
            for &at in order {
                assert_eq!(tree.apply_all([chosen[at].clone()]), 1);
            }
            let first = first.get_or_insert_with(|| {
                agrees(&tree, &all, &ids);
                tree.clone()
            });
            assert_eq!(tree, *first);
            for parent in &places {
                assert!(tree.children(parent).eq(first.children(parent)), "{order:?} of {chosen:?}");
            }
        }
    }
}

#[test]
fn every_order_of_up_to_three_moves_gives_what_the_definition_gives() {
    every_order(3, 2, 1);
    every_order(3, 3, 1);
    every_order(3, 4, 1_009);
    every_order(4, 5, 1_999_993);
}

#[test]
#[ignore = "long: every choice of four moves, and 3,000 of five, in every order"]
fn every_order_of_up_to_five_moves_gives_what_the_definition_gives() {
    every_order(3, 4, 1);
    every_order(4, 5, 2_657);
}

#[test]
fn random_moves_in_batches_give_what_the_definition_gives() {
    let mut random = Random::new(1);
    for round in 0..200 {
        let nodes = 1 + random.below(8);
        let ids: Vec<TreeId> = (0..nodes).map(|time| TreeId::Made(stamp(time))).collect();
        let parents: Vec<TreeId> = ids.iter().cloned().chain([TreeId::Root, TreeId::Trash]).collect();
        let mut all = Vec::new();
        let mut tree = Tree::default();
        for _ in 0..1 + random.below(12) {
            let batch: Vec<Move> = (0..random.below(6))
                .map(|_| Move {
                    // Also moves before their nodes' creation, and parents that never were; but each stamp once.
                    stamp: Stamp { time: random.below(40), agent: agent(&random.number().to_string()) },
                    node: stamp(random.below(nodes)),
                    parent: random.choose(&parents).unwrap(),
                    position: Position::from_digits(&[random.below(5) as u16]).unwrap(),
                })
                .collect();
            tree.apply_all(batch.clone());
            assert_eq!(tree.apply_all(batch.clone()), 0, "round {round}: known");
            all.extend(batch);
        }
        agrees(&tree, &all, &ids);
        let mut merged = Tree::default();
        merged.merge(&tree);
        agrees(&merged, &all, &ids);
    }
}

#[test]
fn children_stand_where_they_are_put() {
    let (anna, root) = (agent("anna"), TreeId::Root);
    let mut tree = Tree::default();
    let b = tree.create(&anna, &root, Spot::Last).unwrap().id();
    let d = tree.create(&anna, &root, Spot::Last).unwrap().id();
    let a = tree.create(&anna, &root, Spot::First).unwrap().id();
    let c = tree.create(&anna, &root, Spot::Before(&d)).unwrap().id();
    let e = tree.create(&anna, &root, Spot::At(4)).unwrap().id();
    let order = |tree: &Tree| tree.children(&root).cloned().collect::<Vec<_>>();
    assert_eq!(order(&tree), [&a, &b, &c, &d, &e].map(Clone::clone));
    tree.move_to(&anna, &a, &root, Spot::After(&c)).unwrap();
    tree.move_to(&anna, &d, &root, Spot::At(0)).unwrap();
    // Among its own siblings a node does not count: third of the others is where it is.
    tree.move_to(&anna, &c, &root, Spot::At(2)).unwrap();
    assert_eq!(order(&tree), [&d, &b, &c, &a, &e].map(Clone::clone));
    let before = tree.clone();
    assert_eq!(tree.create(&anna, &root, Spot::At(6)), Err(TreeError::OutOfRange(5)));
    assert_eq!(tree.move_to(&anna, &b, &root, Spot::After(&b)), Err(TreeError::Missing));
    assert_eq!(tree.move_to(&anna, &root, &b, Spot::Last), Err(TreeError::Fixed));
    assert_eq!(tree.move_to(&anna, &b, &b, Spot::Last), Err(TreeError::Cycle));
    tree.move_to(&anna, &a, &b, Spot::Last).unwrap();
    assert_eq!(tree.move_to(&anna, &b, &a, Spot::Last), Err(TreeError::Cycle));
    assert_eq!(tree.create(&anna, &TreeId::Made(stamp(99)), Spot::Last), Err(TreeError::Missing));
    assert_ne!(tree, before);
    tree.delete(&anna, &b).unwrap();
    assert!(!tree.contains(&a) && !tree.contains(&b) && tree.contains(&c));
    tree.move_to(&anna, &a, &root, Spot::Last).unwrap();
    assert!(tree.contains(&a), "out of the trash");
}

#[test]
fn a_stamp_at_the_end_of_time_is_seen_before_it_ends_all() {
    let (anna, mut tree) = (agent("anna"), Tree::default());
    let mut op = tree.create(&anna, &TreeId::Root, Spot::Last).unwrap();
    op.stamp.time = u64::MAX;
    assert!(op.stamp.check(tree.time(), 1 << 32).is_err());
    tree.apply_all([op]);
    assert!(matches!(tree.create(&anna, &TreeId::Root, Spot::Last), Err(TreeError::Full(_))));
}

#[test]
fn moves_are_bytes_and_back() {
    let [anna, ben] = ["anna", "ben"].map(agent);
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut tree = Tree::default();
        let mut nodes = vec![TreeId::Root];
        for _ in 0..random.below(300) {
            let by = random.choose(&[anna.clone(), ben.clone()]).unwrap();
            let (node, to) = (random.choose(&nodes).unwrap(), random.choose(&nodes).unwrap());
            match random.below(4) {
                0 => drop(tree.move_to(&by, &node, &to, Spot::First)),
                1 if random.below(9) == 0 => drop(tree.delete(&by, &node)),
                _ => nodes.extend(tree.create(&by, &to, Spot::Last).map(|made| made.id())),
            }
        }
        let bytes = Tree::encode_moves(tree.moves());
        let moves = Tree::decode_moves(&bytes).unwrap();
        assert!(moves.iter().eq(tree.moves()), "seed {seed}");
        // Kept as it is by any format, and read by people in some.
        let kept = postcard::to_allocvec(&tree).unwrap();
        assert_eq!(postcard::from_bytes::<Tree>(&kept).as_ref(), Ok(&tree));
        assert!(kept.len() < 60 + 12 * tree.moves().len(), "{} for {}", kept.len(), tree.moves().len());
        let json = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<Tree>(&json).unwrap(), tree);
    }
}

#[test]
fn bytes_of_moves_are_what_they_were_and_nothing_else_is_read() {
    let mut tree = Tree::default();
    let root = tree.create(&agent("a"), &TreeId::Root, Spot::Last).unwrap().id();
    tree.create(&agent("b"), &root, Spot::Last).unwrap();
    tree.delete(&agent("a"), &root).unwrap();
    // What is left out: the last two digits, by the stamp.
    let digits: Vec<&[u16]> = tree.moves().map(|op| op.position.digits()).collect();
    assert_eq!(digits[..2], [[1 << 15, 8192, 12], [1 << 15, 24576, 12]]);
    let bytes = Tree::encode_moves(tree.moves());
    // Two agents; three moves, plain: stamp, node, parent, position.
    let golden = b"dsystre\x01\x02\x01a\x01b\x06\
        \x00\x00\x00\x00\x02\x80\x80\x02\
        \x01\x01\x00\x02\x00\x02\x80\x80\x02\
        \x00\x02\x01\x00\x01\x02\x80\x80\x02";
    let (content, _) = bytes.split_last_chunk::<4>().unwrap();
    assert_eq!(content, golden);
    for at in 0..bytes.len() {
        assert!(Tree::decode_moves(&bytes[..at]).is_err());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(Tree::decode_moves(&flipped).is_err());
    }
    // With a checksum that fits, anything is read or refused, and what claims to be long takes no more than it is.
    let mut random = Random::new(1);
    let mut read = 0;
    for _ in 0..20_000 {
        let mut forged = content.to_vec();
        let at = 8 + random.below(forged.len() as u64 - 8) as usize;
        forged[at] = random.below(256) as u8;
        forged.truncate(forged.len() - random.below(3) as usize);
        forged.extend(crc32fast::hash(&forged).to_le_bytes());
        read += usize::from(Tree::decode_moves(&forged).is_ok_and(|moves| moves.len() <= forged.len()));
    }
    assert!(read > 1_000, "{read}");
}

/// 10,000 moves in a tree of 100,000, the work of `benches-vs` `types`: columns beside postcard, rounds that take turns.
#[test]
#[ignore = "a measurement"]
fn measure_moves() {
    let mut random = Random::new(7);
    let mut pick = |below: usize| random.below(below as u64) as usize;
    let (base, left) = (agent("base"), agent("left"));
    let (mut tree, mut ids) = (Tree::default(), Vec::new());
    for node in 0..100_000 {
        let parent = if node < 100 { TreeId::Root } else { TreeId::clone(&ids[pick(node)]) };
        ids.push(tree.create(&base, &parent, Spot::Last).unwrap().id());
    }
    let moves: Vec<Move> = (0..10_000)
        .filter_map(|_| tree.move_to(&left, &ids[pick(100_000)], &ids[pick(100_000)], Spot::Last).ok())
        .collect();
    let all: Vec<Move> = tree.moves().cloned().collect();
    for (name, moves) in [("moves", moves), ("all", all)] {
        let mut times = [std::time::Duration::MAX; 4];
        let mut sizes = [0; 2];
        for _ in 0..9 {
            let mut time = |at: usize, work: &mut dyn FnMut()| {
                let started = std::time::Instant::now();
                work();
                times[at] = times[at].min(started.elapsed());
            };
            let (mut columns, mut rows) = (Vec::new(), Vec::new());
            time(0, &mut || columns = Tree::encode_moves(&moves));
            time(1, &mut || rows = postcard::to_allocvec(&moves).unwrap());
            time(2, &mut || assert_eq!(Tree::decode_moves(&columns).unwrap().len(), moves.len()));
            time(3, &mut || assert_eq!(postcard::from_bytes::<Vec<Move>>(&rows).unwrap().len(), moves.len()));
            sizes = [columns.len(), rows.len()];
        }
        let each = |size: usize| size as f64 / moves.len() as f64;
        println!(
            "{name}: {:.2} bytes each, {:.1} by postcard; write {:?} and {:?}, read {:?} and {:?}",
            each(sizes[0]),
            each(sizes[1]),
            times[0],
            times[1],
            times[2],
            times[3]
        );
    }
}
