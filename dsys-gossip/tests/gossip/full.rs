//! SWIM with Lifeguard: who is there, how soon a death is seen, and that no one who lives is declared dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, NodeId, Rng, Time};
use dsys_gossip::membership::full::{
    Claim, Command, Config, Event, Full, Message, Meta, State, Targets, Update,
};
use dsys_sim::swarm::{Campaign, Fault};
use dsys_sim::{Crash, Faults, Letter, Network};

const SECOND: Duration = Duration::from_secs(1);

/// Nodes that know each other from the start.
fn known(nodes: u32, seed: u64, config: Config) -> (Network<Full>, Vec<NodeId>) {
    let mut network = Network::new(dsys_sim::Config::new(seed));
    network.set_size(Message::size);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let config = Arc::new(config);
    for id in &ids {
        let members = ids.iter().map(|id| NodeAddr::new(*id));
        network.add(Full::new(*id, config.clone()).with_members(members)).unwrap();
    }
    (network, ids)
}

fn meta(text: &str) -> Meta {
    BTreeMap::from([("role".to_owned(), text.to_owned())])
}

/// How often living nodes were declared down.
fn wrongly_down(network: &mut Network<Full>, dead: &[NodeId]) -> usize {
    let events = network.take_events();
    events.iter().filter(|one| matches!(one.event, Event::Down(id) if !dead.contains(&id))).count()
}

#[test]
fn all_who_join_know_all_and_hear_of_changes_leaves_deaths_and_returns() {
    for seed in 0..5 {
        let mut network = Network::new(dsys_sim::Config::new(seed));
        let mut rng = Rng::from_seed(seed);
        let ids: Vec<NodeId> = (0..40).map(|index| network.id(index)).collect();
        network.set_spawn(|id, _| Full::new(id, Config::default()));
        for at in 0..ids.len() {
            network.join().unwrap();
            if let Some(contact) = rng.choose(&ids[..at]) {
                network.command(ids[at], Command::Join(vec![NodeAddr::new(*contact)]));
            }
            network.run_for(Duration::from_millis(100));
        }
        network.run_for(40 * SECOND);
        assert!(network.machines().all(|(_, node)| node.up() == 39), "seed {seed}");
        assert_eq!(wrongly_down(&mut network, &[]), 0);

        network.command(ids[3], Command::Meta(meta("store")));
        network.run_for(10 * SECOND);
        let of_3 =
            |node: &Full| node.members().find(|(id, _)| *id == ids[3]).map(|(_, one)| one.meta.clone());
        assert!(network.machines().all(|(id, node)| id == ids[3] || of_3(node) == Some(meta("store"))));
        let changed = network.take_events().into_iter().filter(|one| one.event == Event::Changed(ids[3]));
        assert_eq!(changed.count(), 39, "each is told once");

        network.command(ids[4], Command::Leave);
        network.crash(ids[5], Crash::POWER);
        network.run_for(25 * SECOND);
        for (id, node) in network.machines().filter(|(id, _)| *id != ids[4]) {
            let states = [node.state(ids[4]), node.state(ids[5])];
            assert_eq!(states, [Some(State::Down), Some(State::Down)], "seed {seed}: {id:?}");
        }
        assert_eq!(wrongly_down(&mut network, &ids[4..6]), 0);
        // Both come back with nothing in memory; what others remember of them is renewed.
        network.restart(ids[5]);
        for id in &ids[4..6] {
            network.command(*id, Command::Join(vec![NodeAddr::new(ids[0])]));
        }
        network.run_for(40 * SECOND);
        assert!(network.machines().all(|(_, node)| node.up() == 39), "seed {seed}");
        assert!(network.machine(ids[5]).unwrap().incarnation() > 0, "it had to outlive its own death");
    }
}

/// In how many periods after its death a node is first suspected; all periods begin together.
fn first_suspicion(nodes: u32, seed: u64) -> f64 {
    let config = Config { targets: Targets::Random, stagger: false, ..Config::default() };
    let (mut network, ids) = known(nodes, seed, config);
    network.run_for(SECOND / 2);
    assert!(network.crash(ids[seed as usize % ids.len()], Crash::POWER));
    let died = network.now();
    loop {
        assert!(network.step());
        if let Some(first) = network.take_events().iter().find(|one| matches!(one.event, Event::Suspected(_)))
        {
            // Probed at the beginning of a period, suspected at its end: half a period before the first began.
            return (first.time - died).as_secs_f64() - 1.5 + 1.0;
        }
    }
}

