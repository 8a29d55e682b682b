//! Bodies that no honest replica writes: such a change says nothing, everywhere, whatever came with it.

use dsys_crdt::change::{Change, Log, Open};
use dsys_crdt::doc::{Doc, Value};
use dsys_crdt::laws::Random;
use dsys_crdt::types::Position;
use proptest::prelude::*;

use crate::{DOCUMENT, empty, json, key};

/// The format of a body, written down a second time: its plain form.
struct Body {
    /// Whom the author has seen.
    seen: Vec<u8>,
    agents: Vec<u8>,
    ops: Vec<Op>,
}

#[derive(Clone, Copy)]
enum Name {
    Root,
    Here(u32),
    Own(u64),
    Other(u64, u64),
}

#[derive(Clone)]
enum Op {
    Set(Name, String, Item),
    List(Name, u32, ListOp),
    Edit(Name, Vec<(u32, u32, String)>),
    Add(Name, i64),
    Mark(Name, (Edge, Edge, u8, String, Option<String>)),
    Grow(Name, Option<Name>, Position),
    Carry(Name, Name, Option<Name>, Position),
    Fell(Name, Name),
}

#[derive(Clone)]
enum ListOp {
    Insert(Item),
    Delete(u32),
    Move(Name),
    Set(Name, Item),
    SetAgain(Name, Name),
}

#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
    Behind(Name, u32),
    Before(Name, u32),
}

#[derive(Clone)]
enum Item {
    Null,
    Int(i64),
    Map,
    List,
    Text,
    Tree,
}

#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    count: u64,
    at: u32,
}

impl Rows {
    fn number(&mut self, number: impl Into<u64>) {
        self.bytes.extend(postcard::to_allocvec(&number.into()).unwrap());
    }

    fn signed(&mut self, number: i64) {
        self.bytes.extend(postcard::to_allocvec(&number).unwrap());
    }

    fn string(&mut self, string: &str) {
        self.bytes.extend(postcard::to_allocvec(string).unwrap());
    }

    fn begin(&mut self, kind: u8, container: Name) {
        self.count += 1;
        self.number(kind);
        self.name(container);
    }

    fn name(&mut self, name: Name) {
        let (who, when) = match name {
            Name::Root => return self.number(0u8),
            Name::Here(at) => (1, u64::from(self.at.wrapping_sub(at))),
            Name::Own(time) => (2, time),
            Name::Other(agent, time) => (3 + agent, time),
        };
        self.number(who);
        self.number(when);
    }

    fn item(&mut self, item: &Item) {
        let kind: u8 = match item {
            Item::Null => 0,
            Item::Int(_) => 3,
            Item::Map => 7,
            Item::List => 8,
            Item::Text => 9,
            Item::Tree => 11,
        };
        self.number(kind);
        if let Item::Int(value) = item {
            self.signed(*value);
        }
    }

