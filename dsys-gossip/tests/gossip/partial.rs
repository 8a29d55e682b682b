//! Partial views: that they stay connected, heal, and cannot be taken over.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, NodeId, Rng, Time};
use dsys_gossip::membership::partial::{Command, Config, Event, Message, Partial, Timer};
use dsys_sim::swarm::Campaign;
use dsys_sim::{Connections, Crash, Network};

/// Nodes that joined one after the other through random earlier ones.
fn network(nodes: u32, seed: u64, connections: Connections) -> (Network<Partial>, Vec<NodeId>) {
    let simulated = dsys_sim::Config { connections, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    let mut rng = Rng::from_seed(seed);
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    for (at, id) in ids.iter().enumerate() {
        network.add(Partial::new(*id, Config::default())).unwrap();
        if let Some(contact) = rng.choose(&ids[..at]) {
            network.command(*id, Command::Join(vec![NodeAddr::new(*contact)]));
        }
        network.run_for(Duration::from_millis(20));
    }
    network.run_for(Duration::from_secs(40));
    (network, ids)
}

/// The largest share that was connected at once within this time. At any moment an answer may be on its way, and then
/// one side of a link knows of it and the other does not yet.
fn settle(network: &mut Network<Partial>, time: Duration) -> Result<f64, String> {
    let end = network.now() + time;
    let mut best = connected(network);
    while best != Ok(1.0) && network.now() < end {
        network.run_for(Duration::from_millis(100));
        let now = connected(network);
        if now.as_ref().ok() > best.as_ref().ok() {
            best = now;
        }
    }
    best
}

/// The largest set of living nodes that reach each other, as a share of the living; `None` if views are wrong.
pub(super) fn connected(network: &Network<Partial>) -> Result<f64, String> {
    let alive: BTreeSet<NodeId> = network.machines().map(|(id, _)| id).collect();
    let (mut left, mut largest) = (alive.clone(), 0);
    while let Some(first) = left.pop_first() {
        let (mut size, mut next) = (1, vec![first]);
        while let Some(node) = next.pop() {
            for peer in network.machine(node).unwrap().neighbours() {
                if network.machine(peer).is_some_and(|other| other.neighbours().all(|id| id != node)) {
                    return Err(format!(
                        "{node:?} counts {peer:?} as a neighbour, but not the other way round"
                    ));
                }
                if left.remove(&peer) {
                    size += 1;
                    next.push(peer);
                }
            }
        }
        largest = largest.max(size);
    }
    Ok(largest as f64 / alive.len() as f64)
}

#[test]
fn joined_nodes_are_connected_and_know_their_neighbours_both_ways() {
    for seed in 0..5 {
        let (mut network, ids) = network(200, seed, Connections::TRACKED);
        // A probe ends what only one side holds for a link.
        assert_eq!(settle(&mut network, Duration::from_secs(10)), Ok(1.0), "seed {seed}");
        let degrees: usize = ids.iter().map(|id| network.machine(*id).unwrap().neighbours().len()).sum();
        assert!(degrees > 5 * ids.len() && degrees <= 6 * ids.len(), "{degrees}");
        let passive: usize = ids.iter().map(|id| network.machine(*id).unwrap().passive().len()).sum();
        assert!(passive > 15 * ids.len(), "{passive}");
    }
}

#[test]
fn most_may_die_at_once_and_the_rest_find_each_other_within_seconds() {
    // Refused dials tell at once, silence after `max_silence`.
    let silent = Connections::Tracked { timeout: None, absent: dsys_sim::Notice::Silent };
    for (connections, crash, seconds) in
        [(Connections::TRACKED, Crash::PROCESS, 5), (silent, Crash::POWER, 60)]
    {
        for (dead, least) in [(160, 0.999), (180, 0.85)] {
            let mut share = 0.0;
            for seed in 0..4 {
                let (mut network, ids) = network(200, seed, connections);
                let mut doomed = ids.clone();
                Rng::from_seed(seed).shuffle(&mut doomed);
                doomed[..dead].iter().for_each(|id| assert!(network.crash(*id, crash)));
                share += settle(&mut network, Duration::from_secs(seconds)).unwrap_or(0.0) / 4.0;
                network.run_for(Duration::from_secs(5));
                for (id, node) in network.machines() {
                    let lost = node.neighbours().find(|peer| network.machine(*peer).is_none());
                    assert_eq!(lost, None, "{id:?} has a dead neighbour");
                }
            }
            assert!(share >= least, "{dead} of 200 dead ({crash:?}): {share}");
        }
    }
}

#[test]
fn after_any_faults_the_views_are_right_and_all_are_connected() {
    let contact = |peers: &[NodeId]| peers.iter().copied().map(NodeAddr::new).collect::<Vec<_>>();
    let mut campaign = Campaign::new(|id, _: &[Vec<u8>], _: &[NodeId]| Partial::new(id, Config::default()))
        .goal(|network| match connected(network)? {
            1.0 => Ok(()),
            share => Err(format!("only {share} are connected")),
        });
    // Whoever restarts has forgotten its contacts, so all are told them again and again.
    campaign = campaign.work(move |network, nodes| {
        for second in 0..90 {
            for node in nodes {
                let at = Time::ZERO + Duration::from_secs(second);
                network.command_at(at, *node, Command::Join(contact(nodes)));
            }
        }
    });
    campaign.check_every = 200;
    if let Err(failure) = campaign.run(0..60) {
        panic!("{failure}");
    }
}

/// One node, driven by hand.
pub(super) struct Bench {
    pub(super) node: Partial,
    rng: Rng,
    pub(super) now: Time,
}

impl Bench {
    pub(super) fn new(config: Config) -> Self {
        let node = Partial::new(NodeId::from_number(0), config);
        Bench { node, rng: Rng::from_seed(1), now: Time::ZERO }
    }

    pub(super) fn give(&mut self, input: Input<Partial>) -> Vec<Effect<Partial>> {
        let mut effects = Vec::new();
        self.node.handle(input, &mut Context::new(self.now, &mut self.rng, &mut effects));
        effects
    }

    pub(super) fn from(&mut self, peer: u64, message: Message) -> Vec<Effect<Partial>> {
        self.give(Input::Message(NodeId::from_number(peer), message))
    }

    pub(super) fn join(&mut self, peer: u64) -> Vec<Effect<Partial>> {
        self.from(peer, Message::Join(addr(peer)))
    }
}

pub(super) fn addr(number: u64) -> NodeAddr {
    NodeAddr::new(NodeId::from_number(number))
}

pub(super) fn tells(effects: &[Effect<Partial>], to: u64, told: &Message) -> bool {
    let to = NodeId::from_number(to);
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Send(peer, message) if *peer == to && message == told))
}

