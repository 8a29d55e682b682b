//! The walk agrees with the plain definition of the list: on every small history, and on random larger ones.

use proptest::prelude::*;

use super::Builder;
use super::plain::{Edit, Event, Plain};

/// Gives the events of `plain` to the walk in an order; brings the text up to date after each event of which `pause` says
/// so, and in the end.
fn walked(plain: &Plain, order: &[usize], pause: impl Fn(usize) -> bool) -> String {
    let mut builder = Builder::default();
    let mut local = vec![0; plain.events.len()];
    for (count, &at) in order.iter().enumerate() {
        let event = &plain.events[at];
        let known = |other: usize| event.known.get(other) == Some(&true);
        // The parents are the known events that no other known event knows.
        let is_parent = |&other: &usize| {
            known(other)
                && !(0..at).any(|later| known(later) && plain.events[later].known.get(other) == Some(&true))
        };
        let parents: Vec<u32> = (0..at).filter(is_parent).map(|other| local[other]).collect();
        let mut buffer = [0; 4];
        let edit = match event.edit {
            Edit::Insert(at, value) => (at as u32, 0, &*value.encode_utf8(&mut buffer)),
            Edit::Delete(at) => (at as u32, 1, ""),
        };
        local[at] = builder.push(&event.name, &parents, &[edit]);
        if pause(count) {
            builder.catch_up();
        }
    }
    resolved(&mut builder);
    builder.text()
}

/// The same, sent to one who has nothing, and walked again with the positions that were found there.
fn resolved(builder: &mut Builder) {
    let text = builder.text();
    let mut sender = super::merging::text("sender");
    (sender.history, sender.rope) = (builder.history.clone(), builder.rope.clone());
    let mut receiver = super::merging::text("receiver");
    let changes = sender.resolved(&sender.history).expect("few agents, each on one branch");
    assert_eq!(receiver.apply(&changes), Ok(sender.events()));
    assert_eq!(receiver.to_string(), text);
    receiver.read_past().unwrap();
    assert_eq!(Builder { history: receiver.history, ..Builder::default() }.text(), text);
}

/// Another causal order: the events whose number ends in `last` wait as long as they can.
fn reordered(plain: &Plain, last: usize) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < plain.events.len() {
        let ready = |&at: &usize| {
            !order.contains(&at)
                && (0..at)
                    .all(|other| plain.events[at].known.get(other) != Some(&true) || order.contains(&other))
        };
        let mut all: Vec<usize> = (0..plain.events.len()).filter(ready).collect();
        all.sort_by_key(|at| (at % 3 == last, std::cmp::Reverse(*at)));
        order.push(all[0]);
    }
    order
}

fn check(plain: &Plain) {
    let expected = plain.text();
    let order: Vec<usize> = (0..plain.events.len()).collect();
    let all = [
        walked(plain, &order, |_| false),
        walked(plain, &order, |_| true),
        walked(plain, &reordered(plain, 0), |count| count % 2 == 1),
    ];
    for text in all {
        assert_eq!(text, expected, "{:?}", plain.events);
    }
}

/// Every history of `edits` more edits, each by an agent of its own that knew any causally closed set of the others, at any
/// place. Gives how many there are.
fn every_history(plain: &Plain, edits: usize, name: &dyn Fn(usize) -> String) -> usize {
    if edits == 0 {
        check(plain);
        return 1;
    }
    let count = plain.events.len();
    let mut found = 0;
    for mask in 0..1u32 << count {
        let known: Vec<bool> = (0..count).map(|at| mask >> at & 1 == 1).collect();
        let closed = (0..count)
            .filter(|&at| known[at])
            .all(|at| plain.events[at].known.iter().zip(&known).all(|(needed, here)| !needed || *here));
        if !closed {
            continue;
        }
        let length = plain.visible(&known).len();
        let value = char::from(b'a' + count as u8);
        let inserts = (0..=length).map(|at| Edit::Insert(at, value));
        for edit in inserts.chain((0..length).map(Edit::Delete)) {
            let mut next = plain.clone();
            next.push(Event { name: name(count), known: known.clone(), edit });
            found += every_history(&next, edits - 1, name);
        }
    }
    found
}

fn all_histories(edits: usize) -> usize {
    let ascending = every_history(&Plain::default(), edits, &|at| format!("{at}"));
    ascending + every_history(&Plain::default(), edits, &|at| format!("{}", 9 - at))
}

