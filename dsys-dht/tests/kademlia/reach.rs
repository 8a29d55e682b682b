//! Auto mode, and contacts that are not where they say.

use std::net::SocketAddr;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, NodeId, Rng, Time};
use dsys_dht::kademlia::{Addresses, Ask, Config, Kademlia, Message, Nodes, Timer};
use dsys_dht::{Command, Key, Mode, Overlay};
use dsys_sim::{Connections, Network};

use crate::world::{find, nearest, random_key};

/// So many nodes of as many networks, of which those cannot be dialled; all begin with the first.
fn behind_nats(nodes: u32, seed: u64, config: Config, hidden: fn(u32) -> bool) -> Network<Kademlia> {
    let simulated = dsys_sim::Config { connections: Connections::TRACKED, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(simulated);
    let first = network.id(0);
    for index in 0..nodes {
        let id = network.id(index);
        let begin = if index == 0 { Vec::new() } else { vec![first.into()] };
        network.add(Kademlia::new(id, begin, config.clone()).at(&[of_the_world(index)])).unwrap();
        network.set_dialable(id, !hidden(index));
    }
    network
}

fn of_the_world(index: u32) -> SocketAddr {
    format!("203.{}.{}.1:4433", index / 250, index % 250).parse().unwrap()
}

/// Who takes itself for what, against who it is, and how often the hidden are in tables.
fn judge(network: &Network<Kademlia>, nodes: u32, hidden: fn(u32) -> bool) -> (usize, usize) {
    let is_hidden = |id: NodeId| (0..nodes).any(|index| hidden(index) && network.id(index) == id);
    let wrong = network.machines().filter(|(id, machine)| machine.is_server() == is_hidden(*id)).count();
    let named = network.machines().flat_map(|(_, machine)| machine.contacts()).filter(|c| is_hidden(c.id));
    (wrong, named.count())
}

#[test]
fn who_can_be_dialled_serves_and_who_cannot_is_in_nobodys_table() {
    let hidden = |index: u32| index % 3 == 1;
    let mut network = behind_nats(40, 1, Config::default(), hidden);
    network.run_for(Duration::from_secs(600));
    assert_eq!(judge(&network, 40, hidden), (0, 0));
    let servers: Vec<NodeId> =
        (0..40).filter(|index| !hidden(*index)).map(|index| network.id(index)).collect();
    let mut rng = Rng::from_seed(2);
    for index in 0..40 {
        let (from, key) = (network.id(index), random_key(&mut rng));
        let (found, report) = find(&mut network, from, key);
        let others = servers.iter().copied().filter(|node| *node != from);
        assert_eq!(found.unwrap()[..8], nearest(others, key, 8), "asked by {index}");
        assert_eq!(report.failures, 0, "nobody who cannot be reached is asked");
    }
}

#[test]
fn two_nodes_are_servers_soon() {
    let mut network = behind_nats(2, 3, Config::default(), |_| false);
    network.run_for(Duration::from_secs(20));
    assert!(network.machines().all(|(_, machine)| machine.is_server() && machine.known() == 1));
}

#[test]
fn a_node_whose_door_opens_or_closes_finds_it_out() {
    let config = Config { recheck: Duration::from_secs(300), ..Config::default() };
    let mut network = behind_nats(12, 4, config, |index| index == 5);
    let (opens, closes) = (network.id(5), network.id(6));
    let is_server = |network: &Network<Kademlia>, id| network.machine(id).unwrap().is_server();
    network.run_for(Duration::from_secs(300));
    assert_eq!((is_server(&network, opens), is_server(&network, closes)), (false, true));
    network.set_dialable(opens, true);
    network.set_dialable(closes, false);
    network.run_for(Duration::from_secs(900));
    assert_eq!((is_server(&network, opens), is_server(&network, closes)), (true, false));
    let known = network.machines().filter(|(_, m)| m.contacts().any(|c| c.id == opens)).count();
    assert_eq!(known, 11, "it has said so");
}

#[test]
fn one_liar_among_three_who_are_asked_changes_nothing() {
    let hidden = |index: u32| index % 4 == 1;
    let mut network = behind_nats(24, 5, Config::default(), hidden);
    network.set_liars(&[network.id(2)], |_, _, mut letter| {
        if let Message::DialledBack { reached, .. } = &mut letter.message {
            *reached = Some(*reached != Some(true));
        }
        vec![letter]
    });
    network.run_for(Duration::from_secs(3_600));
    assert_eq!(judge(&network, 24, hidden), (0, 0));
}

fn id(number: u64) -> NodeId {
    let mut bytes = [0; 32];
    Rng::from_seed(number).fill(&mut bytes);
    NodeId::from_bytes(bytes)
}

struct One(Kademlia, Time);

impl One {
    /// A node of the world that has these contacts.
    fn new(contacts: u64, config: Config) -> One {
        let known = (1..=contacts).map(|n| NodeAddr::new(id(n)).with(of_the_world(n as u32)));
        let mut one = One(Kademlia::new(id(0), Vec::new(), config).with_contacts(known), Time::ZERO);
        one.give(Input::Start);
        one
    }

    fn give(&mut self, input: Input<Kademlia>) -> Vec<Effect<Kademlia>> {
        let (mut effects, mut rng) = (Vec::new(), Rng::from_seed(self.1.as_nanos()));
        self.0.handle(input, &mut Context::new(self.1, &mut rng, &mut effects));
        effects
    }

    fn tell(&mut self, from: NodeId, message: Message) -> Vec<Effect<Kademlia>> {
        self.give(Input::Message(from, message))
    }
}

fn probes(effects: &[Effect<Kademlia>]) -> Vec<NodeAddr> {
    let probe = |effect: &Effect<Kademlia>| match effect {
        Effect::Probe(addr) => Some(addr.clone()),
        _ => None,
    };
    effects.iter().filter_map(probe).collect()
}

#[test]
fn nobody_can_have_us_dial_all_day() {
    let mut one = One::new(0, Config { max_dial_backs: 5, ..Config::default() });
    let ask = |call| Message::DialBack { call, addrs: Addresses::from(vec![of_the_world(9)]) };
    assert_eq!(probes(&one.tell(id(1), ask(1))), [NodeAddr::new(id(1)).with(of_the_world(9))]);
    let declined = |effects: &[Effect<Kademlia>]| {
        matches!(effects, [Effect::Send(_, Message::DialledBack { reached: None, .. })])
    };
    assert!(declined(&one.tell(id(1), ask(2))), "once in a minute");
    let dialled: usize = (2..50).map(|n| probes(&one.tell(id(n), ask(1))).len()).sum();
    assert_eq!((dialled, one.0.stats().dial_backs_refused), (4, 45));
    one.1 += Duration::from_secs(61);
    assert_eq!(probes(&one.tell(id(1), ask(3))).len(), 1);
    // Each is told once, by the name of its own question.
    let told = one.give(Input::Probed(id(1).into(), true));
    assert!(
        matches!(&told[..], [Effect::Send(to, Message::DialledBack { call: 3, reached: Some(true) })] if *to == id(1))
    );
    assert!(one.give(Input::Probed(id(1).into(), true)).is_empty());
}

#[test]
fn only_most_of_those_who_were_asked_make_a_server() {
    let mut one = One::new(30, Config::default());
    let effects = one.give(Input::Command(Command::Advertise(vec![of_the_world(0)])));
    let asked: Vec<(NodeId, u32)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(to, Message::DialBack { call, .. }) => Some((*to, *call)),
            _ => None,
        })
        .collect();
    assert_eq!((asked.len(), one.0.is_server()), (3, false));
    let says = |call, yes| Message::DialledBack { call, reached: Some(yes) };
    for other in (1..=30).map(id).filter(|other| asked.iter().all(|(asked, _)| asked != other)) {
        one.tell(other, says(asked[0].1, true));
    }
    one.tell(asked[0].0, says(asked[0].1 + 1, true));
    for _ in 0..5 {
        one.tell(asked[0].0, says(asked[0].1, true));
    }
    assert!(!one.0.is_server(), "one of three, however often it says so");
    one.tell(asked[1].0, says(asked[1].1, false));
    assert!(!one.0.is_server());
    let effects = one.tell(asked[2].0, says(asked[2].1, true));
    assert!(one.0.is_server());
    let announced = |effect: &Effect<Kademlia>| {
        matches!(effect, Effect::Send(_, Message::Request { server: Some(addrs), ask: Ask::FindNode(key), .. })
            if *key == Key::of_node(id(0)) && addrs.len() == 1)
    };
    assert!(effects.iter().any(announced), "those around it hear of it");
}

