//! Nodes that come, go, crash and come back.

use std::time::Duration;

use dsys_core::NodeId;
use dsys_sim::{AddError, Change, Churn, Clock, Config, Crash, Faults};

use crate::probe::{Do, Probe, Saw, at, ms, plain, probes, stream};

#[test]
fn planned_changes_happen_when_planned() {
    let (mut network, ids) = probes(plain(1), 2);
    network.schedule(at(100), Change::Crash(ids[0], Crash::POWER));
    network.schedule(at(200), Change::Restart(ids[0]));
    network.schedule(at(300), Change::Cut { from: vec![ids[0]], to: vec![ids[1]], lasting: ms(100) });
    network.schedule(at(500), Change::Clock(ids[1], Clock { offset: 1_000_000_000, drift: 0 }));
    network.schedule(at(600), Change::Faults(Faults { loss: 1.0, ..Faults::NONE }));
    for time in [50, 150, 250, 350, 450, 550, 650] {
        network.command_at(at(time), ids[0], vec![Do::Send(ids[1], time as u32)]);
    }
    network.schedule(at(700), Change::Join);
    network.schedule(at(800), Change::Leave(ids[1]));
    network.run_until(at(750));
    let probe = network.machine(ids[1]).unwrap();
    assert_eq!(probe.messages(), [50, 250, 450, 550]);
    assert_eq!(probe.when(&Saw::Message(ids[0], 550)), [1_560]);
    assert_eq!(network.ids().len(), 3);
    network.run_until(at(900));
    assert!(network.machine(ids[1]).is_none());
    assert!(!network.restart(ids[1]), "it left for good");
}

#[test]
fn a_crash_forgets_timers_and_messages_in_flight_reach_the_next_life() {
    let (mut network, ids) = probes(plain(1), 2);
    network.command(ids[0], vec![Do::Timer('t', 50)]);
    network.command_at(at(35), ids[1], vec![Do::Send(ids[0], 1)]);
    network.command_at(at(25), ids[1], vec![Do::Send(ids[0], 0)]);
    network.schedule(at(30), Change::Crash(ids[0], Crash::PROCESS));
    network.schedule(at(40), Change::Restart(ids[0]));
    network.run();
    let seen = &network.machine(ids[0]).unwrap().log;
    assert_eq!(*seen, [(40, Saw::Start), (45, Saw::Message(ids[1], 1))]);
    assert_eq!(network.counters(ids[1]).lost, 1);
}

#[test]
fn healing_ends_every_fault() {
    let (mut network, ids) = probes(plain(1), 3);
    network.set_faults(Faults { loss: 1.0, ..Faults::NONE });
    network.partition(&ids[..1], &ids[1..]);
    network.set_clock(ids[1], Clock { offset: 9_000_000_000, drift: 0 });
    network.crash(ids[2], Crash::FIRE);
    network.heal();
    stream(&mut network, ids[0], ids[1], 5);
    stream(&mut network, ids[1], ids[2], 5);
    network.run();
    assert_eq!(network.machine(ids[1]).unwrap().messages().len(), 5);
    assert_eq!(network.machine(ids[1]).unwrap().when(&Saw::Message(ids[0], 0)), [10]);
    assert_eq!(network.machine(ids[2]).unwrap().messages().len(), 5);
}

#[test]
fn churn_changes_the_membership() {
    let (mut network, ids) = probes(plain(1), 50);
    let churn =
        Churn { joins: 1.0, leaves: 0.2, crashes: 0.5, downtime: Duration::from_secs(5), ..Churn::default() };
    network.schedule_all(churn.plan(1, &ids, network.now(), Duration::from_secs(60)));
    network.run();
    let stats = network.stats();
    assert!(network.ids().len() > 80, "{}", network.ids().len());
    assert!(stats.crashes > 10 && stats.restarts > 8, "{stats:?}");
    let gone = ids.iter().filter(|id| network.machine(**id).is_none()).count();
    assert!((4..25).contains(&gone), "{gone}");
}

#[test]
fn a_node_may_have_a_name_of_its_own() {
    let (mut network, ids) = probes(plain(1), 1);
    let name = NodeId::from_number(77);
    assert_eq!(network.add_named(name, Probe::default()), Ok(()));
    assert_eq!(network.add_named(name, Probe::default()), Err(AddError::NameTaken));
    network.command(name, vec![Do::Send(ids[0], 1)]);
    network.command(ids[0], vec![Do::Send(name, 2)]);
    network.run();
    assert_eq!(network.machine(ids[0]).unwrap().when(&Saw::Message(name, 1)), [10]);
    assert_eq!(network.machine(name).unwrap().messages(), [2]);
    assert_eq!(network.ids().collect::<Vec<_>>(), [ids[0], name]);

    let (mut full, _) = probes(Config { max_nodes: 2, ..plain(1) }, 2);
    assert_eq!(full.add(Probe::default()), Err(AddError::Full));
    assert_eq!(full.stats().nodes_refused, 1);
}