    fn place(&mut self, parent: Option<Name>, position: &Position) {
        self.name(parent.unwrap_or(Name::Root));
        self.number(2 * position.digits().len() as u64 + 1);
        position.digits().iter().for_each(|digit| self.number(*digit));
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Set(at, key, item) => {
                self.begin(0, *at);
                self.string(key);
                self.item(item);
            }
            Op::Add(at, by) => {
                self.begin(2, *at);
                self.signed(*by);
            }
            Op::Edit(at, edits) => {
                self.begin(3, *at);
                for (number, (at, delete, insert)) in edits.iter().enumerate() {
                    if number > 0 {
                        self.count += 1;
                        self.number(4u8);
                    }
                    self.number(*at);
                    self.number(*delete);
                    self.string(insert);
                }
            }
            Op::Mark(at, (start, end, expand, key, value)) => {
                self.begin(5, *at);
                let kind = |edge: &Edge| match edge {
                    Edge::Start => 0,
                    Edge::End => 1,
                    Edge::Behind(..) => 2,
                    Edge::Before(..) => 3u64,
                };
                let value_kind = 64 * u64::from(value.is_some());
                self.number(kind(start) + 4 * kind(end) + 16 * u64::from(*expand) + value_kind);
                for edge in [start, end] {
                    if let Edge::Behind(name, at) | Edge::Before(name, at) = edge {
                        self.name(*name);
                        self.number(*at);
                    }
                }
                self.string(key);
                value.iter().for_each(|value| self.string(value));
            }
            Op::Grow(at, parent, position) => {
                self.begin(6, *at);
                self.place(*parent, position);
            }
            Op::Carry(at, node, parent, position) => {
                self.begin(7, *at);
                self.name(*node);
                self.place(*parent, position);
            }
            Op::Fell(at, node) => {
                self.begin(8, *at);
                self.name(*node);
            }
            Op::List(at, slot, op) => {
                let kind = match op {
                    ListOp::Insert(_) => 9,
                    ListOp::Delete(_) => 10,
                    ListOp::Move(_) => 11,
                    ListOp::Set(..) => 12,
                    ListOp::SetAgain(..) => 13,
                };
                self.begin(kind, *at);
                self.number(*slot);
                match op {
                    ListOp::Insert(item) => self.item(item),
                    ListOp::Delete(count) => self.number(*count),
                    ListOp::Move(element) => self.name(*element),
                    ListOp::Set(element, item) => {
                        self.name(*element);
                        self.item(item);
                    }
                    ListOp::SetAgain(element, value) => {
                        self.name(*element);
                        self.name(*value);
                    }
                }
            }
        }
        self.at += 1;
    }
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        let key = |number: &u8| *key(*number).public().as_bytes();
        let mut seen: Vec<[u8; 32]> = self.seen.iter().map(key).collect();
        seen.sort_unstable();
        let rank = |agent: &u8| seen.iter().position(|it| *it == key(agent)).unwrap_or(seen.len());
        let mut head = vec![4, self.agents.len() as u8];
        head.extend(self.agents.iter().map(|agent| 2 * rank(agent) as u8));
        let mut rows = Rows::default();
        self.ops.iter().for_each(|op| rows.op(op));
        head.extend(postcard::to_allocvec(&(2 * rows.count)).unwrap());
        [head, rows.bytes].concat()
    }
}

/// What somebody says who has seen author 1.
fn body(ops: Vec<Op>) -> Vec<u8> {
    Body { seen: vec![1], agents: vec![1, 9], ops }.bytes()
}

/// The same of one who has seen author 9, too, and others.
fn body_of_one_who_saw(others: &[u8], ops: Vec<Op>) -> Vec<u8> {
    Body { seen: [&[1, 9], others].concat(), agents: vec![1, 9], ops }.bytes()
}

/// A document with a text at time 0 and a list at time 2 by author 1, and the change that made it.
fn base() -> (Doc<Open>, Change) {
    let mut doc = empty();
    let made = doc
        .change(&key(1), 0, |doc| {
            doc.set("/text", Value::Text("abc".into()))?;
            doc.set("/list", vec![7])
        })
        .unwrap();
    (doc, made)
}

/// The same, and a change of author 9 at time 4.
fn base_with_nine() -> (Doc<Open>, [Change; 2]) {
    let (mut doc, made) = base();
    let first = doc.change(&key(9), 0, |doc| doc.set("/nine", 0)).unwrap();
    (doc, [made, first])
}

const TEXT: Name = Name::Other(0, 0);
const LIST: Name = Name::Other(0, 2);
const ELEMENT: Name = Name::Other(0, 3);

fn digits(digits: &[u16]) -> Position {
    Position::from_digits(digits).unwrap()
}

fn edit(at: u32, delete: u32, insert: &str) -> Op {
    Op::Edit(TEXT, vec![(at, delete, insert.into())])
}

fn list(slot: u32, op: ListOp) -> Vec<u8> {
    body(vec![Op::List(LIST, slot, op)])
}

fn mark(text: Name, start: Edge, expand: u8, key: &str) -> Op {
    Op::Mark(text, (start, Edge::End, expand, key.into(), Some("v".into())))
}

/// A table of these columns.
fn columns(some: &[(usize, &[u8])]) -> Vec<u8> {
    let of = |number| some.iter().find(|(at, _)| *at == number).map_or(&[][..], |(_, bytes)| bytes);
    (0..21).flat_map(|number| [&[of(number).len() as u8], of(number)].concat()).collect()
}