#[test]
fn forged_and_dead_members_reach_no_active_view_and_go_when_tried() {
    let mut bench = Bench::new(Config::default());
    bench.join(1);
    let forged: Vec<NodeAddr> = (100..107).map(addr).collect();
    let shuffle = Message::Shuffle { origin: Box::new(addr(1)), ttl: 0, nodes: forged };
    let effects = bench.from(1, shuffle.clone());
    // It dials them for its free places, and none that does not answer becomes a neighbour.
    let asked: Vec<NodeId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(to, Message::Neighbour { .. }) => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), Config::default().active - 1);
    for number in 100..107 {
        bench.give(Input::PeerDown(NodeId::from_number(number)));
    }
    assert_eq!(bench.node.neighbours().collect::<Vec<_>>(), [NodeId::from_number(1)]);
    assert!(bench.node.passive().is_empty(), "each cost one dial");
    // However much it sends, we take so much and no more.
    (0..1_000).for_each(|_| drop(bench.from(1, shuffle.clone())));
    assert_eq!(bench.node.stats().dropped, 1_001 - 256);
    assert!(bench.node.passive().len() <= Config::default().passive);
}

#[test]
fn whoever_breaks_a_bound_or_speaks_for_another_is_no_neighbour_any_more() {
    let mut bench = Bench::new(Config { max_shuffle: 3, max_barred: 3, ..Config::default() });
    let many: Vec<NodeAddr> = (10..14).map(addr).collect();
    let lies = [
        Message::Join(addr(2)),
        Message::Neighbour { addr: addr(2), high: true },
        Message::Shuffle { origin: Box::new(addr(1)), ttl: 3, nodes: many.clone() },
        Message::ShuffleReply(many),
    ];
    for (peer, lie) in (3..).zip(lies) {
        bench.join(peer);
        let effects = bench.from(peer, lie);
        assert!(tells(&effects, peer, &Message::Disconnect));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Down(_)))));
        // Other topics may use the link.
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Disconnect(_))));
        assert!(bench.join(peer).is_empty(), "it may not come back");
        let shuffle = Message::Shuffle { origin: Box::new(addr(1)), ttl: 0, nodes: vec![addr(peer)] };
        assert!(
            !bench.from(1, shuffle).iter().any(
                |effect| matches!(effect, Effect::Send(to, Message::Neighbour { .. }) if *to == addr(peer).id)
            ),
            "nor is it asked"
        );
    }
    assert!(bench.from(9, Message::ShuffleReply(vec![addr(5)])).is_empty(), "nobody had shuffled");
    assert_eq!((bench.node.stats().violations, bench.node.stats().barred), (5, 4));
    assert!(!bench.join(3).is_empty(), "the oldest of four has been forgotten");
    let barred = addr(7).id;
    let effects = bench.give(Input::Command(Command::Bar(barred)));
    assert!(effects.is_empty() && bench.join(7).is_empty(), "by the whole");
}

