//! A process that hangs now and then: what comes meanwhile is handled afterwards, late but not lost.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time};

/// A machine whose process hangs at these times. While it does nothing is handled; then messages first, as the network's
/// driver has it, and timers that have run out meanwhile and that no message has stopped.
pub(super) struct Slow<M: Machine> {
    inner: M,
    hangs: Vec<(Time, Time)>,
    messages: Vec<(NodeId, M::Message)>,
    timers: BTreeSet<M::Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer<T> {
    Inner(T),
    /// A hang is over.
    Wake,
}

/// Hangs and times without, each of so many milliseconds.
pub(super) fn hangs(
    lasting: Duration,
    stops: &Range<u64>,
    runs: &Range<u64>,
    rng: &mut Rng,
) -> Vec<(Time, Time)> {
    let mut some =
        |range: &Range<u64>| Duration::from_millis(range.start + rng.below(range.end - range.start));
    let (mut at, mut hangs) = (Time::ZERO + some(runs), Vec::new());
    while at < Time::ZERO + lasting {
        let end = at + some(stops);
        hangs.push((at, end));
        at = end + some(runs);
    }
    hangs
}

impl<M: Machine> Slow<M> {
    pub(super) fn new(inner: M, hangs: Vec<(Time, Time)>) -> Self {
        Slow { inner, hangs, messages: Vec::new(), timers: BTreeSet::new() }
    }

    fn give(&mut self, input: Input<M>, cx: &mut Context<'_, Self>) {
        let mut effects = Vec::new();
        let now = cx.now();
        self.inner.handle(input, &mut Context::new(now, cx.rng(), &mut effects));
        for effect in effects {
            match effect {
                Effect::Send(to, message) => cx.send(to, message),
                Effect::SetTimer(timer, after) => {
                    self.timers.remove(&timer);
                    cx.set_timer(Timer::Inner(timer), after);
                }
                Effect::CancelTimer(timer) => {
                    self.timers.remove(&timer);
                    cx.cancel_timer(Timer::Inner(timer));
                }
                Effect::Emit(event) => cx.emit(event),
                Effect::Disconnect(peer) => cx.disconnect(peer),
                Effect::Store(token, write) => cx.store(token, write),
                Effect::Learn(addr) => cx.learn(addr),
                Effect::Probe(addr) => cx.probe(addr),
            }
        }
    }

    fn hangs_until(&self, now: Time) -> Option<Time> {
        self.hangs.iter().find(|(begin, end)| *begin <= now && now < *end).map(|(_, end)| *end)
    }
}

impl<M: Machine> Machine for Slow<M> {
    type Message = M::Message;
    type Command = M::Command;
    type Event = M::Event;
    type Timer = Timer<M::Timer>;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        if let Some(end) = self.hangs_until(cx.now()) {
            match input {
                Input::Message(from, message) => self.messages.push((from, message)),
                Input::Timer(Timer::Inner(timer)) => {
                    self.timers.insert(timer);
                }
                _ => {}
            }
            cx.set_timer(Timer::Wake, end - cx.now());
            return;
        }
        for (from, message) in std::mem::take(&mut self.messages) {
            self.give(Input::Message(from, message), cx);
        }
        while let Some(timer) = self.timers.pop_first() {
            self.give(Input::Timer(timer), cx);
        }
        match input {
            Input::Start => self.give(Input::Start, cx),
            Input::Command(command) => self.give(Input::Command(command), cx),
            Input::Message(from, message) => self.give(Input::Message(from, message), cx),
            Input::Timer(Timer::Inner(timer)) => self.give(Input::Timer(timer), cx),
            Input::Timer(Timer::Wake) => {}
            Input::PeerUp(peer) => self.give(Input::PeerUp(peer), cx),
            Input::PeerDown(peer) => self.give(Input::PeerDown(peer), cx),
            Input::Stored(token) => self.give(Input::Stored(token), cx),
            Input::Probed(addr, reached) => self.give(Input::Probed(addr, reached), cx),
        }
    }
}
