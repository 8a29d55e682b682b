//! The driver that runs a [`Machine`] on a [`Node`]: its task, its timers, its queues, its streams.

mod inbox;
mod outbox;
mod probes;
mod storage;
mod timers;
mod tracer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::trace::{Kind, Record};
use dsys_core::{Context, Effect, Input, Machine, NodeId, Rng, Time, Token, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::debug;

pub use storage::{Disk, MemoryDisk, NoDisk};
pub use tracer::TraceSink;

use crate::error::code;
use crate::frame;
use crate::node::{Node, PeerChange, Protocol, ProtocolConfig, ProtocolError, Shared};
use crate::tag::Tag;
use inbox::Arrival;
use outbox::Outboxes;
use probes::Probes;
use timers::Timers;

/// Runs `machine` on `node`, its messages on streams tagged `tag`, with [`RunConfig::default`] and no stable storage.
///
/// # Errors
/// [`ProtocolError`] if the tag is malformed or taken, or the operating system has no randomness.
pub fn run<M>(
    machine: M,
    node: &Node,
    tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
) -> Result<Running<M>, ProtocolError>
where
    M: Machine<Message: Serialize + DeserializeOwned + Send, Command: Send, Event: Send, Timer: Send>
        + Send
        + 'static,
{
    run_with(machine, node, tag, NoDisk, RunConfig::default())
}

/// [`run`] with stable storage and other bounds.
///
/// # Errors
/// As [`run`].
pub fn run_with<M, D>(
    machine: M,
    node: &Node,
    tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
    disk: D,
    config: RunConfig,
) -> Result<Running<M>, ProtocolError>
where
    M: Machine<Message: Serialize + DeserializeOwned + Send, Command: Send, Event: Send, Timer: Send>
        + Send
        + 'static,
    D: Disk,
{
    // Never a seed that somebody could guess: a machine draws nonces and hash keys from it.
    let rng = Rng::from_os().map_err(|error| ProtocolError::NoRandomness(error.to_string()))?;
    // One stream a peer is the rule; a second may overlap while a connection is replaced.
    let limits = ProtocolConfig { max_streams_per_peer: 4, ..ProtocolConfig::default() };
    let protocol = node.protocol(tag, limits)?;
    let (commands, command_queue) = mpsc::channel(config.command_queue.max(1));
    let (events, event_queue) = mpsc::channel(config.event_queue.max(1));
    let counters = Arc::new(Counters::default());
    let driver = Driver {
        machine,
        protocol,
        disk,
        commands: command_queue,
        events,
        counters: counters.clone(),
        timers: Timers::new(),
        probes: Probes::new(config.probes),
        effects: Vec::new(),
        started: Instant::now(),
        rng,
        config,
    };
    let (result, outcome) = oneshot::channel();
    let driving = node.shared().driving();
    let task = node.shared().spawn(async move {
        let _driving = driving;
        // Nobody may be waiting.
        let _ = result.send(driver.run().await);
    });
    Ok(Running {
        commands,
        events: event_queue,
        counters,
        node: Arc::downgrade(node.shared()),
        outcome,
        task,
    })
}

/// Bounds of a driver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunConfig {
    /// The longest message, in bytes. A peer that sends a longer one is disconnected.
    pub max_message: usize,
    /// Commands that wait for the machine; [`Running::command`] waits when they are so many.
    pub command_queue: usize,
    /// Events that wait for the app; when they are so many the machine waits.
    pub event_queue: usize,
    /// Messages that wait for the machine, over all peers; then the peers' streams wait.
    pub inbox: usize,
    /// Messages that wait for one peer; further ones are dropped and counted.
    pub outbox: usize,
    /// Peers that are being written to at once; messages to further ones are dropped and counted.
    pub max_outboxes: usize,
    /// A stream on which nothing was sent for so long is finished, so that an unused connection may close.
    pub stream_idle: Duration,
    /// Messages up to this many bytes go as datagrams where the connection stands and has them: sooner, but they
    /// may be lost or overtake others. 0: none do.
    pub datagrams_up_to: usize,
    /// Probes under way at once; further ones wait.
    pub probes: usize,
    /// Where a trace goes, in the format of [`dsys_core::trace`]; nowhere by default.
    pub trace: Option<TraceSink>,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            max_message: 1 << 20,
            command_queue: 256,
            event_queue: 1_024,
            inbox: 1_024,
            outbox: 1_024,
            max_outboxes: 1_024,
            stream_idle: Duration::from_secs(30),
            datagrams_up_to: 0,
            probes: 8,
            trace: None,
        }
    }
}

/// A machine that runs. Dropping it ends the machine at once.
#[derive(Debug)]
pub struct Running<M: Machine> {
    commands: mpsc::Sender<M::Command>,
    events: mpsc::Receiver<M::Event>,
    counters: Arc<Counters>,
    node: Weak<Shared>,
    outcome: oneshot::Receiver<Result<(), RunError>>,
    /// `None` if the node had ended before.
    task: Option<AbortHandle>,
}

