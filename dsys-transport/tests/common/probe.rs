//! A machine that does what a test says.

use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Token, Write};
use dsys_transport::{Node, Running, run};

use super::soon;

/// Does what its commands say and tells everything that happens to it.
#[derive(Debug, Default)]
pub struct Probe;

#[derive(Debug, PartialEq)]
pub enum Seen {
    Started,
    Up(NodeId),
    Down(NodeId),
    Heard(NodeId, Vec<u8>),
    Rang(u8),
    Stored(u64),
    Probed(NodeAddr, bool),
    Told(u64),
}

pub enum Do {
    Send(NodeId, Vec<u8>),
    Learn(NodeAddr),
    Probe(NodeAddr),
    /// Set these, to so many milliseconds, then cancel those.
    Timers(Vec<(u8, u64)>, Vec<u8>),
    /// Store a record, then send it.
    Keep(u64, NodeId),
    Disconnect(NodeId),
    Tell(u64),
    /// Two messages from one input.
    Both([(NodeId, Vec<u8>); 2]),
    Panic,
}

impl Machine for Probe {
    type Message = Vec<u8>;
    type Command = Do;
    type Event = Seen;
    type Timer = u8;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => cx.emit(Seen::Started),
            Input::Command(Do::Send(to, text)) => cx.send(to, text),
            Input::Command(Do::Learn(addr)) => cx.learn(addr),
            Input::Command(Do::Probe(addr)) => cx.probe(addr),
            Input::Command(Do::Timers(timers, cancelled)) => {
                for (timer, millis) in timers {
                    cx.set_timer(timer, Duration::from_millis(millis));
                }
                cancelled.into_iter().for_each(|timer| cx.cancel_timer(timer));
            }
            Input::Command(Do::Keep(token, to)) => {
                cx.store(Token(token), Write::Append(token.to_be_bytes().to_vec()));
                cx.send(to, token.to_be_bytes().to_vec());
            }
            Input::Command(Do::Both(messages)) => {
                for (to, text) in messages {
                    cx.send(to, text);
                }
            }
            Input::Command(Do::Panic) => panic!("as it was told"),
            Input::Command(Do::Tell(number)) => cx.emit(Seen::Told(number)),
            Input::Command(Do::Disconnect(peer)) => cx.disconnect(peer),
            Input::Message(from, text) => cx.emit(Seen::Heard(from, text)),
            Input::Timer(timer) => cx.emit(Seen::Rang(timer)),
            Input::PeerUp(peer) => cx.emit(Seen::Up(peer)),
            Input::PeerDown(peer) => cx.emit(Seen::Down(peer)),
            Input::Stored(token) => cx.emit(Seen::Stored(token.0)),
            Input::Probed(addr, reached) => cx.emit(Seen::Probed(addr, reached)),
        }
    }
}

pub const TAG: &str = "probe/1";

pub async fn start(node: &Node) -> Running<Probe> {
    let mut running = run(Probe, node, TAG).unwrap();
    assert_eq!(soon("start", running.next_event()).await, Some(Seen::Started));
    running
}

pub async fn next(running: &mut Running<Probe>) -> Seen {
    soon("event", running.next_event()).await.unwrap()
}

/// The next event that is not about peers.
pub async fn heard(running: &mut Running<Probe>) -> Seen {
    loop {
        match next(running).await {
            Seen::Up(_) | Seen::Down(_) => {}
            other => return other,
        }
    }
}

pub async fn ask(running: &Running<Probe>, command: Do) {
    assert!(running.command(command).await.is_ok());
}
