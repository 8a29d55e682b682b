//! What a node does with each message, with hostile ones too.

use std::time::Duration;

use bytes::Bytes;
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};
use dsys_gossip::MessageId;
use dsys_gossip::rumor::{
    Command, Config, Direction, Event, Judgement, Loss, Message, Rumor, Timer, Update, Variant, Verdict,
};
use dsys_sim::swarm::Campaign;

const CYCLE: Duration = Duration::from_millis(100);

/// One node with one peer, driven by hand.
struct Bench {
    rumor: Rumor,
    rng: Rng,
    now: Time,
    peer: NodeId,
}

impl Bench {
    fn new(config: Config) -> Self {
        let [me, peer] = [NodeId::from_number(1), NodeId::from_number(2)];
        let rumor = Rumor::new(me, [peer], Config { in_step: true, cycle: CYCLE, ..config });
        let mut bench = Bench { rumor, rng: Rng::from_seed(1), now: Time::ZERO, peer };
        bench.give(Input::Start);
        bench
    }

    fn of(variant: Variant) -> Self {
        Self::new(Config { variant, ..Config::default() })
    }

    fn give(&mut self, input: Input<Rumor>) -> Vec<Effect<Rumor>> {
        let mut effects = Vec::new();
        self.rumor.handle(input, &mut Context::new(self.now, &mut self.rng, &mut effects));
        effects
    }

    fn hear(&mut self, message: Message) -> Vec<Message> {
        sent(self.give(Input::Message(self.peer, message)))
    }

    fn publish(&mut self, id: MessageId) -> Vec<Effect<Rumor>> {
        self.give(Input::Command(Command::Publish { id, payload: Bytes::from_static(b"psst") }))
    }

    /// The next cycle begins.
    fn cycle(&mut self) -> Vec<Message> {
        self.now += CYCLE;
        sent(self.give(Input::Timer(Timer::Cycle)))
    }

    fn judge(&mut self, id: MessageId, news: bool) {
        self.hear(Message::Judge { verdicts: vec![Verdict { id, news }], updates: vec![] });
    }
}

fn sent(effects: Vec<Effect<Rumor>>) -> Vec<Message> {
    let messages = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(_, message) => Some(message),
        _ => None,
    });
    messages.collect()
}

fn update(id: MessageId, hops: u32) -> Update {
    Update { id, hops, payload: Bytes::from_static(b"psst") }
}

const ID: MessageId = MessageId([7; 16]);
const OTHER: MessageId = MessageId([8; 16]);

#[test]
fn news_resets_the_counter_and_stale_contacts_in_a_row_cool() {
    let mut bench = Bench::of(Variant::push(2));
    bench.publish(ID);
    for news in [false, true, false] {
        assert_eq!(bench.cycle(), [Message::Push(vec![update(ID, 1)])]);
        bench.judge(ID, news);
    }
    assert_eq!(bench.cycle().len(), 1, "one stale contact since the news");
    bench.judge(ID, false);
    assert!(bench.cycle().is_empty() && bench.rumor.hot().len() == 0 && bench.rumor.knows(ID));
    // Without the reset the first and the third contact are two.
    let mut bench = Bench::of(Variant { loss: Loss::Counter { k: 2, reset: false }, ..Variant::push(2) });
    bench.publish(ID);
    for news in [false, true, false] {
        bench.cycle();
        bench.judge(ID, news);
    }
    assert!(bench.cycle().is_empty());
}

#[test]
fn a_blind_counter_asks_nobody() {
    let loss = Loss::Counter { k: 3, reset: true };
    let mut bench = Bench::of(Variant { judgement: Judgement::Blind, loss, ..Variant::push(3) });
    bench.publish(ID);
    let pushes = (0..10).filter(|_| !bench.cycle().is_empty()).count();
    assert_eq!(pushes, 3);
    assert!(bench.hear(Message::Push(vec![update(OTHER, 1)])).is_empty(), "no verdict is sent");
    assert!(bench.rumor.knows(OTHER));
}

#[test]
fn a_conversation_of_push_and_pull_goes_by_the_start_of_the_cycle() {
    let mut bench = Bench::of(Variant::push_pull(2));
    assert_eq!(
        bench.cycle(),
        [Message::Pull { offers: false }],
        "nothing to say, but always something to ask"
    );
    assert!(bench.hear(Message::Give(vec![])).is_empty());
    bench.publish(ID);
    assert!(bench.hear(Message::Pull { offers: false }).is_empty(), "heard in this very cycle");
    assert_eq!(bench.cycle(), [Message::Pull { offers: true }]);
    assert_eq!(bench.hear(Message::Pull { offers: true }), [Message::Give(vec![update(ID, 1)])]);
    // Our own pull: two rumours come back, ours is not among them and so is pushed.
    let given = Message::Give(vec![update(OTHER, 1)]);
    let verdict = |news| vec![Verdict { id: OTHER, news }];
    let both = Message::Judge { verdicts: verdict(true), updates: vec![update(ID, 1)] };
    assert_eq!(bench.hear(given.clone()), [both]);
    assert!(bench.hear(given).is_empty(), "a second copy");
    // The one that pulled from us pushes what we heard in this cycle: still news.
    let push = Message::Judge { verdicts: vec![], updates: vec![update(OTHER, 3)] };
    assert_eq!(bench.hear(push), [Message::Judge { verdicts: verdict(true), updates: vec![] }]);
    bench.cycle();
    bench.give(Input::Message(bench.peer, Message::Give(vec![update(OTHER, 2)])));
    assert_eq!(bench.rumor.stats().violations, 1, "only the second copy");
}