/// Why a machine ended before it was dropped or its node shut down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A write could not be made durable. Nothing that depended on it was sent; what is on the disk, the disk must
    /// tell after a restart.
    #[error("the machine's state could not be stored, so it was stopped: {0}")]
    Disk(#[from] std::io::Error),
    /// The machine panicked.
    #[error("the machine panicked")]
    Panicked,
}

/// The machine has ended; the command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine has ended")]
pub struct Ended;

/// What a driver has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunStats {
    /// Messages handed to a stream or sent as datagrams.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Messages dropped because a queue was full, or the message too long.
    pub dropped: u64,
    /// Inputs that the machine has handled.
    pub inputs: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    inputs: AtomicU64,
}

impl<M: Machine> Running<M> {
    /// Asks something of the machine; waits for room in its queue.
    ///
    /// Whoever calls this from the task that reads [`next_event`](Running::next_event) must not wait for both
    /// queues at once; [`commander`](Running::commander) serves another task.
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// Safe: the command was not taken.
    pub async fn command(&self, command: M::Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|_| Ended)
    }

    /// A handle for commands alone, for other tasks.
    pub fn commander(&self) -> mpsc::Sender<M::Command> {
        self.commands.clone()
    }

    /// The machine's next event; `None` once it has ended. Cancel safety: safe.
    pub async fn next_event(&mut self) -> Option<M::Event> {
        self.events.recv().await
    }

    /// What was counted so far.
    pub fn stats(&self) -> RunStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RunStats {
            sent: count(&self.counters.sent),
            received: count(&self.counters.received),
            dropped: count(&self.counters.dropped),
            inputs: count(&self.counters.inputs),
        }
    }

    /// Waits until the machine has ended, because its node shut down or its disk failed.
    ///
    /// # Errors
    /// [`RunError`] if it was not the node.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        match (&mut self.outcome).await {
            Ok(result) => result,
            // Ended from outside: by the node's own end, or by a panic.
            Err(_) if self.node.upgrade().is_none_or(|node| node.is_closing()) => Ok(()),
            Err(_) => Err(RunError::Panicked),
        }
    }
}

impl<M: Machine> Drop for Running<M> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Driver<M: Machine, D> {
    machine: M,
    protocol: Protocol,
    disk: D,
    commands: mpsc::Receiver<M::Command>,
    events: mpsc::Sender<M::Event>,
    counters: Arc<Counters>,
    timers: Timers<M::Timer>,
    probes: Probes,
    effects: Vec<Effect<M>>,
    started: Instant,
    rng: Rng,
    config: RunConfig,
}

/// Inputs taken before their effects are carried out: the more, the more writes one flush of the disk makes durable.
const BATCH: usize = 64;