fn nonsense() -> Vec<Vec<u8>> {
    let set = |name, item| Op::Set(name, "x".into(), item);
    let nested =
        (0..80).map(|at| set(if at == 0 { Name::Root } else { Name::Here(at - 1) }, Item::Map)).collect();
    vec![
        b"\x05newer".to_vec(),
        b"\x03older".to_vec(),
        b"\x04".to_vec(),
        [4, 0, 0xff, 0xff, 0xff, 0xff, 0x0f].to_vec(),
        [4, 0xff, 0xff, 0xff, 0xff, 0x0f].to_vec(),
        // By columns, of each of which there is as much as one asks for, in no bits: ten operations, more than there are bytes,
        // and some without a column.
        [&[4, 0, 21][..], &columns(&[(0, &[4, 2, 0]), (1, &[4, 0, 0]), (16, &[4, 2, 0])])].concat(),
        [&[4, 0, 0xff, 0xff, 0x7f][..], &columns(&[(0, &[4, 2, 0]), (1, &[4, 0, 0]), (16, &[4, 2, 0])])]
            .concat(),
        [&[4, 0, 21][..], &columns(&[(0, &[4, 2, 0]), (1, &[4, 0, 0])])].concat(),
        [&[4, 0, 21][..], &columns(&[(0, &[4, 2, 65])])].concat(),
        [&[4, 0, 21][..], &columns(&[(0, &[6, 2])])].concat(),
        [4, 0, 21].to_vec(),
        body(vec![edit(4, 0, "past the end")]),
        body(vec![edit(1, 3, "")]),
        body(vec![edit(0, 0, "")]),
        body(vec![edit(u32::MAX, u32::MAX, "x")]),
        body(vec![edit(0, (1 << 31) - 3, "")]),
        body(vec![edit(3, 0, "fits"), edit(8, 0, "does not")]),
        body(vec![set(Name::Root, Item::Text), edit(9, 0, "the good goes with the bad")]),
        body(vec![set(TEXT, Item::Null)]),
        body(vec![set(ELEMENT, Item::Null)]),
        body(vec![set(Name::Here(0), Item::Map)]),
        body(vec![set(Name::Other(1, 0), Item::Null)]),
        body(vec![set(Name::Other(7, 0), Item::Null)]),
        body(vec![set(Name::Other(0, u64::MAX), Item::Null)]),
        list(2, ListOp::Insert(Item::Null)),
        list(u32::MAX, ListOp::Insert(Item::Null)),
        list(0, ListOp::Delete(2)),
        list(1, ListOp::Delete(1)),
        list(0, ListOp::Delete(0)),
        list(1, ListOp::Delete(u32::MAX)),
        list(0, ListOp::Delete((1 << 31) - 2)),
        list(0, ListOp::Move(TEXT)),
        list(0, ListOp::Move(Name::Root)),
        list(0, ListOp::Move(Name::Other(1, 0))),
        list(0, ListOp::Move(Name::Here(0))),
        list(2, ListOp::Move(ELEMENT)),
        list(0, ListOp::Set(LIST, Item::Null)),
        list(2, ListOp::Set(ELEMENT, Item::Null)),
        list(0, ListOp::SetAgain(ELEMENT, TEXT)),
        list(0, ListOp::SetAgain(TEXT, ELEMENT)),
        // What is set in an element is none itself, and no value of another.
        body(vec![
            Op::List(LIST, 0, ListOp::Set(ELEMENT, Item::Map)),
            Op::List(LIST, 0, ListOp::Move(Name::Here(0))),
        ]),
        body(vec![
            Op::List(LIST, 0, ListOp::Insert(Item::Map)),
            Op::List(LIST, 0, ListOp::SetAgain(ELEMENT, Name::Here(0))),
        ]),
        body(vec![edit(0, 0, "a text, and a list"), Op::List(LIST, 9, ListOp::Insert(Item::Text))]),
        body(vec![Op::List(LIST, 0, ListOp::Insert(Item::Text)), edit(9, 0, "a list, and a text")]),
        body(vec![Op::List(Name::Root, 0, ListOp::Insert(Item::Null))]),
        body(vec![Op::List(TEXT, 0, ListOp::Insert(Item::Null))]),
        body(vec![Op::Add(TEXT, 1)]),
        body(vec![mark(LIST, Edge::Start, 0, "k")]),
        body(vec![mark(TEXT, Edge::Start, 0, &"k".repeat(257))]),
        body(vec![mark(TEXT, Edge::Behind(TEXT, 3), 0, "k")]),
        body(vec![mark(TEXT, Edge::Before(Name::Here(0), 0), 0, "k")]),
        body(vec![mark(TEXT, Edge::Before(Name::Other(0, 4), 0), 0, "k")]),
        body(vec![edit(0, 1, "x"), mark(TEXT, Edge::Behind(Name::Here(0), 0), 0, "on what it deletes")]),
        body(vec![Op::Grow(LIST, None, digits(&[1]))]),
        body(vec![set(Name::Root, Item::Tree), Op::Grow(Name::Here(0), Some(TEXT), digits(&[1]))]),
        body(vec![set(Name::Root, Item::Tree), Op::Grow(Name::Here(0), Some(Name::Here(1)), digits(&[1]))]),
        body(vec![set(Name::Root, Item::Tree), Op::Fell(Name::Here(0), Name::Here(0))]),
        body(vec![set(Name::Root, Item::Tree), Op::Carry(Name::Here(0), Name::Root, None, digits(&[1]))]),
        body(nested),
    ]
}

