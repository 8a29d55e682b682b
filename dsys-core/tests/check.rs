//! The adapter to the model checker: it finds what is wrong, and only that.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use dsys_core::check::{Explore, Faults};
use dsys_core::{Context, Input, Machine, NodeId, Token, Write};
use stateright::{Checker, Model};

/// Counts the votes of its peers, which vote once. `SOUND` remembers who has voted; otherwise a duplicate counts
/// twice. What it has counted it stores, unless `DURABLE` is false.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Teller<const SOUND: bool, const DURABLE: bool> {
    teller: NodeId,
    voters: Vec<NodeId>,
    votes: u32,
}

impl<const SOUND: bool, const DURABLE: bool> Teller<SOUND, DURABLE> {
    fn restart(_: NodeId, records: &[Vec<u8>]) -> Self {
        let voters: Vec<NodeId> = records.iter().map(|r| NodeId::from_number(r[0].into())).collect();
        Teller { teller: NodeId::from_number(0), votes: voters.len() as u32, voters }
    }
}

impl<const SOUND: bool, const DURABLE: bool> Machine for Teller<SOUND, DURABLE> {
    type Message = ();
    type Command = ();
    type Event = ();
    type Timer = u8;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Command(()) => cx.set_timer(1, std::time::Duration::from_secs(5)),
            Input::Timer(_) => cx.send(self.teller, ()),
            Input::Message(from, ()) if !SOUND || !self.voters.contains(&from) => {
                self.voters.push(from);
                self.votes += 1;
                if DURABLE {
                    cx.store(Token(0), Write::Append(vec![from.as_bytes()[31]]));
                }
            }
            _ => {}
        }
    }
}

fn model<const S: bool, const D: bool>(faults: Faults) -> Explore<Teller<S, D>> {
    let id = NodeId::from_number;
    let teller = || Teller { teller: id(0), voters: Vec::new(), votes: 0 };
    Explore::new((0..3).map(|n| (id(n), teller())))
        .command(id(1), ())
        .command(id(2), ())
        .faults(faults)
        .restart(Teller::restart)
        .always("no vote counts twice", |_, world| world.machines[0].votes <= 2)
        .sometimes("all votes are counted", |_, world| world.machines[0].votes == 2)
        .within(|world| world.machines[0].votes < 4)
}

#[test]
fn a_sound_machine_passes_under_loss_and_duplication() {
    let faults = Faults { loss: true, duplication: true, crashes: 0 };
    let checker = model::<true, true>(faults).checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 20, "{}", checker.unique_state_count());
}

#[test]
fn a_planted_bug_is_found_where_the_fault_is_explored_and_only_there() {
    let duplication = Faults { duplication: true, ..Faults::default() };
    let checker = model::<false, true>(duplication).checker().spawn_bfs().join();
    checker.assert_any_discovery("no vote counts twice");
    model::<false, true>(Faults::default()).checker().spawn_bfs().join().assert_properties();
}

#[test]
fn a_crash_loses_what_was_not_stored_and_nothing_else() {
    let crash = Faults { crashes: 1, ..Faults::default() };
    let forgetful = model::<true, false>(crash).sometimes("a vote is forgotten", |_, world| {
        world.network.is_empty()
            && world.timers.iter().all(|timers| timers.is_empty())
            && world.given.iter().all(|given| *given)
            && world.machines[0].votes < 2
    });
    let checker = forgetful.checker().spawn_bfs().join();
    checker.assert_any_discovery("a vote is forgotten");

    let durable = model::<true, true>(crash).always("records and state agree", |_, world| {
        world.records[0].len() as u32 == world.machines[0].votes
    });
    durable.checker().spawn_bfs().join().assert_properties();
}

/// Sends once when told to, and counts how often it hears that each peer is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Caller {
    heard: u32,
    gone: Vec<NodeId>,
}

impl Machine for Caller {
    type Message = ();
    type Command = NodeId;
    type Event = ();
    type Timer = ();

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Command(to) => cx.send(to, ()),
            Input::Message(..) => self.heard += 1,
            Input::PeerDown(peer) => self.gone.push(peer),
            _ => {}
        }
    }
}

#[test]
fn all_are_told_of_a_failure_and_of_no_other_and_whoever_sends_later_is_told_again() {
    let id = NodeId::from_number;
    let model = Explore::new((0..3).map(|n| (id(n), Caller::default())))
        .command(id(0), id(1))
        .command(id(1), id(0))
        .failures(1, |_, node| node == NodeId::from_number(1))
        .always("only who has failed is said to", |_, world| {
            let gone = |at: usize| world.machines[at].gone.iter().all(|peer| *peer == NodeId::from_number(1));
            world.failed[1] && gone(0) && gone(2)
                || world.machines.iter().all(|caller| caller.gone.is_empty())
        })
        .always("all are told", |_, world| {
            let told = |at: usize| !world.machines[at].gone.is_empty();
            !world.failed[1] || !world.notices.is_empty() || told(0) && told(2)
        })
        .always("the failed do nothing", |_, world| !world.failed[1] || world.timers[1].is_empty())
        .sometimes("a message of the failed one arrives", |_, world| {
            world.failed[1] && world.machines[0].heard == 1 && !world.machines[0].gone.is_empty()
        })
        .sometimes("whoever sends later is told again", |_, world| world.machines[0].gone.len() == 2)
        .sometimes("nobody fails", |_, world| {
            world.network.is_empty() && world.given.iter().all(|given| *given) && !world.failed[1]
        });
    model.checker().spawn_bfs().join().assert_properties();
}