#[test]
fn a_full_view_gives_way_to_those_in_need_and_refuses_the_others() {
    let mut bench = Bench::new(Config { active: 2, ..Config::default() });
    bench.join(1);
    let effects = bench.join(2);
    assert!(tells(&effects, 2, &Message::Accept));
    assert!(tells(&effects, 1, &Message::ForwardJoin { joiner: addr(2), ttl: 6 }));
    let effects = bench.from(3, Message::Neighbour { addr: addr(3), high: false });
    assert!(tells(&effects, 3, &Message::Refuse));
    let effects = bench.from(3, Message::Neighbour { addr: addr(3), high: true });
    assert!(tells(&effects, 3, &Message::Accept));
    let down = effects.iter().filter(|effect| matches!(effect, Effect::Emit(Event::Down(_)))).count();
    assert_eq!((down, bench.node.neighbours().len(), bench.node.stats().evicted), (1, 2, 1));
    assert_eq!(bench.node.passive().len(), 1, "the one that gave way");
    // An answer that was not asked for makes no neighbour.
    let effects = bench.from(9, Message::Accept);
    assert!(tells(&effects, 9, &Message::Disconnect));
    let effects = bench.from(9, Message::Ping);
    assert!(tells(&effects, 9, &Message::Disconnect), "a half-open link ends");
}

