//! The heap that the machines hold, without the simulator's.

use std::alloc::System;

use dsys_core::{Context, Input, Machine};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

pub type Counting = &'static StatsAlloc<System>;
pub const COUNTING: Counting = &INSTRUMENTED_SYSTEM;

/// A machine that counts what its own code has taken from the heap and not given back.
pub struct Weighed<M> {
    pub machine: M,
    pub bytes: isize,
}

fn net(stats: Stats) -> isize {
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

impl<M> Weighed<M> {
    pub fn new(make: impl FnOnce() -> M) -> Self {
        let region = Region::new(COUNTING);
        let machine = make();
        Weighed { machine, bytes: net(region.change()) + size_of::<M>() as isize }
    }
}

impl<M: Machine> Machine for Weighed<M> {
    type Message = M::Message;
    type Command = M::Command;
    type Event = M::Event;
    type Timer = M::Timer;

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
        let mut effects = Vec::with_capacity(64);
        let now = cx.now();
        let region = Region::new(COUNTING);
        self.machine.handle(input, &mut Context::new(now, cx.rng(), &mut effects));
        self.bytes += net(region.change());
        for effect in effects {
            use dsys_core::Effect;
            match effect {
                Effect::Send(to, message) => cx.send(to, message),
                Effect::SetTimer(timer, after) => cx.set_timer(timer, after),
                Effect::CancelTimer(timer) => cx.cancel_timer(timer),
                Effect::Emit(event) => cx.emit(event),
                Effect::Disconnect(peer) => cx.disconnect(peer),
                Effect::Store(token, write) => cx.store(token, write),
                Effect::Learn(addr) => cx.learn(addr),
                Effect::Probe(addr) => cx.probe(addr),
            }
        }
    }
}