#[test]
fn what_nobody_asked_for_cools_nothing_and_teaches_nothing() {
    let mut bench = Bench::of(Variant::push(1));
    bench.publish(ID);
    bench.judge(ID, false);
    assert!(bench.hear(Message::Give(vec![update(OTHER, 1)])).is_empty());
    assert!(bench.hear(Message::Busy).is_empty());
    let smuggled = Message::Judge { verdicts: vec![], updates: vec![update(OTHER, 1)] };
    assert!(bench.hear(smuggled).is_empty());
    assert_eq!((bench.rumor.stats().violations, bench.rumor.knows(OTHER)), (4, false));
    assert_eq!(bench.cycle().len(), 1, "still hot");
    bench.judge(ID, false);
    assert!(bench.cycle().is_empty());
}

#[test]
fn a_refused_contact_does_not_count_and_hunts_for_another() {
    let variant =
        Variant { judgement: Judgement::Blind, connection_limit: Some(1), hunt: 2, ..Variant::push(1) };
    let mut bench = Bench::of(variant);
    bench.publish(ID);
    assert_eq!(bench.cycle().len(), 1);
    for tries in [1, 1, 0] {
        assert_eq!(bench.hear(Message::Busy).len(), tries);
    }
    assert_eq!((bench.rumor.hot().len(), bench.rumor.stats().updates), (1, 0));
    assert_eq!(bench.cycle().len(), 1, "a new cycle, a new contact");
    assert!(bench.hear(Message::Push(vec![update(OTHER, 1)])).is_empty());
    assert_eq!(bench.hear(Message::Push(vec![])), [Message::Busy], "the second contact of a cycle");
    bench.cycle();
    assert_eq!(bench.rumor.hot().collect::<Vec<_>>(), [OTHER], "the first was pushed and is done");
}

#[test]
fn bounds_hold_and_cost_the_liar_its_connection() {
    let config = Config {
        max_hot: 2,
        max_payload: 4,
        max_exchange: 2,
        max_seen: 3,
        max_cycles: 5,
        ..Config::default()
    };
    let mut bench = Bench::new(Config { variant: Variant::push(9), ..config });
    let long = Update { id: ID, hops: 1, payload: Bytes::from_static(b"too long") };
    let judged = bench.hear(Message::Push(vec![long]));
    let stale = Message::Judge { verdicts: vec![Verdict { id: ID, news: false }], updates: vec![] };
    assert_eq!(judged, [stale], "what is refused is as good as known, so that the peer stops");
    for byte in 0..3 {
        bench.publish(MessageId([byte; 16]));
    }
    assert_eq!((bench.rumor.hot().len(), bench.rumor.stats().refused), (2, 2));
    let refused = bench.publish(MessageId([0; 16]));
    assert!(matches!(refused[..], [Effect::Emit(Event::Refused(_))]), "a name is used once");

    let many = vec![update(ID, 1); 3];
    for message in [Message::Push(many.clone()), Message::Give(many)] {
        let effects = bench.give(Input::Message(bench.peer, message));
        assert!(matches!(effects[..], [Effect::Disconnect(_)]), "{effects:?}");
    }
    assert!(!bench.rumor.knows(ID));
    assert_eq!((0..20).filter(|_| !bench.cycle().is_empty()).count(), 5, "nobody ever answers");
    for byte in 10..14 {
        bench.publish(MessageId([byte; 16]));
    }
    assert_eq!(bench.rumor.stats().forgotten_early, 1, "the first name of four, two of which were refused");
}

#[test]
fn under_any_faults_only_what_was_told_is_heard_and_every_epidemic_ends() {
    for direction in [Direction::Push, Direction::Pull, Direction::PushPull] {
        let variant = Variant { direction, ..Variant::push_pull(3) };
        let mut campaign = Campaign::new(move |id, _: &[Vec<u8>], peers: &[NodeId]| {
            Rumor::new(id, peers, Config { variant, ..Config::default() })
        })
        .work(|network, nodes| {
            for (byte, node) in nodes.iter().enumerate() {
                let (id, payload) = (MessageId([byte as u8; 16]), Bytes::from(vec![byte as u8]));
                network.command(*node, Command::Publish { id, payload });
            }
        })
        .invariant(|network| {
            let told = network.ids().len() as u8;
            let mut events = network.events().iter();
            let bad = events.find(|emitted| match &emitted.event {
                Event::Heard { id, payload, .. } => id.0[0] >= told || payload[..] != id.0[..1],
                _ => true,
            });
            bad.map_or(Ok(()), |bad| Err(format!("{bad:?} was not told")))
        })
        .goal(|network| {
            let hot = network.machines().find(|(_, rumor)| rumor.hot().len() > 0);
            hot.map_or(Ok(()), |(id, _)| Err(format!("{id:?} never stops")))
        });
        campaign.check_every = 20;
        if let Err(failure) = campaign.run(0..40) {
            panic!("{direction:?}: {failure}");
        }
    }
}