impl<M, D> Driver<M, D>
where
    M: Machine<Message: Serialize + DeserializeOwned + Send, Command: Send, Event: Send, Timer: Send>
        + Send
        + 'static,
    D: Disk,
{
    async fn run(mut self) -> Result<(), RunError> {
        // Both end with this task: a JoinSet aborts what it holds when it is dropped.
        let mut readers = JoinSet::new();
        let (arrivals, mut inbox) = mpsc::channel(self.config.inbox.max(1));
        let mut outboxes =
            Outboxes::new(&self.protocol, &self.config, arrivals.clone(), self.counters.clone());
        let mut peers = self.protocol.watch_peers();
        let node = self.protocol.node().clone();
        self.handle(Input::Start);
        self.carry_out(&mut outboxes).await?;
        loop {
            let wake = self.timers.next().map(|at| self.started + at.since(Time::ZERO));
            tokio::select! {
                biased;
                () = node.shutting_down() => break,
                // First of the inputs, so that a peer is up before its first message.
                Some(change) = peers.next() => match change {
                    PeerChange::Up(peer) => self.handle(Input::PeerUp(peer)),
                    PeerChange::Down(peer) => {
                        outboxes.close(&peer);
                        self.handle(Input::PeerDown(peer));
                    }
                },
                Some(arrival) = inbox.recv() => {
                    self.arrived(arrival, &mut outboxes);
                    for _ in 1..BATCH {
                        match inbox.try_recv() {
                            Ok(arrival) => self.arrived(arrival, &mut outboxes),
                            Err(_) => break,
                        }
                    }
                }
                Some(command) = self.commands.recv() => {
                    self.handle(Input::Command(command));
                    for _ in 1..BATCH {
                        match self.commands.try_recv() {
                            Ok(command) => self.handle(Input::Command(command)),
                            Err(_) => break,
                        }
                    }
                }
                () = sleep_until(wake) => {
                    let now = self.now();
                    while let Some(timer) = self.timers.pop(now) {
                        self.handle(Input::Timer(timer));
                    }
                }
                Some(incoming) = self.protocol.accept_uni() => {
                    while readers.try_join_next().is_some() {}
                    // Its answer must not be held back because the peer began to speak just now.
                    node.heard(incoming.peer, self.protocol.tag());
                    readers.spawn(inbox::read(incoming, arrivals.clone(), self.config.max_message));
                }
                Some((addr, reached)) = self.probes.next() => self.handle(Input::Probed(addr, reached)),
                Some((peer, data)) = self.protocol.recv_datagram() => {
                    match frame::decode(&data) {
                        Ok(message) => self.arrived(Arrival::Message(peer, message, data.len()), &mut outboxes),
                        Err(error) => debug!(%peer, %error, "a datagram that does not decode"),
                    }
                }
            }
            self.carry_out(&mut outboxes).await?;
        }
        // The peers' streams end first, so that none of them holds up our own end. Nobody reads the inbox any more:
        // whoever has news for it must not wait.
        drop(readers);
        drop(inbox);
        outboxes.finish().await;
        Ok(())
    }

    fn trace(&self, kind: Kind, peer: Option<NodeId>, bytes: Option<usize>) {
        if let Some(sink) = &self.config.trace {
            let node = self.protocol.node().id();
            let bytes = bytes.map(|bytes| bytes as u64);
            sink.record(&Record { t: self.now(), node, kind, peer, bytes, detail: None });
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    fn handle(&mut self, input: Input<M>) {
        self.counters.inputs.fetch_add(1, Ordering::Relaxed);
        match &input {
            Input::Start => self.trace(Kind::Start, None, None),
            Input::Command(_) => self.trace(Kind::Command, None, None),
            // Traced where its size is known.
            Input::Message(..) => {}
            Input::Timer(_) => self.trace(Kind::Timer, None, None),
            Input::PeerUp(peer) => self.trace(Kind::Up, Some(*peer), None),
            Input::PeerDown(peer) => self.trace(Kind::Down, Some(*peer), None),
            Input::Stored(_) => self.trace(Kind::Stored, None, None),
            Input::Probed(addr, _) => self.trace(Kind::Probed, Some(addr.id), None),
        }
        let now = self.now();
        self.machine.handle(input, &mut Context::new(now, &mut self.rng, &mut self.effects));
    }

    fn arrived(&mut self, arrival: Arrival<M::Message>, outboxes: &mut Outboxes<M::Message>) {
        match arrival {
            Arrival::Message(peer, message, size) => {
                self.trace(Kind::Receive, Some(peer), Some(size));
                self.counters.received.fetch_add(1, Ordering::Relaxed);
                self.handle(Input::Message(peer, message));
            }
            Arrival::Unreachable(peer) => {
                outboxes.close(&peer);
                self.handle(Input::PeerDown(peer));
            }
            Arrival::Violation(peer, reason) => {
                debug!(%peer, %reason, "the peer broke the protocol");
                self.protocol.node().disconnect(peer, code::BAD_FRAME, &reason);
            }
            Arrival::Idle(peer, serial) => outboxes.close_idle(&peer, serial),
        }
    }

    /// Carries out what the machine wants. Writes come first: one flush for all of them, and nothing that followed
    /// one is done before it is durable. Moving a write forward, before effects that preceded it, is always allowed.
    async fn carry_out(&mut self, outboxes: &mut Outboxes<M::Message>) -> Result<(), RunError> {
        while !self.effects.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            let (tokens, writes): (Vec<Token>, Vec<Write>) = effects
                .extract_if(.., |effect| matches!(effect, Effect::Store(..)))
                .filter_map(|effect| match effect {
                    Effect::Store(token, write) => Some((token, write)),
                    _ => None,
                })
                .unzip();
            if !writes.is_empty() {
                self.disk.write(writes).await?;
            }
            for effect in effects {
                self.one(effect, outboxes).await;
            }
            for token in tokens {
                self.handle(Input::Stored(token));
            }
        }
        Ok(())
    }

    async fn one(&mut self, effect: Effect<M>, outboxes: &mut Outboxes<M::Message>) {
        match effect {
            Effect::Send(to, message) => {
                let (size, queued) = outboxes.send(to, &message);
                self.trace(Kind::Send, Some(to), Some(size));
                if !queued {
                    self.trace(Kind::Lost, Some(to), Some(size));
                }
            }
            Effect::SetTimer(timer, after) => self.timers.set(timer, self.now() + after),
            Effect::CancelTimer(timer) => self.timers.cancel(timer),
            // If nobody reads events any more they are of no use.
            Effect::Emit(event) => {
                self.trace(Kind::Emit, None, None);
                drop(self.events.send(event).await);
            }
            Effect::Disconnect(peer) => {
                outboxes.close(&peer);
                self.protocol.node().disconnect(
                    peer,
                    code::DISCONNECTED,
                    "the protocol has no use for the connection",
                );
            }
            Effect::Learn(addr) => self.protocol.node().add_addr(addr),
            Effect::Probe(addr) => self.probes.begin(self.protocol.node(), addr),
            // All were taken out before.
            Effect::Store(..) => {}
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A frame ready to be written.
type Frame = Bytes;