#[test]
fn with_random_targets_a_death_is_first_suspected_after_as_many_periods_as_the_paper_says() {
    // SWIM §5.1: 1 / (1 - (1 - 1/99)^99), a geometric distribution. Its deviation is .95, of 200 runs .067.
    let periods: Vec<f64> = (0..200).map(|seed| first_suspicion(100, seed).round()).collect();
    let mean = periods.iter().sum::<f64>() / periods.len() as f64;
    assert!((mean - 1.5773).abs() < 3.5 * 0.067, "{mean}");
    assert!(periods.iter().all(|periods| *periods >= 1.0));
}

#[test]
fn a_death_is_declared_within_seconds_for_about_two_messages_a_second() {
    let mut sum = Duration::ZERO;
    let runs = 6;
    for seed in 0..runs {
        let (mut network, ids) = known(100, seed, Config::default());
        network.run_for(10 * SECOND);
        let before = network.stats().sent;
        network.run_for(10 * SECOND);
        let rate = (network.stats().sent - before) as f64 / 100.0 / 10.0;
        assert!(rate <= 2.1, "seed {seed}: {rate} messages a second");
        let dead = ids[seed as usize];
        network.crash(dead, Crash::POWER);
        let died = network.now();
        network.take_events();
        network.run_for(30 * SECOND);
        let events = network.take_events();
        let down: Vec<Time> =
            events.iter().filter(|one| one.event == Event::Down(dead)).map(|one| one.time).collect();
        assert_eq!(down.len(), 99, "seed {seed}: everybody, once");
        sum += down[0] - died;
        assert!(events.iter().all(|one| !matches!(one.event, Event::Down(id) if id != dead)), "seed {seed}");
    }
    let mean = sum / runs as u32;
    assert!(mean < 5 * SECOND, "{mean:?}");
}

#[test]
fn nobody_who_lives_is_declared_down_when_a_tenth_of_all_messages_is_lost() {
    // For 300 s, and with slow nodes: in the lab.
    let (mut network, _) = known(100, 1, Config::default());
    network.set_faults(Faults { loss: 0.1, ..Faults::NONE });
    network.run_for(60 * SECOND);
    let suspected: u64 = network.machines().map(|(_, node)| node.stats().suspected).sum();
    assert!(suspected > 100, "{suspected} suspicions are no test");
    assert_eq!(wrongly_down(&mut network, &[]), 0);
}

#[test]
fn a_liar_who_says_that_all_others_are_dead_costs_pings_and_no_one_a_member() {
    let (mut network, ids) = known(30, 1, Config::default());
    network.run_for(10 * SECOND);
    network.take_events();
    let messages = network.stats().sent;
    let verified =
        |network: &Network<Full>| -> u64 { network.machines().map(|(_, node)| node.stats().verified).sum() };
    let before = verified(&network);
    for round in 0..30u64 {
        let known = |id: &NodeId| network.machine(*id).unwrap().incarnation();
        // Down outright, and suspected by everybody; of this incarnation, and of one that nobody can outbid.
        let mut updates = Vec::new();
        for id in &ids[1..] {
            let incarnation = if round % 3 == 2 { (1 << 62) - 1 } else { known(id) };
            updates.push(Update { id: *id, incarnation, claim: Claim::Down });
            for by in ids.iter().take(4) {
                updates.push(Update { id: *id, incarnation, claim: Claim::Suspect(*by) });
            }
            let bogus = Claim::Alive { addr: NodeAddr::new(*id), meta: meta("lie") };
            updates.push(Update { id: *id, incarnation: u64::MAX, claim: bogus.clone() });
            updates.push(Update { id: *id, incarnation: (1 << 62) - 1, claim: bogus });
        }
        for to in &ids[1..] {
            for updates in updates.chunks(200) {
                let message = Message::Members { updates: updates.to_vec() };
                network.forge(ids[0], Letter { to: *to, message });
            }
        }
        network.run_for(2 * SECOND);
    }
    assert_eq!(wrongly_down(&mut network, &[]), 0);
    network.run_for(10 * SECOND);
    assert!(network.machines().all(|(_, node)| node.up() == 29));
    assert!(network.machines().all(|(_, node)| node.members().all(|(_, one)| one.meta.is_empty())));
    assert!(network.machines().all(|(_, node)| node.incarnation() < 1 << 32), "nobody is near the end");
    // 29 nodes were each told 30 times of 28 others: what it costs is a few pings for each.
    let pings = verified(&network) - before;
    assert!((29 * 28..=29 * 28 * 30 * 2).contains(&pings), "{pings}");
    assert!(network.stats().sent - messages < 30 * 70 * 3 + 5 * pings);
}