/// Edits of a text of `base` characters, none of which knows another.
fn all_concurrent(base: usize, edits: usize) -> usize {
    fn extend(plain: &Plain, base: usize, edits: usize) -> usize {
        if edits == 0 {
            check(plain);
            return 1;
        }
        let count = plain.events.len();
        let known: Vec<bool> = (0..count).map(|at| at < base).collect();
        let inserts = (0..=base).map(|at| Edit::Insert(at, char::from(b'a' + count as u8)));
        inserts
            .chain((0..base).map(Edit::Delete))
            .map(|edit| {
                let mut next = plain.clone();
                next.push(Event { name: format!("{count}"), known: known.clone(), edit });
                extend(&next, base, edits - 1)
            })
            .sum()
    }
    let mut plain = Plain::default();
    for at in 0..base {
        let edit = Edit::Insert(at, char::from(b'A' + at as u8));
        plain.push(Event { name: "base".into(), known: vec![true; at], edit });
    }
    extend(&plain, base, edits)
}

#[test]
fn every_history_of_up_to_four_edits() {
    // Twice 1, 4, 35, 606: a number that changes says that the enumeration does.
    assert_eq!((1..=4).map(all_histories).collect::<Vec<_>>(), [2, 8, 70, 1_212]);
}

#[test]
fn six_concurrent_edits_of_one_character() {
    assert_eq!(all_concurrent(1, 6), 3usize.pow(6));
}

#[test]
#[ignore = "minutes, for all: cargo test --release -p dsys-crdt -- --ignored"]
fn every_history_of_five_edits() {
    assert_eq!(all_histories(5), 37_882);
}

#[test]
#[ignore = "minutes, for all: cargo test --release -p dsys-crdt -- --ignored"]
fn every_history_of_six_edits() {
    assert_eq!(all_histories(6), 2_017_232);
}

#[test]
#[ignore = "minutes, for all: cargo test --release -p dsys-crdt -- --ignored"]
fn six_concurrent_edits_of_three_characters() {
    assert_eq!(all_concurrent(3, 6), 7usize.pow(6));
}

/// A step of a random history: somebody edits, or hears what another knows.
#[derive(Clone, Debug)]
enum Step {
    Insert { who: usize, at: usize, len: usize },
    Delete { who: usize, at: usize, len: usize, back: bool },
    Hear { who: usize, from: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (who, at) = (0usize..5, 0usize..1000);
    prop_oneof![
        4 => (who.clone(), at.clone(), 1usize..5).prop_map(|(who, at, len)| Step::Insert { who, at, len }),
        2 => (who.clone(), at, 1usize..4, any::<bool>())
            .prop_map(|(who, at, len, back)| Step::Delete { who, at, len, back }),
        3 => (who.clone(), who).prop_map(|(who, from)| Step::Hear { who, from }),
    ]
}

proptest! {
    #[test]
    fn random_histories_of_three_to_five(agents in 3usize..=5, steps in prop::collection::vec(step(), 1..60)) {
        let mut plain = Plain::default();
        let mut known: Vec<Vec<bool>> = vec![Vec::new(); agents];
        for step in steps {
            let count = plain.events.len();
            known.iter_mut().for_each(|known| known.resize(count, false));
            match step {
                Step::Hear { who, from } => {
                    let heard = known[from % agents].clone();
                    known[who % agents].iter_mut().zip(heard).for_each(|(mine, heard)| *mine |= heard);
                }
                Step::Insert { who, at, len } => {
                    let who = who % agents;
                    let at = at % (plain.visible(&known[who]).len() + 1);
                    for i in 0..len {
                        let value = char::from(b'a' + ((plain.events.len()) % 26) as u8);
                        let edit = Edit::Insert(at + i, value);
                        plain.push(Event { name: format!("{who}"), known: known[who].clone(), edit });
                        known[who].push(true);
                    }
                }
                Step::Delete { who, at, len, back } => {
                    let who = who % agents;
                    let length = plain.visible(&known[who]).len();
                    if length == 0 {
                        continue;
                    }
                    let at = at % length;
                    for i in 0..len.min(if back { at + 1 } else { length - at }) {
                        let edit = Edit::Delete(if back { at - i } else { at });
                        plain.push(Event { name: format!("{who}"), known: known[who].clone(), edit });
                        known[who].push(true);
                    }
                }
            }
        }
        let expected = plain.text();
        let order: Vec<usize> = (0..plain.events.len()).collect();
        prop_assert_eq!(walked(&plain, &order, |_| false), expected.clone());
        prop_assert_eq!(walked(&plain, &order, |count| count % 7 == 3), expected.clone());
        for last in 0..3 {
            prop_assert_eq!(walked(&plain, &reordered(&plain, last), |count| count % 11 == 10), expected.clone());
        }
    }
}
