//! Undo where the document is built again meanwhile, after revocations, forks and changes that were not made.

use dsys_crdt::change::{Members, Open};
use dsys_crdt::doc::{Doc, DocError, Edit, Event, Undo, Value};
use dsys_crdt::laws::Random;

use crate::converging::shown;
use crate::{DOCUMENT, empty, json, key, meet};

const AT: [&str; 3] = ["/a", "/b", "/c"];

fn begun() -> Doc<Open> {
    let mut doc = empty();
    doc.change(&key(9), 0, |doc| {
        doc.set("/a", Value::Text("some text".into()))?;
        doc.set("/b", Value::Text("another".into()))?;
        doc.set("/c", vec![1, 2, 3])
    })
    .unwrap();
    doc
}

/// Has it built again.
fn shake(doc: &mut Doc<Open>) {
    let failed = doc.change(&key(1), 0, |doc| {
        doc.set("/x", 1)?;
        Err(DocError::NotFound)
    });
    assert_eq!(failed, Err(DocError::NotFound));
}

/// Types, marks and moves; the containers stay where they are.
fn act(doc: &mut Edit<'_>, random: &mut Random) -> Result<(), DocError> {
    let at = random.choose(&AT).unwrap();
    let length = doc.count(at).unwrap();
    let (from, to) = (random.below(length as u64 + 1) as usize, random.below(length as u64 + 1) as usize);
    let range = from.min(to)..from.max(to).min(from.min(to) + 4);
    let mark = random.choose(&["bold", "link"]).unwrap();
    match (at, random.below(5)) {
        ("/c", 0 | 1) => doc.insert(&format!("/c/{from}"), random.below(9) as i64),
        ("/c", _) if length == 0 => Ok(()),
        ("/c", 2) => doc.remove(&format!("/c/{}", from.min(length - 1))),
        ("/c", 3) => doc.move_to(&format!("/c/{}", from.min(length - 1)), to.min(length - 1)),
        ("/c", _) => doc.set(&format!("/c/{}", from.min(length - 1)), random.below(9) as i64),
        (_, 0 | 1) => doc.insert_text(at, from, random.choose(&["x", "yz", "long"]).unwrap()),
        (_, 2) => doc.delete_text(at, range),
        _ if range.is_empty() => Ok(()),
        (_, 3) => doc.mark(at, range, mark, &format!("{from}"), dsys_crdt::Expand::After),
        _ => doc.unmark(at, range, mark, dsys_crdt::Expand::After),
    }
}

/// Of two replicas of one history, one is built again all the time: what is taken back and brought back is the same.
fn agree(seed: u64) {
    let mut random = Random::new(seed);
    let mut other = begun();
    let mut twins = [other.clone(), other.clone()];
    let mut undos: Vec<Vec<Undo>> =
        twins.iter_mut().map(|doc| AT.map(|at| doc.undo(&key(1).public(), at).unwrap()).into()).collect();
    for _ in 0..40 {
        let dice = random.below(12);
        let which = random.below(3) as usize;
        let seed = random.below(1 << 30);
        if random.below(2) == 0 {
            shake(&mut twins[1]);
        }
        match dice {
            0..5 => twins.iter_mut().zip(&undos).for_each(|(doc, _)| {
                doc.change(&key(1), 0, |doc| act(doc, &mut Random::new(seed))).unwrap();
            }),
            5..9 => {
                let turned = twins.iter_mut().zip(&mut undos).map(|(doc, undos)| {
                    let mut done = false;
                    let turn = |doc: &mut Edit<'_>| {
                        let undo = &mut undos[which];
                        done = if dice < 8 { doc.undo(undo)? } else { doc.redo(undo)? };
                        Ok(())
                    };
                    doc.change(&key(1), 0, turn).unwrap();
                    done
                });
                let turned: Vec<bool> = turned.collect();
                assert_eq!(turned[0], turned[1], "seed {seed}");
            }
            9 => {
                for (doc, undos) in twins.iter().zip(&mut undos) {
                    doc.end_group(&mut undos[which]);
                }
            }
            10 => drop(other.change(&key(2), 0, |doc| act(doc, &mut random)).unwrap()),
            _ => {
                // One of the twins is the author; the other says the same, and so has the same names.
                let [one, two] = &mut twins;
                meet(one, &mut other);
                meet(two, &mut other);
            }
        }
        assert_eq!(shown(&twins[0]), shown(&twins[1]), "seed {seed}");
        assert_eq!(twins[0].heads(), twins[1].heads(), "seed {seed}");
    }
}

#[test]
fn what_is_built_again_is_taken_back_alike() {
    (0..150).for_each(agree);
}

#[test]
#[ignore = "long: 6,000 histories"]
fn what_is_built_again_is_taken_back_alike_over_many_histories() {
    (0..6_000).for_each(agree);
}

