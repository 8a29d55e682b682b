//! Messages about documents from a peer who is not honest.
#![no_main]

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, SecretKey, Time};
use dsys_crdt::change::{Bundle, DocumentId, Log, Open, Received};
use dsys_crdt::doc::Doc;
use dsys_crdt::sync::{Config, Library, Message, Preview, Replicator};

struct Shelf(Doc<Open>);

impl Library for Shelf {
    type Policy = Open;

    fn look<R>(&self, document: &DocumentId, look: impl FnOnce(&Log<Open>, u32) -> R) -> Option<R> {
        (*document == self.0.log().document()).then(|| look(self.0.log(), self.0.log().len() as u32))
    }

    fn stored(&self, _: &DocumentId) -> Option<u32> {
        Some(self.0.log().len() as u32)
    }

    fn receive(&mut self, _: &DocumentId, changes: Bundle) -> Option<(Received, u32)> {
        let received = self.0.receive_bundle(changes, 0).0;
        Some((received, self.0.log().len() as u32))
    }

    fn preview(&mut self, _: &DocumentId, _: NodeId, preview: Preview) -> bool {
        preview.is_true_of(&self.0) == Some(true)
    }

    fn may_read(&self, _: &NodeId, _: &DocumentId) -> bool {
        true
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut doc = Doc::new(DocumentId::from_bytes([0; 32]), Open);
    let key = SecretKey::from_bytes([1; 32]);
    for number in 0..3 {
        doc.change(&key, 0, |doc| doc.set("/a", number)).expect("it makes sense");
    }
    let mut config = Config::default();
    config.preview = true;
    let mut machine = Replicator::new(Shelf(doc), config);
    let (mut rng, mut effects) = (Rng::from_seed(1), Vec::<Effect<Replicator<Shelf>>>::new());
    let mut hand = |input, at: u64| {
        machine.handle(input, &mut Context::new(Time::from_nanos(at * 1_000_000_000), &mut rng, &mut effects));
        assert!(effects.len() < 100, "one message has so many consequences");
        effects.clear();
    };
    hand(Input::Start, 0);
    let (peer, mut rest, mut now) = (NodeId::from_number(1), input, 0);
    while let Ok((message, after)) = postcard::take_from_bytes::<Message>(rest) {
        hand(Input::PeerUp(peer), now);
        hand(Input::Message(peer, message), now);
        hand(Input::Timer(dsys_crdt::sync::Timer::Round), now);
        (rest, now) = (after, now + 1);
    }
});