#[test]
fn both_sides_of_a_partition_come_together_again() {
    let (mut network, ids) = known(20, 3, Config::default());
    let (one, other) = ids.split_at(10);
    let cuts = network.partition(one, other);
    network.run_for(90 * SECOND);
    assert!(network.machines().all(|(_, node)| node.up() == 9), "each side is alone");
    cuts.into_iter().for_each(|cut| assert!(network.heal_cut(cut)));
    network.run_for(60 * SECOND);
    assert!(network.machines().all(|(_, node)| node.up() == 19));
}

#[test]
fn after_any_faults_everybody_knows_who_is_there() {
    let mut campaign = Campaign::new(|id, _: &[Vec<u8>], peers: &[NodeId]| {
        Full::new(id, Config::default()).with_members(peers.iter().map(|id| NodeAddr::new(*id)))
    })
    .goal(|network| {
        let all = network.ids().len() - 1;
        let lacking = network.machines().find(|(_, node)| node.up() != all);
        lacking.map_or(Ok(()), |(id, node)| Err(format!("{id:?} knows {} of {all}", node.up())))
    });
    campaign.faults = Fault::SURVIVABLE.to_vec();
    campaign.check_every = 50;
    campaign.patience = Duration::from_secs(120);
    if let Err(failure) = campaign.run(0..40) {
        panic!("{failure}");
    }
}

/// One node that knows 1 to 4, driven by hand.
struct Bench {
    node: Full,
    rng: Rng,
    now: Time,
    ids: Vec<NodeId>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let ids: Vec<NodeId> = (0..10).map(NodeId::from_number).collect();
        let node = Full::new(ids[0], config).with_members(ids[..5].iter().map(|id| NodeAddr::new(*id)));
        Bench { node, rng: Rng::from_seed(1), now: Time::ZERO, ids }
    }

    fn give(&mut self, input: Input<Full>) -> Vec<Effect<Full>> {
        let mut effects = Vec::new();
        self.node.handle(input, &mut Context::new(self.now, &mut self.rng, &mut effects));
        effects
    }

    fn tell(&mut self, from: usize, updates: Vec<Update>) -> Vec<Effect<Full>> {
        self.give(Input::Message(self.ids[from], Message::Members { updates }))
    }

    fn claim(&self, of: usize, incarnation: u64, claim: Claim) -> Update {
        Update { id: self.ids[of], incarnation, claim }
    }
}

fn pinged(effects: &[Effect<Full>]) -> BTreeSet<NodeId> {
    let pings = effects.iter().filter_map(|effect| match effect {
        Effect::Send(to, Message::Ping { .. }) => Some(*to),
        _ => None,
    });
    pings.collect()
}

#[test]
fn what_is_said_of_us_is_refuted_and_what_is_said_of_the_past_is_not_heard() {
    let mut bench = Bench::new(Config::default());
    for (claim, incarnation) in [(Claim::Suspect(bench.ids[2]), 1), (Claim::Down, 2)] {
        let update = bench.claim(0, incarnation - 1, claim.clone());
        bench.tell(1, vec![update.clone()]);
        assert_eq!(bench.node.incarnation(), incarnation);
        bench.tell(1, vec![update]);
        assert_eq!(bench.node.incarnation(), incarnation, "that is refuted already");
    }
    assert_eq!((bench.node.stats().refuted, bench.node.health()), (2, 2), "we seem to be slow");
    // An earlier life of ours is outlived.
    let addr = NodeAddr::new(bench.ids[0]);
    bench.tell(1, vec![bench.claim(0, 40, Claim::Alive { addr, meta: meta("old") })]);
    assert_eq!(bench.node.incarnation(), 41);
    let alive = |incarnation| {
        let addr = NodeAddr::new(NodeId::from_number(3));
        Update { id: addr.id, incarnation, claim: Claim::Alive { addr, meta: Meta::new() } }
    };
    bench.tell(1, vec![alive(7), bench.claim(3, 6, Claim::Suspect(bench.ids[2]))]);
    assert_eq!(bench.node.state(bench.ids[3]), Some(State::Alive), "it has outlived that");
    bench.tell(1, vec![alive(7 + 1_025)]);
    assert_eq!(bench.node.stats().violations, 1, "nobody has jumped so far unseen");
    bench.tell(3, vec![alive(7 + 1_025)]);
    assert_eq!(bench.node.stats().violations, 1, "it may say so itself");
}

