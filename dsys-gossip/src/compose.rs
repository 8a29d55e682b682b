//! Machines made of machines.
//!
//! A part stays what it is alone: it gets inputs, pushes effects, and knows nothing of the whole. The whole decides
//! which part an input is for, wraps the part's messages and timers into its own, and is handed the part's events to
//! route further. So a protocol is tested alone with the tables of its paper, and runs unchanged in company.

use dsys_core::{Context, Effect, Input, Machine};

/// How a part's names become the whole's.
pub(crate) struct Wrap<Part: Machine, Whole: Machine> {
    pub(crate) message: fn(Part::Message) -> Whole::Message,
    pub(crate) timer: fn(Part::Timer) -> Whole::Timer,
}

/// Hands an input to a part. Its events come after its other effects, which the whole carries out in order.
pub(crate) fn hand<Part: Machine, Whole: Machine>(
    part: &mut Part,
    input: Input<Part>,
    wrap: &Wrap<Part, Whole>,
    cx: &mut Context<'_, Whole>,
) -> Vec<Part::Event> {
    let mut effects = Vec::new();
    let now = cx.now();
    part.handle(input, &mut Context::new(now, cx.rng(), &mut effects));
    let mut events = Vec::new();
    for effect in effects {
        match effect {
            Effect::Send(to, message) => cx.send(to, (wrap.message)(message)),
            Effect::SetTimer(timer, after) => cx.set_timer((wrap.timer)(timer), after),
            Effect::CancelTimer(timer) => cx.cancel_timer((wrap.timer)(timer)),
            Effect::Emit(event) => events.push(event),
            Effect::Disconnect(peer) => cx.disconnect(peer),
            Effect::Store(token, write) => cx.store(token, write),
            Effect::Learn(addr) => cx.learn(addr),
        }
    }
    events
}