#[test]
fn a_silent_neighbour_is_probed_then_lost_and_a_lonely_node_turns_to_its_contacts() {
    let mut bench = Bench::new(Config::default());
    let effects = bench.give(Input::Command(Command::Join(vec![addr(0), addr(1)])));
    assert!(tells(&effects, 1, &Message::Join(addr(0))));
    bench.from(1, Message::Accept);
    bench.now += Config::default().probe_after;
    bench.node.heard(NodeId::from_number(1), bench.now);
    let effects = bench.give(Input::Timer(Timer::Probe));
    assert!(!tells(&effects, 1, &Message::Ping), "it has spoken to what stands above");
    bench.now += Config::default().probe_after;
    let effects = bench.give(Input::Timer(Timer::Probe));
    assert!(tells(&effects, 1, &Message::Ping));
    bench.from(1, Message::Pong);
    bench.now += Config::default().max_silence;
    let effects = bench.give(Input::Timer(Timer::Probe));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Down(_)))));
    assert!(tells(&effects, 1, &Message::Join(addr(0))));
    assert_eq!((bench.node.neighbours().len(), bench.node.stats().lost), (0, 1));
    bench.from(1, Message::Accept);
    let effects = bench.give(Input::Command(Command::Leave));
    assert!(tells(&effects, 1, &Message::Disconnect));
    let effects = bench.give(Input::Timer(Timer::Probe));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send(..))), "it is away");
    assert!(tells(&bench.join(2), 2, &Message::Refuse));
}

#[test]
fn whoever_refused_is_asked_again_when_there_is_nobody_else() {
    let mut bench = Bench::new(Config::default());
    bench.join(1);
    let shuffle = Message::Shuffle { origin: Box::new(addr(1)), ttl: 0, nodes: vec![addr(2)] };
    let effects = bench.from(1, shuffle);
    let ask = |high| Message::Neighbour { addr: addr(0), high };
    assert!(tells(&effects, 2, &ask(false)));
    assert!(!tells(&bench.from(2, Message::Refuse), 2, &ask(false)), "not before the next shuffle");
    let effects = bench.give(Input::PeerDown(NodeId::from_number(1)));
    assert!(tells(&effects, 2, &ask(true)));
    // It is leaving: asking on and on would not help.
    assert!(!tells(&bench.from(2, Message::Refuse), 2, &ask(true)));
}

#[test]
fn a_contact_that_came_later_than_we_is_met_all_the_same_or_there_would_be_two_islands() {
    let join = Message::Join(addr(0));
    let mut bench = Bench::new(Config::default());
    bench.give(Input::Start);
    let effects = bench.give(Input::Command(Command::Join(vec![addr(1)])));
    assert!(tells(&effects, 1, &join));
    let soon = |effects: &[Effect<Partial>]| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::SetTimer(Timer::Probe, after) if after.as_millis() < 500))
    };
    assert!(soon(&effects), "it looks again soon: {effects:?}");
    // It is not in the topic yet, and another joins by us meanwhile.
    bench.from(1, Message::Refuse);
    bench.join(2);
    let effects = bench.give(Input::Timer(Timer::Probe));
    assert!(tells(&effects, 1, &join), "having a neighbour is not enough");
    // It does not speak the protocol; then it does.
    bench.give(Input::PeerDown(NodeId::from_number(1)));
    let effects = bench.give(Input::PeerUp(NodeId::from_number(1)));
    assert!(tells(&effects, 1, &join));
    bench.from(1, Message::Accept);
    for input in
        [Input::Timer(Timer::Probe), Input::PeerUp(NodeId::from_number(1)), Input::Timer(Timer::Shuffle)]
    {
        assert!(!tells(&bench.give(input), 1, &join), "it is met");
    }
    // A contact that is never there is tried with each shuffle.
    bench.give(Input::Command(Command::Join(vec![addr(9)])));
    for _ in 0..20 {
        bench.give(Input::PeerDown(NodeId::from_number(9)));
        bench.give(Input::Timer(Timer::Probe));
    }
    bench.give(Input::PeerDown(NodeId::from_number(9)));
    assert!(!tells(&bench.give(Input::Timer(Timer::Probe)), 9, &join), "not for ever so often");
    assert!(tells(&bench.give(Input::Timer(Timer::Shuffle)), 9, &join));
}

