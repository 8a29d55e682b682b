//! Every bound, hit and counted.

use std::time::Duration;

use dsys_sim::{Config, Connections, Notice};

use crate::probe::{Do, at, ms, plain, probes};

#[test]
fn the_queue_is_bounded() {
    let (mut network, ids) = probes(Config { max_queued: 10, ..plain(1) }, 2);
    network.command(ids[0], (0..30).map(|number| Do::Send(ids[1], number)).collect());
    network.run();
    assert_eq!(network.machine(ids[1]).unwrap().messages(), (0..10).collect::<Vec<_>>());
    assert_eq!(network.stats().queue_full, 20);
}

#[test]
fn kept_events_are_bounded_and_an_observer_sees_them_all() {
    let (mut network, ids) = probes(Config { max_kept_events: 3, ..plain(1) }, 1);
    network.command(ids[0], (0..5).map(Do::Emit).collect());
    network.run();
    assert_eq!(network.stats().events_dropped, 2);
    assert_eq!(network.take_events().iter().map(|kept| kept.event).collect::<Vec<_>>(), [0, 1, 2]);
    let (tell, told) = std::sync::mpsc::channel();
    network.set_observer(move |_, _, event| tell.send(*event).unwrap());
    network.command(ids[0], (0..5).map(Do::Emit).collect());
    network.run();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(network.events().is_empty());
}

#[test]
fn what_waits_for_a_dial_or_a_write_is_bounded() {
    let connections = Connections::Tracked { timeout: None, absent: Notice::Refused };
    let (mut network, ids) = probes(Config { max_waiting: 3, connections, ..plain(1) }, 2);
    network.command(ids[0], (0..5).map(|number| Do::Send(ids[1], number)).collect());
    network.run();
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [0, 1, 2]);
    assert_eq!((network.stats().waiting_full, network.counters(ids[0]).lost), (2, 2));

    let (mut network, ids) = probes(Config { max_held_effects: 2, ..plain(1) }, 2);
    let sends = (0..5).map(|number| Do::Send(ids[1], number));
    network.command(ids[0], std::iter::once(Do::Store(1, 1)).chain(sends).collect());
    network.run();
    assert_eq!(network.machine(ids[1]).unwrap().messages(), [0, 1]);
    assert_eq!(network.stats().held_full, 3);
}

#[test]
fn time_is_bounded() {
    let (mut network, ids) = probes(Config { max_time: Duration::from_secs(1), ..plain(1) }, 1);
    network.command(ids[0], vec![Do::Timer('a', 999), Do::Timer('b', 1_001)]);
    network.run_until(at(5_000));
    assert_eq!(network.now(), at(1_000));
    assert!(!network.step());
    assert_eq!(network.queued(), 1);
    assert_eq!(network.stats().timers, 1);
    network.run_for(ms(1));
}
