//! A protocol as a pure state machine: [`Machine`], what goes in ([`Input`]), what comes out ([`Effect`]).

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::time::Duration;

use crate::{NodeAddr, NodeId, Rng, Time};

/// A protocol, written once and run by any driver: on a real network, in the simulator, under a model checker.
///
/// Inside there is no clock, no random source, no channel, no lock, and no iteration over a map whose order is
/// random. Whatever the machine needs of the world comes in through [`handle`](Machine::handle), and whatever it
/// wants done goes out through the [`Context`]. So the same inputs and the same seed give the same effects, byte for
/// byte.
///
/// The driver calls `handle` with [`Input::Start`] first, and never concurrently.
///
/// ```
/// use std::time::Duration;
/// use dsys_core::{Context, Input, Machine, NodeId};
///
/// /// Answers every number with the next one, and says how often it was asked.
/// #[derive(Debug, Default)]
/// struct Counter { asked: u32 }
///
/// impl Machine for Counter {
///     type Message = u64;
///     type Command = (NodeId, u64);
///     type Event = u64;
///     type Timer = ();
///
///     fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
///         match input {
///             Input::Command((to, number)) => cx.send(to, number),
///             Input::Message(from, number) if number % 2 == 0 => {
///                 self.asked += 1;
///                 cx.send(from, number + 1);
///             }
///             Input::Message(_, answer) => cx.emit(answer),
///             _ => {}
///         }
///     }
/// }
/// ```
pub trait Machine: Sized {
    /// What peers send each other. A driver that crosses a real network needs it to be `serde`.
    type Message;
    /// What the app asks of the machine.
    type Command;
    /// What the machine tells the app.
    type Event;
    /// The names of its timers. Setting a timer again replaces it.
    type Timer: Copy + Ord + Hash;

    /// The only way in: takes one input, changes the state, and pushes effects into `cx`.
    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>);
}

/// One thing that happened to a machine.
pub enum Input<M: Machine> {
    /// The driver has taken the machine over. The first input, once per life: a machine that was restarted from its
    /// stored records was built from them before this.
    Start,
    /// The app asks for something.
    Command(M::Command),
    /// A peer's message. The driver vouches for the sender: over a network, its key was proven in the handshake.
    Message(NodeId, M::Message),
    /// The timer of this name has run out; it is no longer set.
    Timer(M::Timer),
    /// A connection to this peer stands, and the peer speaks this protocol.
    PeerUp(NodeId),
    /// The connection to this peer is gone, or could not be made, or the peer does not speak this protocol. Messages
    /// sent since may be lost.
    PeerDown(NodeId),
    /// The [`Write`] of this token is durable.
    Stored(Token),
    /// What an [`Effect::Probe`] came to: `true` and the address that answered, or `false` and the addresses that were
    /// asked for. Where addresses are of no use they are those that were asked for.
    Probed(NodeAddr, bool),
}

/// One thing a machine wants done. Order is meaning: a driver completes a `Store` before any effect that follows it
/// from the same machine, so "sent before it was durable" cannot be written.
pub enum Effect<M: Machine> {
    /// Send a message. It may be lost or duplicated, and messages to one peer may overtake each other where the
    /// driver was told so; a peer that is not connected is dialled.
    Send(NodeId, M::Message),
    /// Let the timer run out after this long, instead of whenever it was set to before.
    SetTimer(M::Timer, Duration),
    /// Forget the timer; nothing happens if it is not set.
    CancelTimer(M::Timer),
    /// Tell the app.
    Emit(M::Event),
    /// Close the connection to this peer, because it broke the protocol or is no longer wanted. If there was one,
    /// [`Input::PeerDown`] follows.
    Disconnect(NodeId),
    /// Make this durable, answer [`Input::Stored`], and only then go on.
    Store(Token, Write),
    /// Remember where this node can be reached, for a later `Send`. Costs nothing where addresses are of no use.
    Learn(NodeAddr),
    /// Find out whether this node can be reached by somebody new: dial it by a fresh connection, beside the one that
    /// stands, and answer [`Input::Probed`]. That takes seconds, and is never repeated by the driver. How many it asks for
    /// is the machine's to bound, above all where peers ask for them; the driver bounds how many go on at once.
    ///
    /// Nobody can be made to knock at a stranger's door: a driver of a real network tries only those addresses whose
    /// IP address is the one that the peer's own connection comes from, and none if there is no connection. Without
    /// addresses, it tries those that the peer has claimed.
    Probe(NodeAddr),
}

