//! One seed, one run.

use std::cell::RefCell;
use std::rc::Rc;

use dsys_sim::{Churn, Config, Connections, Faults, Latency};

use crate::probe::{Do, Probe, at, ms, plain, probes, stream};

/// Ten nodes, every kind of trouble, two seconds.
fn troubled(seed: u64) -> dsys_sim::Network<Probe> {
    let config = Config {
        latency: Latency::log_normal(ms(30), 0.5).jitter(0.2),
        faults: Faults { loss: 0.1, duplication: 0.1, reordering: 0.1, ..Faults::NONE },
        connections: Connections::TRACKED,
        ..plain(seed)
    };
    let (mut network, ids) = probes(config, 10);
    network.set_digest(|message| u64::from(*message));
    for pair in ids.windows(2) {
        stream(&mut network, pair[0], pair[1], 50);
        network.command_at(
            at(1_000),
            pair[1],
            vec![Do::Store(1, 1), Do::Send(pair[0], 5), Do::Timer('t', 70)],
        );
    }
    let churn = Churn { crashes: 5.0, downtime: ms(100), ..Churn::default() };
    network.schedule_all(churn.plan(seed, &ids, at(0), ms(2_000)));
    network.run_until(at(2_000));
    network
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    assert_eq!(troubled(1).trace_hash(), troubled(1).trace_hash());
    assert_eq!(troubled(1).stats(), troubled(1).stats());
    assert_ne!(troubled(1).trace_hash(), troubled(2).trace_hash());
}

/// In debug and in release, on every platform. A change here means that recorded seeds mean something else: say so
/// in the CHANGELOG.
#[test]
fn the_trace_hash_is_the_recorded_one() {
    assert_eq!(format!("{:016x}", troubled(7).trace_hash()), "7aaa5b6a686baee9");
}

#[test]
fn the_digest_lets_the_hash_see_contents() {
    let run = |message: u32, digest: bool| {
        let (mut network, ids) = probes(plain(1), 2);
        if digest {
            network.set_digest(|message| u64::from(*message));
        }
        network.command(ids[0], vec![Do::Send(ids[1], message)]);
        network.run();
        network.trace_hash()
    };
    assert_eq!(run(1, false), run(2, false), "the same size");
    assert_ne!(run(1, true), run(2, true));
}

#[test]
fn the_hash_can_be_switched_off() {
    for (hash_trace, changes) in [(true, true), (false, false)] {
        let (mut network, ids) = probes(Config { hash_trace, ..plain(1) }, 2);
        let before = network.trace_hash();
        stream(&mut network, ids[0], ids[1], 3);
        network.run();
        assert_eq!(network.trace_hash() != before, changes);
    }
}

#[test]
fn the_trace_is_json_lines() {
    let (mut network, ids) = probes(plain(1), 2);
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = lines.clone();
    network.set_trace(move |record| record.write_json(&mut *sink.borrow_mut()).unwrap());
    network.command(ids[0], vec![Do::Send(ids[1], 1)]);
    network.run();
    let (a, b) = (ids[0], ids[1]);
    let expected = format!(
        "{{\"t\":0,\"node\":\"{a}\",\"kind\":\"command\"}}\n\
         {{\"t\":0,\"node\":\"{a}\",\"kind\":\"send\",\"peer\":\"{b}\",\"bytes\":4}}\n\
         {{\"t\":10000000,\"node\":\"{b}\",\"kind\":\"recv\",\"peer\":\"{a}\",\"bytes\":4}}\n"
    );
    assert_eq!(String::from_utf8(lines.borrow().clone()).unwrap(), expected);
}