#[test]
fn a_connection_that_was_replaced_costs_no_neighbour() {
    let mut bench = Bench::new(Config::default());
    bench.join(1);
    bench.give(Input::PeerDown(NodeId::from_number(1)));
    assert_eq!(bench.node.neighbours().len(), 0);
    let effects = bench.give(Input::PeerUp(NodeId::from_number(1)));
    assert!(tells(&effects, 1, &Message::Neighbour { addr: addr(0), high: true }));
    // And seen from the other side: one that asks has lost us, so what stood between us begins anew.
    let mut bench = Bench::new(Config::default());
    bench.join(1);
    let effects = bench.from(1, Message::Neighbour { addr: addr(1), high: true });
    let told: Vec<&Event> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Emit(event) => Some(event),
            _ => None,
        })
        .collect();
    assert_eq!(told, [&Event::Down(addr(1).id), &Event::Up(addr(1).id)]);
}

#[test]
fn a_node_that_asks_again_and_again_to_be_a_neighbour_is_taken_so_often_and_no_more() {
    let config = Config { max_asked: 5, ..Config::default() };
    let ask = |high| Message::Neighbour { addr: addr(1), high };
    // It asks although it is one; or joins; or goes and comes back.
    let ways: [&[Message]; 3] = [&[ask(false)], &[Message::Join(addr(1))], &[ask(true), Message::Disconnect]];
    for way in ways {
        let mut bench = Bench::new(config.clone());
        bench.give(Input::Start);
        bench.join(2);
        let (mut ups, mut sent) = (0, 0);
        for _ in 0..1_000 {
            for message in way {
                for effect in bench.from(1, message.clone()) {
                    ups += usize::from(matches!(effect, Effect::Emit(Event::Up(_))));
                    sent += usize::from(matches!(effect, Effect::Send(..)));
                }
            }
        }
        assert_eq!((ups, bench.node.stats().dropped), (5, 995), "{way:?}");
        assert!(sent < 1_000 + 5 * 4, "{way:?}: {sent} messages");
        // Others are not worse off, and after a shuffle of ours it may ask again.
        assert!(tells(&bench.from(3, Message::Join(addr(3))), 3, &Message::Accept));
        bench.give(Input::Timer(Timer::Shuffle));
        let effects = bench.from(1, way[0].clone());
        assert!(tells(&effects, 1, &Message::Accept), "{way:?}");
    }
    // However many keys somebody has, there is an end.
    let mut bench = Bench::new(Config { max_taken: 50, ..config });
    (100..1_100).for_each(|peer| drop(bench.from(peer, Message::Neighbour { addr: addr(peer), high: true })));
    assert_eq!(bench.node.stats().dropped, 950);
}

#[test]
fn the_last_neighbour_lost_is_looked_for_soon_whatever_was_looked_for_before() {
    let mut bench = Bench::new(Config::default());
    let delay = |effects: &[Effect<Partial>]| {
        effects.iter().find_map(|effect| match effect {
            Effect::SetTimer(Timer::Probe, after) => Some(after.as_millis()),
            _ => None,
        })
    };
    bench.give(Input::Start);
    bench.join(2);
    let first = delay(&bench.give(Input::Command(Command::Join(vec![addr(1)])))).unwrap();
    // The contact does not answer, and is looked for ever less often.
    for _ in 0..20 {
        bench.give(Input::PeerDown(addr(1).id));
        bench.from(2, Message::Pong);
        bench.give(Input::Timer(Timer::Probe));
    }
    let late = delay(&bench.give(Input::Timer(Timer::Probe))).unwrap();
    assert!(late > 4 * first, "{first} {late}");
    let alone = bench.give(Input::PeerDown(addr(2).id));
    assert_eq!(delay(&alone), Some(first));
    // With a neighbour again, the contact that was not met is looked for soon again as well.
    (0..20).for_each(|_| drop(bench.give(Input::Timer(Timer::Probe))));
    bench.join(3);
    assert_eq!(delay(&bench.give(Input::Timer(Timer::Probe))), Some(first));
}