#[test]
fn the_format_is_what_it_was() {
    let (doc, made) = base();
    let expected = Body {
        seen: vec![],
        agents: vec![],
        ops: vec![
            Op::Set(Name::Root, "text".into(), Item::Text),
            Op::Edit(Name::Here(0), vec![(0, 0, "abc".into())]),
            Op::Set(Name::Root, "list".into(), Item::List),
            Op::List(Name::Here(2), 0, ListOp::Insert(Item::Int(7))),
        ],
    };
    assert_eq!(made.body, expected.bytes());
    let golden = b"\x04\x00\x08\x00\x00\x04text\x09\x03\x01\x01\x00\x00\x03abc\x00\x00\x04list\x08\x09\x01\x01\x00\x03\x0e";
    assert_eq!(made.body, golden);
    let added = doc.clone().change(&key(1), 0, |doc| doc.insert_text("/text", 3, "d")).unwrap();
    let edit = Op::Edit(Name::Own(0), vec![(3, 0, "d".into())]);
    assert_eq!(added.body, Body { seen: vec![1], agents: vec![], ops: vec![edit] }.bytes());
    let mut edited = doc.clone();
    let edits = edited
        .change(&key(2), 0, |doc| {
            doc.insert("/list/1", 8)?;
            doc.set("/list/0", 9)?;
            doc.set("/list/0", 6)?;
            doc.move_to("/list/0", 1)
        })
        .unwrap();
    let expected = Body {
        seen: vec![1],
        agents: vec![1],
        ops: vec![
            Op::List(LIST, 1, ListOp::Insert(Item::Int(8))),
            Op::List(LIST, 0, ListOp::Set(ELEMENT, Item::Int(9))),
            Op::List(LIST, 0, ListOp::Set(ELEMENT, Item::Int(6))),
            Op::List(LIST, 1, ListOp::Delete(1)),
            Op::List(LIST, 1, ListOp::Delete(1)),
            Op::List(LIST, 2, ListOp::Move(ELEMENT)),
        ],
    };
    assert_eq!((json(&edited), edits.body), (json(&doc).replace("[7]", "[8,6]"), expected.bytes()));
}

#[test]
fn the_format_by_columns_is_what_it_was() {
    let made = empty()
        .change(&key(1), 0, |doc| doc.set("/l", (0..40).map(|at| Value::Int(at % 4)).collect::<Vec<_>>()));
    let expected = columns(&[
        // One SET and forty INSERTs; of the root, and of the operation 1, 2, 3 ... before.
        (0, &[2, 0, 0, 9, 39]),
        (1, &[2, 0, 0, 1, 39]),
        (2, &[3, 1, 2, 38]),
        // The key, in a column of strings.
        (7, &[2, 0, 0, 2, 0, 1, b'l']),
        (8, &[2, 8, 0, 3, 39]),
        // 0, 2, 4, 6 (zigzag), three bits each: 0b100_010_000, ...
        (
            9,
            &[
                4, 0, 3, 0x10, 0x0d, 0xd1, 0x10, 0x0d, 0xd1, 0x10, 0x0d, 0xd1, 0x10, 0x0d, 0xd1, 0x10, 0x0d,
                0xd1,
            ],
        ),
        // The slots 0, 1, 2 ...
        (13, &[3, 0, 2, 38]),
    ]);
    assert_eq!(made.unwrap().body, [&[4, 0, 2 * 41 + 1][..], &expected].concat());
    // Few bytes are many operations: there are as many zeros behind them as it takes.
    let made = empty().change(&key(1), 0, |doc| doc.set("/l", vec![Value::Null; 1_000])).unwrap();
    assert_eq!((made.body.len(), &made.body[80..]), (1_001, &[0; 921][..]));
    let mut there = empty();
    there.receive([made], 0);
    assert_eq!((there.count("/l"), there.void().count()), (Some(1_000), 0));
}

