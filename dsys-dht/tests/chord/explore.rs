//! Every order of events on rings of three and four nodes, explored on the shipped machine.
//!
//! Time does not pass in the model, so a time-out could run out on a node that is there; Zave assumes that failures are
//! noticed rightly. So here no time-out runs out, and who has failed is told by a perfect detector.

use dsys_core::check::{Explore, World};
use dsys_core::{Context, Effect, Input, Machine, NodeId};
use dsys_dht::chord::{Chord, Config, Message, Tell, Timer};
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
        let mut effects = Vec::new();
        self.1.handle(input.recast(), &mut cx.part(&mut effects));
        for effect in effects {
            match effect {
                Effect::SetTimer(Timer::Call(_), _) | Effect::CancelTimer(Timer::Call(_)) => {}
                Effect::Send(..) | Effect::SetTimer(..) | Effect::CancelTimer(_) => {
                    effect
                        .within(|_, message| message, |timer| timer)
                        .into_iter()
                        .for_each(|effect| cx.push(effect));
                }
                _ => {}
            }
        }
    }
}

/// Those that have not failed.
fn machines(world: &World<Patient>) -> impl Iterator<Item = (NodeId, &Chord)> {
    let alive = world.machines.iter().zip(&world.failed).filter(|(_, failed)| !**failed);
    alive.map(|(Patient(id, chord), _)| (*id, chord))
}

/// The only one that may fail stands at the fourth sixteenth, so that a base stays; Zave's other condition: no failure takes
/// a member's last live successor. Zave's steps are atomic: so neither does it fail while it is on its way to become one.
fn may_fail(world: &World<Patient>, node: NodeId) -> bool {
    let is_answer =
        |message: &Message| matches!(message, Message::Answer { tell: Tell::Neighbours { .. }, .. });
    if world.network.keys().any(|(from, _, message)| *from == node && is_answer(message)) {
        return false;
    }
    let others = || machines(world).filter(|(id, chord)| *id != node && chord.is_member());
    let keeps_one = |chord: &Chord| chord.successors().any(|next| others().any(|(id, _)| id == next));
    node == place(4) && others().all(|(_, chord)| keeps_one(chord))
}

/// Sixteenths of the ring, so that few fingers are wanted.
fn place(sixteenth: u8) -> NodeId {
    NodeId::from_bytes(std::array::from_fn(|at| if at == 0 { sixteenth << 4 } else { 0 }))
}

fn joined(world: &World<Patient>) -> bool {
    machines(world).all(|(_, chord)| chord.is_member())
}

/// A ring of `base` with `R` successors, and `joining` that come to it, each asking at most so many questions; so many fail.
fn explore<const R: usize>(
    base: &[u8],
    joining: &[u8],
    failures: u8,
    within: fn(&World<Patient>) -> bool,
) -> usize {
    let config = || Config { successors: R, ..Config::default() };
    let base: Vec<NodeId> = base.iter().copied().map(place).collect();
    let on_ring = base.iter().map(|id| (*id, Patient(*id, placed(*id, &base, config().into()))));
    let new = joining.iter().map(|number| {
        let id = place(*number);
        (id, Patient(id, Chord::new(id, vec![base[0].into()], config())))
    });
    let mut model = Explore::new(on_ring.chain(new))
        .within(within)
        .failures(failures, may_fail)
        .always("Zave's invariant", |_, world| invariant(machines(world), R).is_ok())
        .sometimes("all have joined", |_, world| joined(world))
        .sometimes("the ring is ideal", |_, world| joined(world) && is_ideal(machines(world)).is_ok());
    if failures > 0 {
        model = model.sometimes("the ring is ideal without the one that failed", |_, world| {
            let failed = world.failed.contains(&true) && world.notices.is_empty();
            failed && joined(world) && is_ideal(machines(world)).is_ok()
        });
    }
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn one_joins_a_ring_of_two_in_every_order() {
    let states = explore::<1>(&[0, 8], &[4], 0, |world| {
        world.machines.iter().all(|Patient(_, chord)| chord.questions() <= 3)
    });
    assert!(states > 1_000, "{states}");
}

#[test]
fn one_joins_a_ring_of_three_in_every_order() {
    // The one that joins asks for the way, its successor and a finger; the one before it needs two rounds of stabilize.
    let states = explore::<1>(&[0, 8, 12], &[4], 0, |world| {
        let most = [2, 2, 1, 4];
        world.machines.iter().zip(most).all(|(Patient(_, chord), most)| chord.questions() <= most)
    });
    assert!(states > 10_000, "{states}");
}

#[test]
fn one_joins_a_ring_of_two_and_fails_at_any_moment() {
    let states = explore::<1>(&[0, 8], &[4], 1, |world| {
        world.machines.iter().all(|Patient(_, chord)| chord.questions() <= 3)
    });
    assert!(states > 1_000, "{states}");
}

/// Zave's base for two successors has three members; the fourth fails. The one before it has to notice, and the one behind it
/// loses its predecessor.
#[test]
fn one_of_a_ring_of_four_fails_at_any_moment() {
    let states = explore::<2>(&[0, 4, 8, 12], &[], 1, |world| {
        let most = [4, 0, 1, 0];
        world.machines.iter().zip(most).all(|(Patient(_, chord), most)| chord.questions() <= most)
    });
    assert!(states > 1_000, "{states}");
}

/// The same where it stabilizes before that. A minute.
#[test]
#[ignore = "a campaign"]
fn one_of_a_ring_of_four_stabilizes_and_fails() {
    let states = explore::<2>(&[0, 4, 8, 12], &[], 1, |world| {
        let most = [4, 2, 1, 0];
        world.machines.iter().zip(most).all(|(Patient(_, chord), most)| chord.questions() <= most)
    });
    assert!(states > 10_000, "{states}");
}