#[test]
fn a_suspicion_ends_with_a_word_of_the_suspect_or_after_so_many_pings() {
    // A third of them where somebody claims that it is dead.
    let config = Config { verify: 9, ..Config::default() };
    let mut bench = Bench::new(config);
    let suspect = bench.ids[2];
    let hearsay = bench.claim(2, 0, Claim::Suspect(bench.ids[1]));
    let effects = bench.tell(1, vec![hearsay.clone()]);
    let timer = dsys_gossip::membership::full::Timer::Verify(suspect);
    let wait = |effects: &[Effect<Full>]| {
        effects.iter().find_map(|effect| match effect {
            Effect::SetTimer(one, wait) if *one == timer => Some(*wait),
            _ => None,
        })
    };
    // 0.8 periods, and five times as much on hearsay.
    assert_eq!((wait(&effects), pinged(&effects).len()), (Some(Duration::from_secs(4)), 0));
    // The more share it the sooner: Lifeguard's logarithm.
    let effects = bench.tell(3, vec![bench.claim(2, 0, Claim::Suspect(bench.ids[3]))]);
    assert_eq!(wait(&effects), Some(Duration::from_secs(2)), "ln 2 / ln 4");
    assert_eq!(wait(&bench.tell(3, vec![hearsay])), None, "the same again says nothing");
    // Somebody claims that it is dead: we look for ourselves, at once.
    let effects = bench.tell(4, vec![bench.claim(2, 0, Claim::Down)]);
    assert_eq!(pinged(&effects), BTreeSet::from([suspect]));
    // It speaks: that is that.
    let effects = bench.give(Input::Message(suspect, Message::Ack { seq: 99, updates: vec![] }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelTimer(one) if *one == timer)));
    assert_eq!(bench.node.state(suspect), Some(State::Alive));
    // It does not: three pings, then it is down.
    let mut effects = bench.tell(4, vec![bench.claim(2, 0, Claim::Down)]);
    for _ in 0..3 {
        assert_eq!(pinged(&effects), BTreeSet::from([suspect]));
        assert_eq!(bench.node.state(suspect), Some(State::Suspect));
        effects = bench.give(Input::Timer(timer));
    }
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Down(id)) if *id == suspect)));
    assert_eq!((bench.node.up(), bench.node.stats().downs), (3, 1));
    // It is told so when it speaks, and believed when it says that it lives.
    let effects = bench.give(Input::Message(suspect, Message::Ping { seq: 5, updates: vec![] }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send(to, Message::Ack { seq: 5, updates })
        if *to == suspect && updates[0].claim == Claim::Down)));
    let addr = NodeAddr::new(suspect);
    bench.tell(2, vec![bench.claim(2, 1, Claim::Alive { addr, meta: Meta::new() })]);
    assert_eq!((bench.node.up(), bench.node.state(suspect)), (4, Some(State::Alive)));
}

#[test]
fn bounds_hold() {
    let config = Config { max_members: 6, max_taken: 20, max_meta: 20, max_relayed: 2, ..Config::default() };
    let mut bench = Bench::new(config);
    let alive = |number, text: &str| {
        let addr = NodeAddr::new(NodeId::from_number(number));
        Update { id: addr.id, incarnation: 1, claim: Claim::Alive { addr, meta: meta(text) } }
    };
    bench.tell(1, vec![alive(6, "x"); 21]);
    assert_eq!((bench.node.up(), bench.node.stats().violations), (4, 1), "too many at once");
    bench.tell(1, vec![alive(6, "much too long a text")]);
    let mut other = alive(6, "x");
    other.id = NodeId::from_number(7);
    bench.tell(1, vec![other]);
    assert_eq!((bench.node.up(), bench.node.stats().violations), (4, 3), "too large, and of another");
    bench.tell(1, (5..9).map(|number| alive(number, "x")).collect());
    assert_eq!((bench.node.members().count(), bench.node.stats().members_refused), (6, 2));
    for target in [1, 2, 3, 9] {
        let target = NodeId::from_number(target);
        bench.give(Input::Message(bench.ids[4], Message::PingReq { seq: 1, target, updates: vec![] }));
    }
    assert_eq!(bench.node.stats().relays_refused, 2);
    bench.give(Input::Command(Command::Meta(meta("much too long a text"))));
    assert_eq!((bench.node.stats().meta_refused, bench.node.incarnation()), (1, 0));
}