#[test]
fn nonsense_says_nothing_and_harms_nothing() {
    let (mut doc, made) = base();
    let before = json(&doc);
    for (at, body) in nonsense().into_iter().enumerate() {
        let mut log = Log::new(DOCUMENT, Open);
        log.receive([made.clone()], 0);
        let change = log.commit(&key(10 + at as u8), 0, body).unwrap();
        let (received, events) = doc.receive([change.clone()], 0);
        assert_eq!((received.counting.len(), events.len()), (1, 0), "{at}");
        assert_eq!((doc.void().count(), doc.void().last()), (at + 1, Some(&change)));
        assert_eq!(json(&doc), before, "{at}");
    }
    doc.change(&key(2), 0, |doc| doc.insert_text("/text", 3, "d")).unwrap();
    assert_eq!(doc.get("/text"), Some(Value::Text("abcd".into())));
}

#[test]
fn what_its_author_could_not_know_is_nonsense_even_where_it_is_known() {
    let (doc, begun) = base_with_nine();
    // Author 9 makes a map at time 5; a liar who has not seen that writes into it.
    let mut nine = doc.clone();
    let map = nine.change(&key(9), 0, |doc| doc.set("/map", Value::Map([].into()))).unwrap();
    let mut log = Log::new(DOCUMENT, Open);
    log.receive(begun.clone(), 0);
    let write =
        |others| body_of_one_who_saw(others, vec![Op::Set(Name::Other(1, 5), "x".into(), Item::Null)]);
    let blind = log.commit(&key(3), 0, write(&[])).unwrap();
    let mut orders = [doc.clone(), doc.clone(), doc.clone()];
    orders[0].receive([map.clone()], 0);
    orders[0].receive([blind.clone()], 0);
    orders[1].receive([blind.clone()], 0);
    orders[1].receive([map.clone()], 0);
    orders[2].receive([map, blind], 0);
    for doc in &orders {
        assert_eq!((json(doc), doc.void().count()), (json(&nine), 1));
    }
    // One who has seen it may.
    let mut log = orders[0].log().clone();
    let seeing = log.commit(&key(4), 0, write(&[3])).unwrap();
    for doc in &mut orders {
        doc.receive([seeing.clone()], 0);
        assert_eq!((json(doc).contains(r#""map":{"x":null}"#), doc.void().count()), (true, 1));
    }
}

/// The same for elements of a list: one that its author has not seen, and one of a change that says nothing.
#[test]
fn elements_that_are_none_are_not_moved() {
    let (doc, begun) = base_with_nine();
    let mut nine = doc.clone();
    let inserted = nine.change(&key(9), 0, |doc| doc.insert("/list/0", 8)).unwrap();
    let mut log = Log::new(DOCUMENT, Open);
    log.receive(begun, 0);
    let moves = |others, slot, time| {
        body_of_one_who_saw(others, vec![Op::List(LIST, slot, ListOp::Move(Name::Other(1, time)))])
    };
    let blind = log.commit(&key(3), 0, moves(&[], 0, 5)).unwrap();
    let mut orders = [doc.clone(), doc];
    orders[0].receive([inserted.clone()], 0);
    orders[0].receive([blind.clone()], 0);
    orders[1].receive([blind, inserted], 0);
    let mut log = orders[0].log().clone();
    let seeing = log.commit(&key(4), 0, moves(&[3], 2, 5)).unwrap();
    let half = vec![Op::List(LIST, 0, ListOp::Insert(Item::Int(5))), edit(99, 0, "nonsense")];
    let half = log.commit(&key(9), 0, body_of_one_who_saw(&[3, 4], half)).unwrap();
    for doc in &mut orders {
        assert_eq!((doc.void().count(), doc.get("/list")), (1, Some(vec![8, 7].into())));
        doc.receive([seeing.clone(), half.clone()], 0);
        assert_eq!((doc.void().count(), doc.get("/list")), (2, Some(vec![8, 7].into())));
        // It stood where this stands now.
        doc.change(&key(5), 0, |doc| doc.insert("/list/-", 6)).unwrap();
        let at = doc.log().counting().count() as u64;
        let mut log = doc.log().clone();
        for time in 0..at + 4 {
            let seen: &[u8] = if time == 0 { &[3, 4, 5] } else { &[3, 4, 5, 6] };
            let moved = log.commit(&key(6), 0, moves(seen, 0, time)).unwrap();
            doc.receive([moved], 0);
        }
        // But for 8, which there is: it has another slot now, where it has the first one.
        assert_eq!((doc.void().count() as u64, doc.count("/list")), (2 + at + 3, Some(3)));
    }
}

/// The same for characters that a mark is anchored to.
#[test]
fn marks_on_what_their_author_has_not_seen_are_nonsense() {
    let (doc, begun) = base_with_nine();
    let mut nine = doc.clone();
    let typed = nine.change(&key(9), 0, |doc| doc.insert_text("/text", 3, "d")).unwrap();
    let mut log = Log::new(DOCUMENT, Open);
    log.receive(begun, 0);
    let on_d =
        |others| body_of_one_who_saw(others, vec![mark(TEXT, Edge::Before(Name::Other(1, 5), 0), 0, "k")]);
    let blind = log.commit(&key(3), 0, on_d(&[])).unwrap();
    let mut orders = [doc.clone(), doc];
    orders[0].receive([typed.clone()], 0);
    orders[0].receive([blind.clone()], 0);
    orders[1].receive([blind, typed], 0);
    let mut log = orders[0].log().clone();
    let seeing = log.commit(&key(4), 0, on_d(&[3])).unwrap();
    for doc in &mut orders {
        assert_eq!((doc.void().count(), doc.spans("/text").unwrap().len()), (1, 1));
        doc.receive([seeing.clone()], 0);
        assert_eq!((doc.void().count(), doc.spans("/text").unwrap().len()), (1, 2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Sense and nonsense, concurrent and not, in any batches: all replicas agree.
    #[test]
    fn any_mixture_ends_alike(seed: u64, raw in proptest::collection::vec(any::<u8>(), 0..24)) {
        let mut random = Random::new(seed);
        let (doc, made) = base();
        let mut replicas = vec![doc; 3];
        let mut all = vec![made];
        for step in 0..12 {
            let at = random.below(3) as usize;
            let change = match random.below(3) {
                0 => {
                    let body = match random.below(3) {
                        0 => [vec![4], raw.clone()].concat(),
                        _ => random.choose(&nonsense()).unwrap(),
                    };
                    let mut log = replicas[at].log().clone();
                    log.commit(&key(50 + step), 0, body).unwrap()
                }
                1 => {
                    let place = random.below(4) as usize;
                    let insert = |doc: &mut dsys_crdt::doc::Edit<'_>| {
                        doc.insert("/list/-", place as i64)?;
                        if place == 0 {
                            doc.remove("/list/0")?;
                        }
                        let long = match doc.get("/text") { Some(Value::Text(text)) => text.len(), _ => 0 };
                        doc.insert_text("/text", place.min(long), "xy")
                    };
                    replicas[at].change(&key(20 + at as u8), 0, insert).unwrap()
                }
                _ => {
                    let lacking = replicas[random.below(3) as usize].log().since(&replicas[at].heads());
                    replicas[at].receive(lacking, 0);
                    continue;
                }
            };
            replicas[at].receive([change.clone()], 0);
            all.push(change);
        }
        for doc in &mut replicas {
            doc.receive(all.clone(), 0);
        }
        let mut late = empty();
        while !all.is_empty() {
            let part = all.split_off(all.len() - (1 + random.below(4) as usize).min(all.len()));
            late.receive(part, 0);
        }
        for doc in &replicas {
            prop_assert_eq!(json(doc), json(&late));
            prop_assert_eq!(doc.void().count(), late.void().count());
        }
    }
}
