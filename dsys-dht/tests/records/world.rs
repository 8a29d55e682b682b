//! Networks to test in, and operations run to their end.

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, Rng, SecretKey};
use dsys_dht::kademlia::{self, Kademlia};
use dsys_dht::records::{
    Command, Config, Event, GetError, Got, Kind, Message, Mutable, Provider, PutError, PutReport, Record,
    RecordId, Records, Salt, UnixTime, Value,
};
use dsys_dht::{Key, QueryId};
use dsys_sim::{Connections, Network};

use crate::places::known;
pub(crate) use crate::places::nearest;

pub(crate) type World = Network<Records<Kademlia>>;

/// What the wall clock shows when a simulation begins.
pub(crate) const EPOCH: UnixTime = UnixTime(1_800_000_000);

pub(crate) fn network(seed: u64) -> World {
    let config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(seed) };
    let mut network = Network::new(config);
    network.set_size(|message: &Message<kademlia::Message>| message.size(kademlia::Message::size));
    network
}

/// So many nodes that have joined by the first one.
pub(crate) fn joined(nodes: u32, seed: u64, kad: kademlia::Config, config: Config) -> World {
    let mut network = network(seed);
    let (kad, config) = (Arc::new(kad), Arc::new(config));
    let first = NodeAddr::new(network.id(0));
    for index in 0..nodes {
        let overlay = Kademlia::new(network.id(index), vec![first.clone()], kad.clone());
        network.add(Records::new(overlay, EPOCH, config.clone())).unwrap();
    }
    network.run_for(Duration::from_secs(40));
    network.take_events();
    network
}

/// So many nodes whose buckets hold whom a long life would have put there: `k` of those that belong, at random.
pub(crate) fn settled(nodes: u32, seed: u64, kad: kademlia::Config, config: Config) -> World {
    let mut network = network(seed);
    let (k, kad, config) = (kad.k, Arc::new(kad), Arc::new(config));
    let ids: Vec<NodeId> = (0..nodes).map(|index| network.id(index)).collect();
    let mut rng = Rng::from_seed(seed);
    for &id in &ids {
        let known = known(id, &ids, k, &mut rng);
        let overlay = Kademlia::new(id, Vec::new(), kad.clone());
        let overlay = overlay.with_contacts(known);
        network.add(Records::new(overlay, EPOCH, config.clone())).unwrap();
    }
    network.run_for(Duration::from_secs(20));
    network.take_events();
    network
}

pub(crate) fn value(text: &str) -> Record {
    Record::Immutable(Value::new(text.as_bytes().to_vec()).unwrap())
}

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32])
}

pub(crate) fn salt(text: &str) -> Salt {
    Salt::new(text.as_bytes().to_vec()).unwrap()
}

/// Lasts for an hour from the epoch.
pub(crate) fn mutable(number: u8, seq: u64, text: &str) -> Record {
    let value = Value::new(text.as_bytes().to_vec()).unwrap();
    Record::Mutable(Mutable::sign(
        &secret(number),
        salt("test"),
        seq,
        EPOCH.after(Duration::from_secs(3_600)),
        value,
    ))
}

pub(crate) fn provider(number: u8, key: Key) -> Record {
    let addr = NodeAddr::new(secret(number).public());
    let addr = addr.with(format!("192.0.2.{number}:4433").parse().unwrap());
    Record::Provider(Provider::sign(&secret(number), key, addr, EPOCH.after(Duration::from_secs(3_600))))
}

/// Runs until there is an event that `pick` takes.
pub(crate) fn until<T>(network: &mut World, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    for _ in 0..1_200 {
        network.run_for(Duration::from_millis(100));
        for emitted in network.take_events() {
            if let Some(picked) = pick(emitted.event) {
                return picked;
            }
        }
    }
    panic!("an operation did not end within two minutes");
}

pub(crate) const OP: QueryId = QueryId(77);

pub(crate) fn put_after(
    network: &mut World,
    from: NodeId,
    record: Record,
    after: Option<u64>,
) -> Result<PutReport, PutError> {
    network.take_events();
    network.command(from, Command::Put { op: OP, record, after, steps: false });
    until(network, |event| match event {
        Event::Put { op: OP, result } => Some(result),
        _ => None,
    })
}

pub(crate) fn put(network: &mut World, from: NodeId, record: Record) -> Result<PutReport, PutError> {
    put_after(network, from, record, None)
}

/// A get, and all that was found on the way.
pub(crate) fn get_all(
    network: &mut World,
    from: NodeId,
    id: RecordId,
    enough: usize,
) -> (Result<Got, GetError>, Vec<Record>) {
    network.take_events();
    let RecordId { key, kind, .. } = id;
    network.command(from, Command::Get { op: OP, key, kind, enough, steps: false });
    let mut found = Vec::new();
    let got = until(network, |event| match event {
        Event::Found { op: OP, record } => {
            found.push(record);
            None
        }
        Event::Got { op: OP, result } => Some(result),
        _ => None,
    });
    (got, found)
}

pub(crate) fn get(network: &mut World, from: NodeId, id: RecordId) -> Result<Got, GetError> {
    get_all(network, from, id, 1).0
}

pub(crate) fn leave(network: &mut World, node: NodeId) -> dsys_dht::records::LeaveReport {
    network.take_events();
    network.command(node, Command::Leave(OP));
    until(network, |event| match event {
        Event::Left(OP, report) => Some(report),
        _ => None,
    })
}

/// Who keeps it now.
pub(crate) fn keepers(network: &World, id: RecordId) -> Vec<NodeId> {
    network.machines().filter(|(_, machine)| machine.keeps(&id)).map(|(node, _)| node).collect()
}

pub(crate) fn missing(number: u8) -> RecordId {
    RecordId { key: Key::from_bytes([number; 32]), kind: Kind::Immutable, owner: NodeId::from_bytes([0; 32]) }
}

pub(crate) fn no_cache() -> Config {
    let mut config = Config::default();
    config.cache = Duration::ZERO;
    config
}
