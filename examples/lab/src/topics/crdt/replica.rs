//! A replica of anything that merges, and the campaign that it runs in.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time, Token, Write};
use dsys_crdt::Agent;
use dsys_crdt::laws::Random;
use dsys_sim::swarm::Campaign;

/// What a replica holds.
pub(super) trait Data: 'static {
    /// What a replica has, as it tells others.
    type Version: Clone;

    fn begin(agent: Agent) -> Self;

    /// Makes a random edit; gives what others are told. None if nothing came of it.
    fn edit(&mut self, random: &mut Random) -> Result<Option<Vec<u8>>, String>;

    fn version(&self) -> Self::Version;

    /// What one at a version lacks; none if that is nothing.
    fn lacking(&self, version: &Self::Version) -> Result<Option<Vec<u8>>, String>;

    /// Takes in what another told. False if that follows what is not here.
    fn take(&mut self, told: &[u8]) -> Result<bool, String>;

    /// What all must have in the end, to the byte.
    fn content(&self) -> Result<Vec<u8>, String>;
}

#[derive(Clone, Debug)]
pub(super) enum Message<V> {
    /// The sender has this, and takes what it lacks.
    Have(V),
    Told(Vec<u8>),
}

pub(super) struct Replica<D: Data> {
    data: D,
    peers: Vec<NodeId>,
    /// What went wrong first.
    wrong: Option<String>,
}

const ROUND: Duration = Duration::from_millis(200);

impl<D: Data> Replica<D> {
    /// It comes back from a crash with what was on its disk: its own edits before anybody is told, and what it was told.
    fn new(id: NodeId, disk: &[Vec<u8>], peers: &[NodeId]) -> Self {
        let peers = peers.iter().copied().filter(|peer| *peer != id).collect();
        #[allow(clippy::expect_used)]
        let mut data = D::begin(Agent::new(id.as_bytes()).expect("32 bytes are a name"));
        let mut wrong = None;
        for record in disk {
            match data.take(record) {
                Ok(true) => {}
                Ok(false) => wrong = Some("the disk lacks what a later record follows".into()),
                Err(error) => wrong = Some(error),
            }
        }
        Replica { data, peers, wrong }
    }

    fn input(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) -> Result<(), String> {
        match input {
            Input::Start => cx.set_timer((), ROUND),
            Input::Timer(()) => {
                let at = cx.rng().index(self.peers.len());
                if let Some(&peer) = self.peers.get(at) {
                    cx.send(peer, Message::Have(self.data.version()));
                }
                cx.set_timer((), ROUND);
            }
            Input::Command(seed) => {
                if let Some(told) = self.data.edit(&mut Random::new(seed))? {
                    cx.store(Token(0), Write::Append(told.clone()));
                    self.peers.iter().for_each(|peer| cx.send(*peer, Message::Told(told.clone())));
                }
            }
            Input::Message(from, Message::Have(version)) => {
                if let Some(told) = self.data.lacking(&version)? {
                    cx.send(from, Message::Told(told));
                }
            }
            Input::Message(from, Message::Told(told)) => {
                if self.data.take(&told)? {
                    cx.store(Token(0), Write::Append(told));
                } else {
                    cx.send(from, Message::Have(self.data.version()));
                }
            }
            Input::PeerUp(_) | Input::PeerDown(_) | Input::Stored(_) | Input::Probed(..) => {}
        }
        Ok(())
    }
}

impl<D: Data> Machine for Replica<D> {
    type Message = Message<D::Version>;
    type Command = u64;
    type Event = ();
    type Timer = ();

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        if let Err(wrong) = self.input(input, cx) {
            self.wrong.get_or_insert(wrong);
        }
    }
}

/// 3 to 5 replicas, 40 edits in 4 s under a random subset of loss, duplication, reordering, cuts, crashes and power failures;
/// then all is healed.
///
/// How many seeds end with something is counted in `filled`: after a crash there may be nothing left of few edits.
pub(super) fn campaign<D: Data>(filled: Rc<Cell<u64>>) -> Campaign<Replica<D>> {
    let mut campaign = Campaign::new(|id, disk, peers| Replica::<D>::new(id, disk, peers))
        .work(|network, nodes| {
            let mut random = Random::new(nodes.len() as u64);
            for step in 0..40 {
                let Some(node) = random.choose(nodes) else { continue };
                network.command_at(Time::from_nanos(step * 97_000_000), node, random.number());
            }
        })
        .invariant(|network| {
            let wrong = network.machines().find_map(|(_, replica)| replica.wrong.clone());
            wrong.map_or(Ok(()), Err)
        })
        .goal(move |network| {
            let mut first = None;
            for (_, replica) in network.machines() {
                let content = replica.data.content()?;
                let first = first.get_or_insert_with(|| content.clone());
                if *first != content {
                    return Err(format!("{} is not {}", content.escape_ascii(), first.escape_ascii()));
                }
            }
            filled.set(filled.get() + u64::from(first.is_some_and(|content| content.len() > 4)));
            Ok(())
        });
    campaign.nodes = 3..=5;
    campaign.check_every = 32;
    campaign.longest = Duration::from_secs(5);
    campaign.max_shrinks = 50;
    campaign
}
