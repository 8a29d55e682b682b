//! Whatever operations there are, they are bytes and back.

use super::*;
use crate::laws::Random;

fn agent(number: u8, branch: bool) -> Agent {
    Agent::new([&[number; 32][..], &[9; 8][..if branch { 8 } else { 0 }]].concat()).unwrap()
}

fn name(random: &mut Random, at: u32) -> Name {
    match random.below(4) {
        0 => Name::Root,
        1 => Name::Here(at - random.below(u64::from(at.min(20)) + 1) as u32),
        2 => Name::Other(0, random.below(1 << 20)),
        _ => Name::Other(random.below(3) as u32, if random.below(9) == 0 { u64::MAX } else { 7 }),
    }
}

fn item(random: &mut Random) -> Item {
    let string = "äbc".repeat(random.below(30) as usize);
    match random.below(14) {
        0 => Item::Null,
        1 => Item::Bool(random.below(2) == 0),
        2 => Item::Int(i64::MIN),
        3 | 4 => Item::Int(random.below(1_000) as i64 - 500),
        5 => Item::Float(random.below(99) as f64 / 7.0),
        6 => Item::String(string),
        7 => Item::Bytes(string.into_bytes()),
        8 => Item::Map,
        9 => Item::List,
        10 => Item::Text,
        11 => Item::Counter,
        12 => Item::Tree,
        _ => Item::Blob(Blob { hash: [random.below(256) as u8; 32], length: random.below(1 << 40) }),
    }
}

fn edge(random: &mut Random, at: u32) -> Edge {
    match random.below(4) {
        0 => Edge::Start,
        1 => Edge::End,
        2 => Edge::Behind(name(random, at), 3),
        _ => Edge::Before(name(random, at), random.below(1 << 30) as u32),
    }
}

fn op(random: &mut Random, at: u32, own: &Stamp) -> Op {
    let (container, other) = (name(random, at), name(random, at));
    let parent = Some(name(random, at)).filter(|name| *name != Name::Root);
    let key = format!("key {}", random.below(2_000));
    let mut digits: Vec<u16> = (0..random.below(4)).map(|_| random.below(1 << 16) as u16).collect();
    if random.below(2) == 0 {
        digits.extend(Position::tail(own));
    }
    let position = Position::from_digits(&digits).unwrap();
    let small = random.below(1 << 10) as u32;
    match random.below(13) {
        0 => Op::Set(container, key, item(random)),
        1 => Op::Unset(container, key),
        2 => Op::Add(container, i64::from(small) - 99),
        3 | 4 => {
            let edit = |number: u64| TextEdit {
                at: small + number as u32,
                delete: random.below(3) as u32,
                insert: "text, ä".repeat(random.below(3) as usize),
            };
            Op::Edit(container, (0..1 + u64::from(small) % 3).map(edit).collect())
        }
        5 => {
            let (start, end) = (edge(random, at), edge(random, at));
            let value = (random.below(2) == 0).then(|| key.clone());
            Op::Mark(container, Mark { start, end, expand: random.below(4) as u8, key, value })
        }
        6 => Op::Grow(container, parent, position),
        7 => Op::Carry(container, other, parent, position),
        8 => Op::Fell(container, other),
        9 => Op::List(container, small, ListOp::Insert(item(random))),
        10 => Op::List(container, u32::MAX - small, ListOp::Delete(small)),
        11 => Op::List(container, small, ListOp::Move(other)),
        _ => match random.below(2) {
            0 => Op::List(container, small, ListOp::Set(other, item(random))),
            _ => Op::List(container, small, ListOp::SetAgain(other, name(random, at))),
        },
    }
}

#[test]
fn any_operations_are_bytes_and_back() {
    let own = agent(5, false);
    let keys: Vec<NodeId> = (0..9).map(|number| NodeId::from_bytes([number; 32])).collect();
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let start = random.below(1 << 30);
        let mut body = Body::of(own.clone());
        body.agents.extend([agent(3, true), agent(3, false)]);
        for at in 0..random.below(if seed % 2 == 0 { 4 } else { 200 }) as u32 {
            let stamp = Stamp { time: start + u64::from(at), agent: own.clone() };
            body.ops.push(op(&mut random, at, &stamp));
        }
        let bytes = body.encode(start, || keys.clone()).unwrap();
        assert_eq!(Body::decode(&bytes, &own, start, || keys.clone()).as_ref(), Some(&body), "seed {seed}");
        assert_eq!(body.encode(start, || keys[..3].to_vec()), None, "whom nobody has seen is not named");
        // Cut short it is none, or what is lacking are zeros.
        for cut in 0..bytes.len() {
            let read = Body::decode(&bytes[..cut], &own, start, || keys.clone());
            assert!(cut == 0 || read.is_none_or(|read| read == body), "seed {seed}, {cut}");
        }
    }
}

/// A body by columns, of rows of which each column gives as many entries as one asks for.
fn endless(rows: u8, kind: u8) -> Vec<u8> {
    let same = |number: u8| vec![4, number, 0];
    let column = |at| match at {
        KIND => same(kind),
        AT | TO => same(0),
        SUM | DIGIT => same(1),
        POSITION => vec![4, 0x80, 1, 0],
        _ => Vec::new(),
    };
    let table = (0..LAYOUT.len()).flat_map(|at| [vec![column(at).len() as u8], column(at)].concat());
    [VERSION, 0, 2 * rows + 1].into_iter().chain(table).collect()
}

#[test]
fn no_more_is_read_than_there_are_bytes() {
    let own = agent(5, false);
    let read = |bytes: &[u8]| Body::decode(bytes, &own, 0, Vec::new).map(|body| body.ops.len());
    let bytes = endless(60, ADD as u8);
    assert!(bytes.len() < 60);
    assert_eq!(read(&bytes), None);
    assert_eq!(read(&[&bytes[..], &vec![0; 60 - bytes.len()]].concat()), Some(60));
    // Positions of 64 digits, and the two that follow.
    let two = endless(2, GROW as u8);
    assert!(two.len() < 128);
    assert_eq!(read(&two), None);
    assert_eq!(read(&[&two[..], &vec![0; 128 - two.len()]].concat()), Some(2));
}