#[test]
fn no_two_of_those_who_are_asked_to_dial_back_are_of_one_network() {
    let near = |n: u64| NodeAddr::new(id(n)).with(format!("192.0.2.{n}:1").parse().unwrap());
    let node = Kademlia::new(id(0), Vec::new(), Config::default()).with_contacts([near(1), near(2)]);
    let mut one = One(node, Time::ZERO);
    assert_eq!(one.0.known(), 2);
    let effects = one.give(Input::Command(Command::Advertise(vec![of_the_world(0)])));
    let asked = |effect: &&Effect<Kademlia>| matches!(effect, Effect::Send(_, Message::DialBack { .. }));
    assert_eq!(effects.iter().filter(asked).count(), 1);
}

#[test]
fn on_this_host_alone_and_without_addresses_there_is_nothing_to_find_out() {
    let local: SocketAddr = "127.0.0.1:4433".parse().unwrap();
    for addrs in [vec![], vec![local]] {
        let mut one = One::new(30, Config::default());
        one.give(Input::Command(Command::Advertise(addrs)));
        assert!(one.0.is_server());
    }
    let mut one = One::new(30, Config { mode: Mode::Server, ..Config::default() });
    let effects = one.give(Input::Command(Command::Advertise(vec![of_the_world(0)])));
    assert!(one.0.is_server() && effects.is_empty());
}

