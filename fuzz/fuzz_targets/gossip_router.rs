//! Messages of three peers for a node that is in a topic: it ends, and keeps no more than its bounds allow.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeAddr, Rng, SecretKey, Time};
use dsys_gossip::MemoryStore;
use dsys_gossip::agent::{Agent, Command, Message};
use dsys_gossip::envelope::{Timestamp, TopicId, TopicName};
use dsys_gossip::links::{self, Detection, Links};
use dsys_gossip::router::{self, Config, Router, Wire};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte + 1; 32])
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let topic: TopicName = "a".parse().expect("a name");
    let config = Config { max_names: 8, max_wanted: 4, max_cells: 16, sign_hops: true, ..Config::default() };
    let store = MemoryStore::with_budget(1 << 16);
    let me = key(0).public();
    let began = Timestamp::from_millis(1_800_000_000_000);
    let router = Router::new(Arc::new(key(0)), me, store, began, config);
    let swim = Detection::Swim(Arc::default());
    let links = Links::new(me, links::Config { detection: swim, ..links::Config::default() });
    let mut agent = Agent::new(router, links);
    let (mut rng, mut now) = (Rng::from_seed(1), Time::ZERO);
    let mut give = |agent: &mut Agent, input: Input<Agent>| {
        now += Duration::from_millis(50);
        let mut effects = Vec::new();
        agent.handle(input, &mut Context::new(now, &mut rng, &mut effects));
        assert!(effects.len() < 500, "{} effects", effects.len());
        effects
    };
    give(&mut agent, Input::Start);
    let contacts = (1..4).map(|byte| NodeAddr::new(key(byte).public())).collect();
    give(&mut agent, Input::Command(Command::Router(router::Command::Join { topic: topic.clone(), contacts })));
    let mut timers = Vec::new();
    for _ in 0..64 {
        let Some((what, after)) = rest.split_first() else { break };
        rest = after;
        let from = key(1 + what % 3).public();
        let input = match what / 3 % 8 {
            0 => match timers.pop() {
                Some(timer) => Input::Timer(timer),
                None => Input::PeerUp(from),
            },
            1 => Input::PeerDown(from),
            _ => {
                let Ok((mut message, after)) = postcard::take_from_bytes::<Message>(rest) else { break };
                rest = after;
                if let Message::Topic(Wire { topic: id, .. }) = &mut message
                    && *id != TopicId([0; 8])
                {
                    *id = topic.id();
                }
                Input::Message(from, message)
            }
        };
        for effect in give(&mut agent, input) {
            if let Effect::SetTimer(timer, _) = effect {
                timers.push(timer);
            }
        }
        assert!(agent.router().offered(&topic) <= 3 * (16 + 2 * 8 + 8 * 4));
        assert!(agent.router().assembling() <= 3 * (65_536 + 512));
        assert!(agent.router().store().bytes() <= 1 << 16);
    }
});
