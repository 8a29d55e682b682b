//! A swarm with Kademlia and gossipsub over QUIC, for the cost of building it.

use std::error::Error;

use libp2p::swarm::NetworkBehaviour;
use libp2p::{SwarmBuilder, gossipsub, kad};

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<kad::store::MemoryStore>,
    gossipsub: gossipsub::Behaviour,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|key| {
            let id = key.public().to_peer_id();
            let sign = gossipsub::MessageAuthenticity::Signed(key.clone());
            Ok(Behaviour {
                kad: kad::Behaviour::new(id, kad::store::MemoryStore::new(id)),
                gossipsub: gossipsub::Behaviour::new(sign, gossipsub::Config::default())?,
            })
        })?
        .build();
    swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
    println!("{}", swarm.local_peer_id());
    Ok(())
}