/// A node that asks us and says where it is; then it answers our question whether it is there.
fn meet(one: &mut One, peer: NodeId, addrs: Vec<SocketAddr>) -> Vec<Effect<Kademlia>> {
    let server = Some(Addresses::from(addrs));
    let effects = one.tell(peer, Message::Request { call: 1, server, ask: Ask::Ping });
    let call = effects.iter().find_map(|effect| match effect {
        Effect::Send(to, Message::Request { call, .. }) if *to == peer => Some(*call),
        _ => None,
    });
    call.map_or(Vec::new(), |call| one.tell(peer, Message::Answer { call, nodes: Nodes::default() }))
}

#[test]
fn a_contact_that_is_not_where_it_says_is_dropped() {
    let mut one = One::new(0, Config::default());
    let claimed = vec![of_the_world(7), of_the_world(8)];
    let dialled = probes(&meet(&mut one, id(1), claimed.clone()));
    assert_eq!(dialled.len(), 1, "by a fresh connection");
    one.give(Input::Probed(dialled[0].clone(), false));
    assert_eq!((one.0.known(), one.0.stats().refuted), (0, 1));
    meet(&mut one, id(1), claimed.clone());
    assert_eq!(one.0.known(), 0, "nor does it come back at once");
    one.1 += Duration::from_secs(2 * 3_600);
    let dialled = probes(&meet(&mut one, id(1), claimed));
    assert_eq!((one.0.known(), dialled.len()), (1, 1));
    // It answers at one of its addresses: that one counts.
    one.give(Input::Probed(NodeAddr::new(id(1)).with(of_the_world(8)), true));
    assert_eq!(one.0.contacts().next().unwrap().direct(), [of_the_world(8)]);
}

/// One network that has many keys, each of which claims another network.
#[test]
fn limits_on_a_network_hold_against_those_who_claim_others() {
    let mut one = One::new(0, Config::default());
    let home = |n: u64| -> SocketAddr { format!("192.0.2.{n}:1").parse().unwrap() };
    for n in 1..200 {
        for dialled in probes(&meet(&mut one, id(n), vec![of_the_world(n as u32), home(n)])) {
            one.give(Input::Probed(NodeAddr::new(dialled.id).with(home(n)), true));
        }
    }
    assert!(one.0.known() <= 2, "{}", one.0.known());
}

#[test]
fn in_local_networks_nobody_is_dialled_twice() {
    let mut one = One::new(0, Config::default());
    assert!(probes(&meet(&mut one, id(1), vec!["10.0.0.7:1".parse().unwrap()])).is_empty());
    let mut one = One::new(0, Config { verify: false, ..Config::default() });
    assert!(probes(&meet(&mut one, id(1), vec![of_the_world(1)])).is_empty());
    assert_eq!(one.0.known(), 1);
    // The timers are what the driver would fire.
    assert!(one.give(Input::Timer(Timer::Reach)).is_empty());
}
