//! Every order of events on rings of three and four nodes, explored on the shipped machine.
//!
//! Time does not pass in the model, so a time-out could run out on a node that is there; Zave assumes that failures are
//! noticed rightly. So here nothing fails and no time-out runs out; failures are for the simulator.

use dsys_core::check::{Explore, World};
use dsys_core::{Context, Effect, Input, Machine, NodeId};
use dsys_dht::chord::{Chord, Config, Message, Timer};
use dsys_dht::{Command, Event};
use stateright::{Checker, Model};

use crate::world::{invariant, is_ideal, placed};

/// A node whose questions are always answered in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Patient(NodeId, Chord);

impl Machine for Patient {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        let input = match input {
            Input::Start => Input::Start,
            Input::Command(command) => Input::Command(command),
            Input::Message(from, message) => Input::Message(from, message),
            Input::Timer(timer) => Input::Timer(timer),
            Input::PeerUp(peer) => Input::PeerUp(peer),
            Input::PeerDown(peer) => Input::PeerDown(peer),
            Input::Stored(token) => Input::Stored(token),
            Input::Probed(addr, reached) => Input::Probed(addr, reached),
        };
        let (now, mut effects) = (cx.now(), Vec::new());
        self.1.handle(input, &mut Context::new(now, cx.rng(), &mut effects));
        for effect in effects {
            match effect {
                Effect::Send(to, message) => cx.send(to, message),
                Effect::SetTimer(Timer::Call(_), _) | Effect::CancelTimer(Timer::Call(_)) => {}
                Effect::SetTimer(timer, after) => cx.set_timer(timer, after),
                Effect::CancelTimer(timer) => cx.cancel_timer(timer),
                Effect::Emit(_)
                | Effect::Learn(_)
                | Effect::Probe(_)
                | Effect::Disconnect(_)
                | Effect::Store(..) => {}
            }
        }
    }
}

const R: usize = 1;

fn machines(world: &World<Patient>) -> impl Iterator<Item = (NodeId, &Chord)> {
    world.machines.iter().map(|Patient(id, chord)| (*id, chord))
}

/// A ring of `base`, and `joining` that come to it, each asking at most so many questions.
fn explore(base: &[u8], joining: &[u8], within: fn(&World<Patient>) -> bool) -> usize {
    let config = || Config { successors: R, ..Config::default() };
    // Sixteenths of the ring, so that few fingers are wanted.
    let place = |sixteenth: &u8| {
        NodeId::from_bytes(std::array::from_fn(|at| if at == 0 { sixteenth << 4 } else { 0 }))
    };
    let base: Vec<NodeId> = base.iter().map(place).collect();
    let on_ring = base.iter().map(|id| (*id, Patient(*id, placed(*id, &base, config().into()))));
    let new = joining.iter().map(|number| {
        let id = place(number);
        (id, Patient(id, Chord::new(id, vec![base[0].into()], config())))
    });
    let model = Explore::new(on_ring.chain(new))
        .within(within)
        .always("Zave's invariant", |_, world| invariant(machines(world), R).is_ok())
        .sometimes("all have joined", |_, world| machines(world).all(|(_, chord)| chord.is_member()))
        .sometimes("the ring is ideal", |_, world| {
            machines(world).all(|(_, chord)| chord.is_member()) && is_ideal(machines(world)).is_ok()
        });
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn one_joins_a_ring_of_two_in_every_order() {
    let states =
        explore(&[0, 8], &[4], |world| world.machines.iter().all(|Patient(_, chord)| chord.questions() <= 3));
    assert!(states > 1_000, "{states}");
}

#[test]
fn one_joins_a_ring_of_three_in_every_order() {
    // The one that joins asks for the way, its successor and a finger; the one before it needs two rounds of stabilize.
    let states = explore(&[0, 8, 12], &[4], |world| {
        let most = [2, 2, 1, 4];
        world.machines.iter().zip(most).all(|(Patient(_, chord), most)| chord.questions() <= most)
    });
    assert!(states > 10_000, "{states}");
}
