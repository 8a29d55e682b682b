//! iroh-gossip over iroh.

use bytes::Bytes;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, RelayMode};
use iroh_gossip::api::{Event, GossipSender};
use iroh_gossip::net::Gossip;
use iroh_gossip::proto::TopicId;
use n0_future::StreamExt as _;

use crate::swarm::{Contender, Heard};

pub struct Theirs {
    topics: Vec<GossipSender>,
    nodes: Vec<(Router, Gossip)>,
}

impl Contender for Theirs {
    const NAME: &str = "iroh-gossip 0.101, iroh 1.4";

    async fn start(count: usize, heard: Heard) -> Self {
        let book = MemoryLookup::new();
        let (mut nodes, mut topics) = (Vec::<(Router, Gossip)>::new(), Vec::new());
        for at in 0..count {
            let endpoint = Endpoint::builder(presets::Minimal)
                .relay_mode(RelayMode::Disabled)
                .clear_ip_transports()
                .bind_addr("127.0.0.1:0")
                .expect("an address")
                .address_lookup(book.clone())
                .bind()
                .await
                .expect("a free port");
            let mut addr = EndpointAddr::new(endpoint.id());
            for socket in endpoint.bound_sockets() {
                addr = addr.with_ip_addr(socket);
            }
            book.add_endpoint_info(addr);
            let gossip = Gossip::builder().spawn(endpoint.clone());
            let router = Router::builder(endpoint).accept(iroh_gossip::ALPN, gossip.clone()).spawn();
            let contact = nodes.first().map(|(first, _)| first.endpoint().id());
            let topic = TopicId::from_bytes([7; 32]);
            let mut topic = gossip.subscribe(topic, contact.into_iter().collect()).await.expect("it runs");
            if at > 0 {
                topic.joined().await.expect("the first is there");
            }
            let (sender, mut events) = topic.split();
            let heard = heard.clone();
            tokio::spawn(async move {
                while let Some(Ok(event)) = events.next().await {
                    if let Event::Received(message) = event {
                        heard.heard(at, &message.content);
                    }
                }
            });
            topics.push(sender);
            nodes.push((router, gossip));
        }
        Theirs { topics, nodes }
    }

    async fn publish(&self, at: usize, payload: Bytes) {
        self.topics[at].broadcast(payload).await.expect("it fits");
    }

    async fn end(self) {
        drop(self.topics);
        for (router, gossip) in self.nodes {
            // Whichever comes first tells the other.
            let _ = gossip.shutdown().await;
            let _ = router.shutdown().await;
        }
    }
}
