//! dsys-gossip: a topic with the settings it comes with.

use std::sync::LazyLock;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId};
use dsys_gossip::topic::{Command, Config, Event, Message, Topic};
use dsys_gossip::{MessageId, broadcast};

use crate::contender::Contender;

pub struct Ours;

impl Contender for Ours {
    type Node = Topic;

    fn node(id: NodeId, _seed: u64) -> Topic {
        static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);
        Topic::new(id, &CONFIG)
    }

    fn join(contact: Option<NodeId>) -> Command {
        Command::Join(contact.map(NodeAddr::new).into_iter().collect())
    }

    fn broadcast(number: u32) -> Command {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Command::Broadcast(broadcast::Command::Broadcast {
            id: MessageId(id),
            payload: Bytes::copy_from_slice(&number.to_be_bytes()),
        })
    }

    fn heard(event: &Event) -> Option<u32> {
        match event {
            Event::Broadcast(broadcast::Event::Delivered { payload, .. }) => {
                Some(u32::from_be_bytes(payload.as_ref().try_into().ok()?))
            }
            _ => None,
        }
    }

    fn payloads(node: &Topic) -> u64 {
        node.broadcast().stats().payloads
    }

    fn size(message: &Message) -> usize {
        message.size()
    }
}
