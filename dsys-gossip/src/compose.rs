//! Machines made of machines.
//!
//! A part stays what it is alone: it gets inputs, pushes effects, and knows nothing of the whole. The whole decides
//! which part an input is for, wraps the part's messages and timers into its own, and is handed the part's events to
//! route further. So a protocol is tested alone with the tables of its paper, and runs unchanged in company.

use dsys_core::{Context, Effect, Input, Machine, NodeId};

/// Hands an input to a part; `message` and `timer` make the part's names the whole's. Its events come after its other
/// effects, which the whole carries out in order.
pub(crate) fn hand<Part: Machine, Whole: Machine>(
    part: &mut Part,
    input: Input<Part>,
    message: impl Fn(NodeId, Part::Message) -> Whole::Message,
    timer: impl Fn(Part::Timer) -> Whole::Timer,
    cx: &mut Context<'_, Whole>,
) -> Vec<Part::Event> {
    let mut effects = Vec::new();
    let now = cx.now();
    part.handle(input, &mut Context::new(now, cx.rng(), &mut effects));
    let mut events = Vec::new();
    for effect in effects {
        match effect {
            Effect::Send(to, said) => cx.send(to, message(to, said)),
            Effect::SetTimer(name, after) => cx.set_timer(timer(name), after),
            Effect::CancelTimer(name) => cx.cancel_timer(timer(name)),
            Effect::Emit(event) => events.push(event),
            Effect::Disconnect(peer) => cx.disconnect(peer),
            Effect::Store(token, write) => cx.store(token, write),
            Effect::Learn(addr) => cx.learn(addr),
            Effect::Probe(addr) => cx.probe(addr),
        }
    }
    events
}
