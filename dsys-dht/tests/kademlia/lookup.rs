//! What a lookup finds and what it costs.

use std::time::Duration;

use dsys_core::Rng;
use dsys_dht::kademlia::Config;
use dsys_dht::{Command, Event, FindError, QueryId, Step};
use dsys_sim::measure::Summary;

use crate::world::{find, nearest, network, random_key, settled, up};

#[test]
fn every_lookup_finds_the_nearest_nodes_at_the_known_cost() {
    let mut network = settled(600, 1, Config::default());
    let (mut rng, nodes) = (Rng::from_seed(2), up(&network));
    let (mut hops, mut requests) = (Summary::default(), Summary::default());
    for _ in 0..60 {
        let (key, from) = (random_key(&mut rng), *rng.choose(&nodes).unwrap());
        let (found, report) = find(&mut network, from, key);
        let others = nodes.iter().copied().filter(|node| *node != from);
        assert_eq!(found.unwrap(), nearest(others, key, 20));
        let open = report.requests - report.answers - report.failures;
        assert!(open <= 3 + report.hedges, "questions to farther nodes may be on their way: {report:?}");
        hops.add(report.hops.into());
        requests.add(report.requests.into());
    }
    // Kademlia's claim: O(log N) hops; with k = 20 each resolves about log2(20) bits beyond the first. `lab -- dht`
    // has 2.43 hops and 22.9 requests at 10,000 nodes.
    let (hops, requests) = (hops.mean().unwrap(), requests.mean().unwrap());
    assert!((1.2..2.0).contains(&hops), "{hops}");
    assert!((20.0..24.0).contains(&requests), "{requests}");
}

#[test]
fn the_steps_tell_the_whole_lookup_in_order() {
    let mut network = settled(200, 3, Config::default());
    let (nodes, key) = (up(&network), random_key(&mut Rng::from_seed(4)));
    network.command(nodes[0], Command::Find { query: QueryId(9), key, steps: true });
    network.run_for(Duration::from_secs(10));
    let events: Vec<_> = network.take_events().into_iter().map(|emitted| emitted.event).collect();
    let steps: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step { query: QueryId(9), peer, step } => Some((*peer, *step)),
            _ => None,
        })
        .collect();
    let Some(Event::Done { found: Ok(found), report, .. }) = events.last() else {
        panic!("not done: {events:?}")
    };
    let asked = |peer| steps.iter().position(|(p, step)| *p == peer && matches!(step, Step::Asked { .. }));
    let answers: Vec<_> =
        steps.iter().enumerate().filter(|(_, (_, step))| matches!(step, Step::Answered { .. })).collect();
    assert_eq!(answers.len() as u32, report.answers);
    assert!(answers.iter().all(|(at, (peer, _))| asked(*peer).is_some_and(|asked| asked < *at)));
    assert!(found.iter().all(|node| answers.iter().any(|(_, (peer, _))| *peer == node.id)));
    // Without lock-step there are never more than alpha questions on their way until the nearest has answered; then all
    // that are wanted are asked at once.
    let nearest = answers.iter().find(|(_, (peer, _))| *peer == found[0].id).unwrap().0;
    let (mut waiting, mut most) = (0_u32, [0, 0]);
    for (at, (_, step)) in steps.iter().enumerate() {
        match step {
            Step::Asked { .. } => waiting += 1,
            _ => waiting -= 1,
        }
        let most = &mut most[usize::from(at > nearest)];
        *most = waiting.max(*most);
    }
    assert!(most[0] == 3 && (6..=20).contains(&most[1]), "{most:?}");
    assert_eq!(waiting, report.requests - report.answers - report.failures);
}

#[test]
fn searches_are_bounded_named_and_cancelled() {
    let mut network = settled(50, 5, Config { max_lookups: 2, ..Config::default() });
    let (mut rng, node) = (Rng::from_seed(6), network.id(0));
    let ask =
        |query, rng: &mut Rng| Command::Find { query: QueryId(query), key: random_key(rng), steps: false };
    for query in [1, 1, 2, 3] {
        network.command(node, ask(query, &mut rng));
    }
    network.command(node, Command::Cancel(QueryId(2)));
    network.command(node, ask(4, &mut rng));
    network.run_for(Duration::from_secs(10));
    let mut done: Vec<_> = network
        .take_events()
        .into_iter()
        .filter_map(|emitted| match emitted.event {
            Event::Done { query, found, .. } => Some((query.0, found.err())),
            _ => None,
        })
        .collect();
    done.sort_by_key(|(query, error)| (*query, error.is_some()));
    let expected = [(1, None), (1, Some(FindError::NameTaken)), (3, Some(FindError::Busy)), (4, None)];
    assert_eq!(done, expected);
    assert_eq!(network.machine(node).unwrap().stats().lookups_refused, 1);
}

#[test]
fn few_calls_make_a_search_slow_and_never_stuck() {
    let mut network = settled(100, 7, Config { max_calls: 1, ..Config::default() });
    let node = network.id(0);
    for query in 0..5 {
        let key = random_key(&mut Rng::from_seed(query));
        network.command(node, Command::Find { query: QueryId(query), key, steps: false });
    }
    network.run_for(Duration::from_secs(120));
    let done = network.take_events();
    assert_eq!(done.iter().filter(|e| matches!(e.event, Event::Done { found: Ok(_), .. })).count(), 5);
}

#[test]
fn nobody_to_ask_is_not_nobody_who_answers() {
    let mut lone = network(8);
    let id = lone.id(0);
    let kademlia = |bootstrap| dsys_dht::Kademlia::new(id, bootstrap, Config::default());
    lone.add(kademlia(vec![])).unwrap();
    let key = random_key(&mut Rng::from_seed(9));
    assert_eq!(find(&mut lone, id, key).0, Err(FindError::NoPeers));

    let mut deserted = network(8);
    let nobody = deserted.id(1);
    deserted.add(kademlia(vec![nobody.into()])).unwrap();
    let (found, report) = find(&mut deserted, id, key);
    assert_eq!((found, report.requests, report.failures), (Err(FindError::NobodyAnswered), 1, 1));
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let mut network = crate::world::fresh(60, seed, Config::default());
        network.run_for(Duration::from_secs(30));
        network.trace_hash()
    };
    assert_eq!(run(10), run(10));
    assert_ne!(run(10), run(11));
}
