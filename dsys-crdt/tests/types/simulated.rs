//! Replicas in the simulator: under loss, duplication, reordering, partitions and crashes they end with the same bytes,
//! whether they send operations, deltas or states.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time, Token, Write};
use dsys_crdt::Agent;
use dsys_crdt::laws::Random;
use dsys_crdt::types::*;
use dsys_sim::swarm::Campaign;

use crate::acts::{Act, Nested};

const ROUND: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Ops,
    Deltas,
    States,
}

#[derive(Clone, Debug)]
enum Message<T: Act> {
    /// An operation that was just made, or that was asked for.
    Op(Envelope<T::Op>),
    /// So much was delivered at the sender, who asks for more.
    Have(BTreeMap<Agent, u64>),
    /// A state, or a part of one.
    State(T),
}

/// A replica, and what keeps it in step with the others.
struct Replica<T: Act> {
    form: Form,
    me: Agent,
    peers: Vec<NodeId>,
    state: T,
    delivery: Delivery<T::Op>,
    /// All that was delivered, for those who lack it.
    log: Vec<Envelope<T::Op>>,
}

impl<T: Act> Replica<T> {
    fn new(form: Form, id: NodeId, disk: &[Vec<u8>], peers: &[NodeId]) -> Self {
        // What was sent before a crash was stored before; the rest of the state comes back from the peers. The life has an
        // agent of its own, so that no dot is used twice.
        let life = disk.len() as u8;
        let me = Agent::new([&id.as_bytes()[..8], &[life]].concat()).unwrap();
        let peers = peers.iter().copied().filter(|peer| *peer != id).collect();
        let (state, delivery) = (T::default(), Delivery::default());
        Replica { form, me, peers, state, delivery, log: Vec::new() }
    }

    fn all(&self, message: &Message<T>, cx: &mut Context<'_, Self>) {
        self.peers.iter().for_each(|peer| cx.send(*peer, message.clone()));
    }

    fn take(&mut self, envelope: Envelope<T::Op>) {
        for envelope in self.delivery.receive(envelope).unwrap_or_default() {
            self.state.apply(&envelope.op);
            self.log.push(envelope);
        }
    }
}

impl<T: Act> Machine for Replica<T> {
    type Message = Message<T>;
    type Command = u64;
    type Event = ();
    type Timer = ();

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                cx.store(Token(0), Write::Append(vec![]));
                cx.set_timer((), ROUND);
            }
            Input::Command(seed) => {
                let Some(op) = self.state.act(&self.me.clone(), &mut Random::new(seed)) else { return };
                let message = match self.form {
                    Form::Ops => {
                        let envelope = self.delivery.send(&self.me, op).unwrap();
                        self.log.push(envelope.clone());
                        Message::Op(envelope)
                    }
                    Form::Deltas => Message::State(T::delta(&op)),
                    Form::States => return,
                };
                self.all(&message, cx);
            }
            Input::Timer(()) => {
                let message = match self.form {
                    Form::Ops => Message::Have(self.delivery.delivered().clone()),
                    Form::Deltas | Form::States => Message::State(self.state.clone()),
                };
                let at = cx.rng().index(self.peers.len());
                if let Some(peer) = self.peers.get(at) {
                    cx.send(*peer, message);
                }
                cx.set_timer((), ROUND);
            }
            Input::Message(from, Message::Have(have)) => {
                let lacks = |envelope: &&Envelope<T::Op>| {
                    have.get(&envelope.dot.agent).is_none_or(|count| *count <= envelope.dot.seq)
                };
                self.log
                    .iter()
                    .filter(lacks)
                    .for_each(|envelope| cx.send(from, Message::Op(envelope.clone())));
            }
            Input::Message(_, Message::Op(envelope)) => self.take(envelope),
            Input::Message(_, Message::State(state)) => self.state.merge(&state),
            Input::PeerUp(_) | Input::PeerDown(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}

/// A crash loses what only the crashed replica knew, but nothing that another does: all end alike.
fn converges<T: Act + serde::Serialize + 'static>(seeds: u64) {
    for form in [Form::Ops, Form::Deltas, Form::States] {
        let full = Rc::new(Cell::new(0));
        let counted = full.clone();
        let mut campaign = Campaign::new(move |id, disk, peers| Replica::<T>::new(form, id, disk, peers))
            .work(|network, nodes| {
                for step in 0..30u64 {
                    let node = nodes[(step.wrapping_mul(7) % nodes.len() as u64) as usize];
                    network.command_at(
                        Time::from_nanos(step * 97_000_000),
                        node,
                        step.wrapping_mul(0x9e37_79b9),
                    );
                }
            })
            .goal(move |network| {
                let states = network.machines().map(|(_, replica)| postcard::to_allocvec(&replica.state));
                let states: Vec<Vec<u8>> = states.collect::<Result<_, _>>().unwrap();
                if states.iter().any(|state| *state != states[0]) {
                    return Err(format!("the states differ: {states:?}"));
                }
                counted.set(counted.get() + u64::from(states[0].len() > 4));
                Ok(())
            });
        campaign.nodes = 3..=5;
        campaign.check_every = 32;
        campaign.longest = Duration::from_secs(5);
        campaign.run(0..seeds).unwrap_or_else(|failure| panic!("{}: {failure}", std::any::type_name::<T>()));
        assert!(full.get() > seeds / 2, "{}: nearly nothing was changed", std::any::type_name::<T>());
    }
}

fn all_converge(seeds: u64) {
    converges::<GCounter>(seeds);
    converges::<PnCounter>(seeds);
    converges::<BoundedCounter>(seeds);
    converges::<LwwRegister<u8>>(seeds);
    converges::<GSet<u8>>(seeds);
    converges::<TwoPhaseSet<u8>>(seeds);
    converges::<Causal<CausalCounter>>(seeds);
    converges::<Causal<MvRegister<u8>>>(seeds);
    converges::<Causal<AddWinsSet<u8>>>(seeds);
    converges::<Causal<RemoveWinsSet<u8>>>(seeds);
    converges::<Causal<Nested>>(seeds);
    converges::<Tree>(seeds);
}

#[test]
fn replicas_end_with_the_same_bytes() {
    all_converge(12);
}

#[test]
#[ignore = "the long campaign: 10,000 seeds over all types and forms"]
fn replicas_end_with_the_same_bytes_over_many_seeds() {
    all_converge(280);
}
