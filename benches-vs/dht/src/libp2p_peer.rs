//! libp2p-kad over QUIC with identify, without which nobody learns where whoever dialled it listens.

use std::collections::HashMap;

use futures::StreamExt;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{self, QueryId, QueryResult};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify};
use tokio::sync::{mpsc, oneshot};

use crate::contender::{Contender, Fetched, Looked, Stored};

pub struct Libp2p;

pub struct Peer {
    id: PeerId,
    addr: Multiaddr,
    commands: mpsc::Sender<Command>,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

enum Command {
    Lookup([u8; 32], oneshot::Sender<Looked>),
    Put([u8; 32], Vec<u8>, oneshot::Sender<Stored>),
    Get([u8; 32], oneshot::Sender<Fetched>),
}

enum Waits {
    Lookup(oneshot::Sender<Looked>),
    Put([u8; 32], oneshot::Sender<Stored>),
    Get(oneshot::Sender<Fetched>),
}

impl Peer {
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).await.ok().expect("it runs");
        answer.await.expect("it answers")
    }
}

impl Contender for Libp2p {
    const NAME: &'static str = "libp2p-kad 0.49 QUIC";
    type Node = Peer;

    async fn start(first: Option<&Peer>) -> Peer {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_quic()
            .with_behaviour(|key| {
                let id = key.public().to_peer_id();
                let kad = kad::Behaviour::new(id, MemoryStore::new(id));
                let identify = identify::Config::new("/bench/1".into(), key.public());
                Behaviour { kad, identify: identify::Behaviour::new(identify) }
            })
            .expect("it cannot fail")
            .build();
        swarm.behaviour_mut().kad.set_mode(Some(kad::Mode::Server));
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")).expect("a free port");
        let addr = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        if let Some(first) = first {
            swarm.behaviour_mut().kad.add_address(&first.id, first.addr.clone());
            swarm.behaviour_mut().kad.bootstrap().expect("one is known");
        }
        let (commands, receiver) = mpsc::channel(64);
        let id = *swarm.local_peer_id();
        tokio::spawn(run(swarm, receiver));
        Peer { id, addr, commands }
    }

    fn place(peer: &Peer) -> Vec<u8> {
        kad::KBucketKey::from(peer.id).hashed_bytes().to_vec()
    }

    fn place_of(key: [u8; 32]) -> Vec<u8> {
        kad::KBucketKey::new(key.to_vec()).hashed_bytes().to_vec()
    }

    async fn lookup(peer: &Peer, key: [u8; 32]) -> Looked {
        peer.ask(|answer| Command::Lookup(key, answer)).await
    }

    async fn put(peer: &Peer, value: Vec<u8>) -> Stored {
        let key = *blake3::hash(&value).as_bytes();
        peer.ask(|answer| Command::Put(key, value, answer)).await
    }

    async fn get(peer: &Peer, key: [u8; 32]) -> Fetched {
        peer.ask(|answer| Command::Get(key, answer)).await
    }
}

async fn run(mut swarm: Swarm<Behaviour>, mut commands: mpsc::Receiver<Command>) {
    let mut waiting = HashMap::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => begin(&mut swarm.behaviour_mut().kad, command, &mut waiting),
                None => return,
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                    peer_id, info, ..
                })) => {
                    for addr in info.listen_addrs {
                        swarm.behaviour_mut().kad.add_address(&peer_id, addr);
                    }
                }
                SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => {
                    progress(&mut swarm.behaviour_mut().kad, event, &mut waiting);
                }
                _ => {}
            },
        }
    }
}

fn begin(kad: &mut kad::Behaviour<MemoryStore>, command: Command, waiting: &mut HashMap<QueryId, Waits>) {
    match command {
        Command::Lookup(key, answer) => {
            waiting.insert(kad.get_closest_peers(key.to_vec()), Waits::Lookup(answer));
        }
        Command::Put(key, value, answer) => {
            let record = kad::Record::new(key.to_vec(), value);
            // All of them, as everybody else here; `Quorum::One` would not wait for the copies.
            let query = kad.put_record(record, kad::Quorum::All).expect("it has room");
            waiting.insert(query, Waits::Put(key, answer));
        }
        Command::Get(key, answer) => {
            let key = kad::RecordKey::new(&key);
            if let Some(record) = kad.store_mut().get(&key) {
                let _ = answer.send(Fetched { value: Some(record.value.clone()), local: true });
                return;
            }
            waiting.insert(kad.get_record(key), Waits::Get(answer));
        }
    }
}

fn progress(kad: &mut kad::Behaviour<MemoryStore>, event: kad::Event, waiting: &mut HashMap<QueryId, Waits>) {
    let kad::Event::OutboundQueryProgressed { id, result, stats, .. } = event else { return };
    match (waiting.remove(&id), result) {
        (Some(Waits::Lookup(answer)), QueryResult::GetClosestPeers(found)) => {
            let peers = found.map(|found| found.peers).unwrap_or_default();
            let place = |peer: kad::PeerInfo| kad::KBucketKey::from(peer.peer_id).hashed_bytes().to_vec();
            let places = peers.into_iter().map(place).collect();
            let _ = answer.send(Looked { places, requests: stats.num_requests() });
        }
        (Some(Waits::Put(key, answer)), QueryResult::PutRecord(stored)) => {
            let copies = match stored {
                Ok(_) => 20,
                Err(kad::PutRecordError::QuorumFailed { success, .. })
                | Err(kad::PutRecordError::Timeout { success, .. }) => success.len(),
            };
            let _ = answer.send(Stored { key, copies: Some(copies), requests: stats.num_requests() });
        }
        (Some(Waits::Get(answer)), QueryResult::GetRecord(got)) => {
            let value = match got {
                Ok(kad::GetRecordOk::FoundRecord(found)) => Some(found.record.value),
                _ => None,
            };
            // The first copy is enough.
            if let Some(mut query) = kad.query_mut(&id) {
                query.finish();
            }
            let _ = answer.send(Fetched { value, local: false });
        }
        _ => {}
    }
}