/// What others did ceases to count, and one's own can still be taken back.
#[test]
fn a_revocation_leaves_what_one_did_to_be_taken_back() {
    let mut owner = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    owner.log_mut(|log| log.grant(&key(0), 0, [1, 2].map(|number| key(number).public()))).unwrap();
    owner.change(&key(0), 0, |doc| doc.set("/t", Value::Text("base".into()))).unwrap();
    let (mut anna, mut mallory) = (owner.clone(), owner.clone());
    let mut undo = anna.undo(&key(1).public(), "/t").unwrap();
    mallory.change(&key(2), 0, |doc| doc.insert_text("/t", 0, "spam ")).unwrap();
    anna.change(&key(1), 0, |doc| doc.insert_text("/t", 4, " one")).unwrap();
    anna.end_group(&mut undo);
    anna.change(&key(1), 0, |doc| doc.delete_text("/t", 0..4)).unwrap();
    anna.receive(mallory.log().since(&anna.heads()), 0);
    assert_eq!(json(&anna), r#"{"t":"spam  one"}"#);
    owner.log_mut(|log| log.revoke(&key(0), 0, [key(2).public()])).unwrap();
    let (_, events) = anna.receive(owner.log().since(&anna.heads()), 0);
    assert_eq!((events, json(&anna)), (vec![Event::Rebuilt], r#"{"t":" one"}"#.into()));
    for (back, expected) in
        [(true, "base one"), (true, "base"), (false, "base one"), (false, " one"), (true, "base one")]
    {
        let turn = |doc: &mut Edit<'_>, undo: &mut Undo| if back { doc.undo(undo) } else { doc.redo(undo) };
        anna.change(&key(1), 0, |doc| turn(doc, &mut undo).map(|done| assert!(done))).unwrap();
        assert_eq!(anna.get("/t"), Some(Value::Text(expected.into())));
    }
    meet(&mut anna, &mut owner);
}

/// What begins to count is shown behind what is there, and stands before it when the document is built again: then all events
/// have other numbers.
#[test]
fn events_that_get_other_numbers_are_taken_back_all_the_same() {
    let mut owner = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    owner.log_mut(|log| log.grant(&key(0), 0, [1, 2, 3].map(|number| key(number).public()))).unwrap();
    owner
        .change(&key(0), 0, |doc| {
            doc.set("/t", Value::Text("base".into()))?;
            doc.set("/l", vec![1, 2, 3])
        })
        .unwrap();
    let (mut mallory, mut carla) = (owner.clone(), owner.clone());
    mallory
        .change(&key(2), 0, |doc| {
            doc.insert_text("/t", 0, "mallory ")?;
            doc.insert("/l/0", 9)?;
            doc.insert("/l/0", 8)
        })
        .unwrap();
    owner.log_mut(|log| log.revoke(&key(0), 0, [key(2).public()])).unwrap();
    let mut anna = owner.clone();
    anna.receive(mallory.log().since(&anna.heads()), 0);
    let mut undos = ["/t", "/l"].map(|at| anna.undo(&key(1).public(), at).unwrap());
    let end =
        |doc: &Doc<Members>, undos: &mut [Undo; 2]| undos.iter_mut().for_each(|undo| doc.end_group(undo));
    let turn = |anna: &mut Doc<Members>, undos: &mut [Undo; 2], back: bool, expected: &str| {
        anna.change(&key(1), 0, |doc| {
            for undo in undos {
                assert!(if back { doc.undo(undo)? } else { doc.redo(undo)? });
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(json(anna), expected);
    };
    anna.change(&key(1), 0, |doc| {
        doc.insert_text("/t", 4, " one")?;
        doc.remove("/l/1")
    })
    .unwrap();
    end(&anna, &mut undos);
    anna.change(&key(1), 0, |doc| {
        doc.delete_text("/t", 1..6)?;
        doc.remove("/l/0")?;
        doc.insert("/l/1", 7)
    })
    .unwrap();
    end(&anna, &mut undos);
    assert_eq!(json(&anna), r#"{"l":[3,7],"t":"bne"}"#);
    turn(&mut anna, &mut undos, true, r#"{"l":[1,3],"t":"base one"}"#);
    carla.receive(mallory.log().since(&carla.heads()), 0);
    carla.change(&key(3), 0, |doc| doc.insert_text("/t", 0, "carla, ")).unwrap();
    let (_, events) = anna.receive(carla.log().since(&anna.heads()), 0);
    assert!(!events.contains(&Event::Rebuilt));
    let shaken = anna.change(&key(1), 0, |doc| {
        doc.set("/x", 1)?;
        Err(DocError::NotFound)
    });
    assert_eq!(shaken, Err(DocError::NotFound));
    let and = |list: &str, text: &str| format!(r#"{{"l":[8,9,{list}],"t":"carla, mallory {text}"}}"#);
    turn(&mut anna, &mut undos, true, &and("1,2,3", "base"));
    turn(&mut anna, &mut undos, false, &and("1,3", "base one"));
    turn(&mut anna, &mut undos, false, &and("3,7", "bne"));
    turn(&mut anna, &mut undos, true, &and("1,3", "base one"));
    meet(&mut anna, &mut owner);
}