/// The machine's own name for one [`Write`], returned in [`Input::Stored`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a machine writes: its stable storage is a sequence of records.
///
/// After a crash the records come back in order. The last ones may be missing if they were not yet acknowledged by
/// [`Input::Stored`]; none is ever altered, and none is missing in the middle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Add one record at the end.
    Append(Vec<u8>),
    /// Replace all records by this one, atomically.
    Checkpoint(Vec<u8>),
}

/// What a driver lends to a machine for the length of one [`Machine::handle`]: the time, a random source, and the
/// place where effects go.
pub struct Context<'a, M: Machine> {
    now: Time,
    rng: &'a mut Rng,
    effects: &'a mut Vec<Effect<M>>,
}

impl<'a, M: Machine> Context<'a, M> {
    /// For drivers: effects are appended to `effects` in order.
    pub fn new(now: Time, rng: &'a mut Rng, effects: &'a mut Vec<Effect<M>>) -> Self {
        Context { now, rng, effects }
    }

    /// The time of this input. It does not move while `handle` runs.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The random source.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }

    /// Any effect.
    pub fn push(&mut self, effect: Effect<M>) {
        self.effects.push(effect);
    }

    /// See [`Effect::Send`].
    pub fn send(&mut self, to: NodeId, message: M::Message) {
        self.effects.push(Effect::Send(to, message));
    }

    /// See [`Effect::SetTimer`].
    pub fn set_timer(&mut self, timer: M::Timer, after: Duration) {
        self.effects.push(Effect::SetTimer(timer, after));
    }

    /// See [`Effect::CancelTimer`].
    pub fn cancel_timer(&mut self, timer: M::Timer) {
        self.effects.push(Effect::CancelTimer(timer));
    }

    /// See [`Effect::Emit`].
    pub fn emit(&mut self, event: M::Event) {
        self.effects.push(Effect::Emit(event));
    }

    /// See [`Effect::Disconnect`].
    pub fn disconnect(&mut self, peer: NodeId) {
        self.effects.push(Effect::Disconnect(peer));
    }

    /// See [`Effect::Store`].
    pub fn store(&mut self, token: Token, write: Write) {
        self.effects.push(Effect::Store(token, write));
    }

    /// See [`Effect::Learn`].
    pub fn learn(&mut self, addr: NodeAddr) {
        self.effects.push(Effect::Learn(addr));
    }

    /// See [`Effect::Probe`].
    pub fn probe(&mut self, addr: NodeAddr) {
        self.effects.push(Effect::Probe(addr));
    }
}

// The derives would ask `M: Debug` and `M: Clone`, which a machine need not be.

impl<M: Machine> Debug for Input<M>
where
    M::Message: Debug,
    M::Command: Debug,
    M::Timer: Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Start => f.write_str("Start"),
            Input::Command(command) => f.debug_tuple("Command").field(command).finish(),
            Input::Message(from, message) => f.debug_tuple("Message").field(from).field(message).finish(),
            Input::Timer(timer) => f.debug_tuple("Timer").field(timer).finish(),
            Input::PeerUp(peer) => f.debug_tuple("PeerUp").field(peer).finish(),
            Input::PeerDown(peer) => f.debug_tuple("PeerDown").field(peer).finish(),
            Input::Stored(token) => f.debug_tuple("Stored").field(token).finish(),
            Input::Probed(addr, reached) => f.debug_tuple("Probed").field(addr).field(reached).finish(),
        }
    }
}

impl<M: Machine> Debug for Effect<M>
where
    M::Message: Debug,
    M::Event: Debug,
    M::Timer: Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Send(to, message) => f.debug_tuple("Send").field(to).field(message).finish(),
            Effect::SetTimer(timer, after) => f.debug_tuple("SetTimer").field(timer).field(after).finish(),
            Effect::CancelTimer(timer) => f.debug_tuple("CancelTimer").field(timer).finish(),
            Effect::Emit(event) => f.debug_tuple("Emit").field(event).finish(),
            Effect::Disconnect(peer) => f.debug_tuple("Disconnect").field(peer).finish(),
            Effect::Store(token, write) => f.debug_tuple("Store").field(token).field(write).finish(),
            Effect::Learn(addr) => f.debug_tuple("Learn").field(addr).finish(),
            Effect::Probe(addr) => f.debug_tuple("Probe").field(addr).finish(),
        }
    }
}

impl<M: Machine> Debug for Context<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("effects", &self.effects.len())
            .finish_non_exhaustive()
    }
}
