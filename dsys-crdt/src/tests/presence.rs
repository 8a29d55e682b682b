//! Presence over a network that loses, repeats and reorders.

use std::time::Duration;

use proptest::prelude::*;

use crate::{Agent, Anchor, DecodeError, Presence, PresenceConfig, Present, Selection, Text};

const SECOND: Duration = Duration::from_secs(1);

fn agent(at: usize) -> Agent {
    Agent::new(format!("{at}")).unwrap()
}

fn present(data: u8) -> Present {
    let mut text = Text::new(agent(9));
    text.insert(0, "ab").unwrap();
    let to = text.places().unwrap().anchor(1, crate::Side::Left);
    let selections = vec![Selection { from: Anchor::Start, to }; usize::from(data % 3)];
    Present { field: "/body".into(), selections, data: vec![data] }
}

fn replica(at: usize) -> Presence {
    Presence::new(agent(at), PresenceConfig::default())
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u8),
    Leave(usize),
    Crash(usize),
    /// A message that was ever sent arrives.
    Arrive(usize, usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3usize, any::<u8>()).prop_map(|(who, data)| Step::Set(who, data)),
        1 => (0..3usize).prop_map(Step::Leave),
        1 => (0..3usize).prop_map(Step::Crash),
        6 => (0..3usize, 0..99usize).prop_map(|(to, which)| Step::Arrive(to, which)),
        2 => (1..12u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn all_see_who_is_there_and_nobody_else(steps in prop::collection::vec(step(), 1..80)) {
        let mut all: Vec<Presence> = (0..3).map(replica).collect();
        // Who crashed says nothing any more.
        let mut alive = [true; 3];
        let (mut sent, mut now) = (Vec::new(), Duration::ZERO);
        for step in steps {
            match step {
                Step::Set(who, data) if alive[who] => sent.push(all[who].set(present(data), now).unwrap()),
                Step::Leave(who) if alive[who] => sent.push(all[who].leave()),
                Step::Crash(who) => alive[who] = false,
                Step::Arrive(to, which) if !sent.is_empty() => {
                    all[to].receive(&sent[which % sent.len()], now).unwrap();
                }
                Step::Pass(seconds) => now += SECOND * seconds as u32,
                _ => {}
            }
            for who in (0..3).filter(|&who| alive[who]) {
                sent.extend(all[who].tick(now).0);
            }
        }
        // The network heals: within the time that they last, all is as it is.
        for _ in 0..31 {
            now += SECOND;
            for who in 0..3 {
                let (message, gone) = all[who].tick(now);
                prop_assert!(gone.iter().all(|gone| all[who].others().all(|other| other.0 != gone)));
                for to in (0..3).filter(|_| alive[who]) {
                    if let Some(message) = &message {
                        all[to].receive(message, now).unwrap();
                    }
                }
            }
        }
        for who in 0..3 {
            let seen: Vec<(Agent, Present)> =
                all[who].others().map(|(agent, present)| (agent.clone(), present.clone())).collect();
            let there = (0..3).filter(|&other| other != who && alive[other]);
            let there = there.filter_map(|other| Some((agent(other), all[other].ours()?.clone())));
            prop_assert_eq!(seen, there.collect::<Vec<_>>());
            prop_assert!(all[who].next_tick().is_none_or(|next| next > now));
        }
    }

    #[test]
    fn altered_bytes_are_refused_or_make_sense(data in any::<u8>(), at in any::<usize>(), with in 1u8..) {
        let mut message = replica(0).set(present(data), SECOND).unwrap();
        let body = message.len() - 4;
        message[8 + at % (body - 8)] ^= with;
        let checksum = crc32fast::hash(&message[..body]).to_le_bytes();
        message[body..].copy_from_slice(&checksum);
        let mut other = replica(1);
        let taken = other.receive(&message, SECOND);
        prop_assert_eq!(taken == Ok(true), other.others().next().is_some());
        prop_assert_eq!(Presence::author(&message).is_ok(), taken.is_ok());
    }
}

#[test]
fn there_are_bounds() {
    let config = PresenceConfig { others: 2, bytes: 60, ..PresenceConfig::default() };
    let mut full = Presence::new(agent(9), config);
    let message = |at: usize| replica(at).set(present(0), SECOND).unwrap();
    assert_eq!([0, 1, 2].map(|at| full.receive(&message(at), SECOND).unwrap()), [true, true, false]);
    assert_eq!((full.others().count(), full.refused()), (2, 1));
    let large = Present { data: vec![0; 60], ..Present::default() };
    assert_eq!(full.set(large.clone(), SECOND), Err(DecodeError::Limit("bytes")));
    let large = replica(0).set(large, SECOND).unwrap();
    assert_eq!(full.receive(&large, SECOND), Err(DecodeError::Limit("bytes")));
    assert_eq!(full.tick(SECOND * 31).1.len(), 2);
    assert_eq!(full.receive(&message(2), SECOND * 31), Ok(true));
}

/// The bytes of version 1. If this fails, the format changed: it wants another version.
#[test]
fn golden_bytes() {
    let message = replica(0).set(present(1), SECOND).unwrap();
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "647379737072730101300101052f626f647901010100020139005534c0ea");
}
