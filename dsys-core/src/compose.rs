//! Machines made of machines.

use crate::{Context, Effect, Input, Machine, NodeId};

impl<M: Machine> Input<M> {
    /// The same input for a machine that speaks the same: a wrapper's part.
    #[inline]
    pub fn recast<P>(self) -> Input<P>
    where
        P: Machine<Message = M::Message, Command = M::Command, Timer = M::Timer>,
    {
        match self {
            Input::Start => Input::Start,
            Input::Command(command) => Input::Command(command),
            Input::Message(from, message) => Input::Message(from, message),
            Input::Timer(timer) => Input::Timer(timer),
            Input::PeerUp(peer) => Input::PeerUp(peer),
            Input::PeerDown(peer) => Input::PeerDown(peer),
            Input::Stored(token) => Input::Stored(token),
            Input::Probed(addr, reached) => Input::Probed(addr, reached),
        }
    }
}

impl<P: Machine> Effect<P> {
    /// What a part wants, as an effect of the whole: `message` and `timer` make the part's names the whole's, and tokens of
    /// writes stay as they are.
    ///
    /// # Errors
    /// An event of the part, which is for the whole to route.
    #[inline]
    pub fn within<W: Machine>(
        self,
        message: impl FnOnce(NodeId, P::Message) -> W::Message,
        timer: impl FnOnce(P::Timer) -> W::Timer,
    ) -> Result<Effect<W>, P::Event> {
        Ok(match self {
            Effect::Send(to, said) => Effect::Send(to, message(to, said)),
            Effect::SetTimer(name, after) => Effect::SetTimer(timer(name), after),
            Effect::CancelTimer(name) => Effect::CancelTimer(timer(name)),
            Effect::Emit(event) => return Err(event),
            Effect::Disconnect(peer) => Effect::Disconnect(peer),
            Effect::Store(token, write) => Effect::Store(token, write),
            Effect::Learn(addr) => Effect::Learn(addr),
            Effect::Probe(addr) => Effect::Probe(addr),
        })
    }
}

impl<M: Machine> Context<'_, M> {
    /// What is lent to a part while the whole handles an input: the same time and random source, and `effects` to push into.
    ///
    /// A machine made of machines: a part stays what it is alone, takes inputs, pushes effects, and knows nothing of the
    /// whole. The whole decides which part an input is for, makes the part's messages and timers its own
    /// ([`Effect::within`]), and routes its events.
    ///
    /// ```
    /// use dsys_core::{Context, Effect, Input, Machine};
    ///
    /// /// Any machine, and how often it was asked for something.
    /// struct Counted<M> { part: M, commands: u64 }
    ///
    /// impl<M: Machine> Machine for Counted<M> {
    ///     type Message = M::Message;
    ///     type Command = M::Command;
    ///     type Event = (u64, M::Event);
    ///     type Timer = M::Timer;
    ///
    ///     fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
    ///         self.commands += u64::from(matches!(input, Input::Command(_)));
    ///         let mut effects = Vec::new();
    ///         self.part.handle(input.recast(), &mut cx.part(&mut effects));
    ///         for effect in effects {
    ///             match effect.within(|_to, message| message, |timer| timer) {
    ///                 Ok(effect) => cx.push(effect),
    ///                 Err(event) => cx.emit((self.commands, event)),
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn part<'a, P: Machine>(&'a mut self, effects: &'a mut Vec<Effect<P>>) -> Context<'a, P> {
        Context::new(self.now(), self.rng(), effects)
    }
}
