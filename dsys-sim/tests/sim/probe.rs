//! A machine that does what it is told and writes down what it sees.

use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time, Token, Write};
use dsys_sim::{Config, Connections, Latency, Network};

/// One effect, on command.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Send(NodeId, u32),
    Timer(char, u64),
    Cancel(char),
    Store(u64, u8),
    Checkpoint(u64, u8),
    Emit(u32),
    Disconnect(NodeId),
    Probe(NodeId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Start,
    Command,
    Message(NodeId, u32),
    Timer(char),
    Up(NodeId),
    Down(NodeId),
    Stored(u64),
    Probed(NodeId, bool),
}

#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// What was seen, and when by its own clock in milliseconds.
    pub(crate) log: Vec<(u64, Saw)>,
    /// The first byte of each record that was there at the start.
    pub(crate) records: Vec<u8>,
}

impl Probe {
    pub(crate) fn messages(&self) -> Vec<u32> {
        let numbers = self.log.iter().filter_map(|(_, saw)| match saw {
            Saw::Message(_, number) => Some(*number),
            _ => None,
        });
        numbers.collect()
    }

    pub(crate) fn when(&self, saw: &Saw) -> Vec<u64> {
        self.log.iter().filter(|(_, other)| other == saw).map(|(at, _)| *at).collect()
    }
}

impl Machine for Probe {
    type Message = u32;
    type Command = Vec<Do>;
    type Event = u32;
    type Timer = char;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        let mut todo = Vec::new();
        let saw = match input {
            Input::Start => Saw::Start,
            Input::Command(command) => {
                todo = command;
                Saw::Command
            }
            Input::Message(from, number) => Saw::Message(from, number),
            Input::Timer(name) => Saw::Timer(name),
            Input::PeerUp(peer) => Saw::Up(peer),
            Input::PeerDown(peer) => Saw::Down(peer),
            Input::Stored(token) => Saw::Stored(token.0),
            Input::Probed(addr, reached) => Saw::Probed(addr.id, reached),
        };
        self.log.push((cx.now().as_nanos() / 1_000_000, saw));
        for step in todo {
            match step {
                Do::Send(to, number) => cx.send(to, number),
                Do::Timer(name, ms) => cx.set_timer(name, Duration::from_millis(ms)),
                Do::Cancel(name) => cx.cancel_timer(name),
                Do::Store(token, byte) => cx.store(Token(token), Write::Append(vec![byte; 100])),
                Do::Checkpoint(token, byte) => cx.store(Token(token), Write::Checkpoint(vec![byte; 100])),
                Do::Emit(number) => cx.emit(number),
                Do::Disconnect(peer) => cx.disconnect(peer),
                Do::Probe(peer) => cx.probe(peer.into()),
            }
        }
    }
}

/// Latency 10 ms, no connections: times are easy to say.
pub(crate) fn plain(seed: u64) -> Config {
    Config {
        latency: Latency::constant(ms(10)),
        connections: Connections::None,
        max_time: Duration::from_secs(3_600),
        ..Config::new(seed)
    }
}

/// A network of `count` probes, started.
pub(crate) fn probes(config: Config, count: u32) -> (Network<Probe>, Vec<NodeId>) {
    let mut network = Network::new(config);
    network.set_spawn(|_, records| Probe {
        records: records.iter().map(|record| record[0]).collect(),
        ..Probe::default()
    });
    let ids = (0..count).map(|_| network.add(Probe::default()).unwrap()).collect();
    network.run_for(Duration::ZERO);
    (network, ids)
}

/// Sends 0, 1, 2 ... from one node to another, one a millisecond.
pub(crate) fn stream(network: &mut Network<Probe>, from: NodeId, to: NodeId, count: u32) {
    for number in 0..count {
        let at = network.now() + ms(number.into());
        network.command_at(at, from, vec![Do::Send(to, number)]);
    }
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + ms(millis)
}
