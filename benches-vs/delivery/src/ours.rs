//! dsys-gossip over dsys-transport.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::SecretKey;
use dsys_gossip::router::Config;
use dsys_gossip::{Event, Gossip, TopicHandle};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};

use crate::swarm::{Contender, Heard};

pub struct Ours {
    topics: Vec<TopicHandle>,
    nodes: Vec<(Node, Gossip)>,
}

impl Contender for Ours {
    const NAME: &str = "dsys-gossip";

    async fn start(count: usize, heard: Heard) -> Self {
        let (mut nodes, mut topics) = (Vec::<(Node, Gossip)>::new(), Vec::new());
        for at in 0..count {
            let key = SecretKey::generate().expect("there is randomness");
            let any = "127.0.0.1:0".parse().expect("an address");
            let quic = Quic::bind(&key, &[any], QuicConfig::lan()).expect("a free port");
            let node = Node::new(quic, NodeConfig::default());
            // The bounds on what a peer may send are not what is compared.
            let mut config = Config::default();
            for rate in [&mut config.peer_rate, &mut config.publish_rate] {
                (rate.messages, rate.bytes) = (1_000_000, 1 << 30);
            }
            let gossip = Gossip::builder(&node).config(config).spawn().expect("speaks it once");
            let contact = nodes.first().map(|(first, _)| first.addr());
            let topic = gossip.join("bench", contact).await.expect("a good name");
            if at > 0 {
                topic.joined().await;
            }
            let (mut events, heard) = (topic.subscribe(), heard.clone());
            tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    if let Event::Message(message) = event {
                        heard.heard(at, &message.payload);
                    }
                }
            });
            topics.push(topic);
            nodes.push((node, gossip));
        }
        Ours { topics, nodes }
    }

    async fn publish(&self, at: usize, payload: Bytes) {
        self.topics[at].publish(payload).await.expect("it fits");
    }

    async fn end(self) {
        drop(self.topics);
        for (node, _) in self.nodes {
            node.shutdown(Duration::from_secs(1)).await;
        }
    }
}
