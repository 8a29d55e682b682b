//! From the machine's events to those who wait for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
// Held for a moment by tasks, never by a machine.
#[allow(clippy::disallowed_types)]
use std::sync::Mutex;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use dsys_core::Machine;
use dsys_transport::Running;
use tokio::sync::{mpsc, watch as latest};
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use super::idle::Idle;
use super::watch::{Progress, Watch};
use super::{Found, Inner, now};
use crate::overlay::{FindError, Overlay, QueryId};
use crate::records::{
    Command, Event, GetError, Got, GotMany, LeaveReport, PutError, PutReport, Records, Stats, SweepReport,
};
use crate::records::{Kind, RecordId};

/// Steps that wait for whoever watches an operation; further ones are left out. The end never is.
const STEPS: usize = 1_024;
/// The machine is told so often what the wall clock shows.
const CLOCK: Duration = Duration::from_secs(60);

/// How an operation ended.
#[derive(Debug)]
pub(super) enum Answer {
    Put(Result<PutReport, PutError>),
    Swept(Result<SweepReport, PutError>),
    Got(Box<Result<Got, GetError>>),
    Bulk(Result<GotMany, GetError>),
    Peers(Result<Found, FindError>),
    Left(LeaveReport),
    Stats(Box<Stats>),
}

/// What waits for whoever waits.
#[derive(Debug)]
pub(super) enum Item {
    Progress(Progress),
    End(Answer),
}

/// Who waits for which operation, and the way to the machine.
#[derive(Clone, Debug)]
pub(super) struct Router {
    commands: mpsc::Sender<Command>,
    waiting: Arc<Waiting>,
    next: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
#[allow(clippy::disallowed_types)]
struct Waiting(Mutex<BTreeMap<QueryId, mpsc::Sender<Item>>>);

/// One who waits. Dropping it ends the operation, if it was not to go on.
#[derive(Debug)]
pub(super) struct Ticket {
    router: Router,
    op: QueryId,
    cancels: bool,
    events: mpsc::Receiver<Item>,
}

impl Waiting {
    #[allow(clippy::disallowed_types)]
    fn lock(&self) -> MutexGuard<'_, BTreeMap<QueryId, mpsc::Sender<Item>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Router { commands, waiting: Arc::default(), next: Arc::new(AtomicU64::new(1)) }
    }

    /// Gives the machine a command; false if it has ended.
    pub(super) async fn tell(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// Runs an operation to its end; `None` if the machine has ended.
    pub(super) async fn run(
        &self,
        command: impl FnOnce(QueryId) -> Command,
        cancels: bool,
    ) -> Option<Answer> {
        let mut ticket = self.ticket(cancels, 8);
        if !self.tell(command(ticket.op)).await {
            return None;
        }
        loop {
            if let Item::End(answer) = ticket.events.recv().await? {
                ticket.cancels = false;
                return Some(answer);
            }
        }
    }

    /// Begins an operation of which each step is told.
    pub(super) fn watch(&self, command: impl FnOnce(QueryId) -> Command) -> Watch {
        let ticket = self.ticket(true, STEPS);
        let command = command(ticket.op);
        Watch::new(ticket, command)
    }

    fn ticket(&self, cancels: bool, queue: usize) -> Ticket {
        let op = QueryId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = mpsc::channel(queue);
        self.waiting.lock().insert(op, sender);
        Ticket { router: self.clone(), op, cancels, events }
    }

    fn progress(&self, op: QueryId, progress: Progress) {
        let waiting = self.waiting.lock();
        let Some(sender) = waiting.get(&op) else { return };
        // One place is kept for the end.
        if sender.capacity() > 1 {
            let _ = sender.try_send(Item::Progress(progress));
        }
    }

    fn end(&self, op: QueryId, answer: Answer) {
        if let Some(sender) = self.waiting.lock().remove(&op) {
            // Nobody may be waiting.
            let _ = sender.try_send(Item::End(answer));
        }
    }

    fn event(&self, event: Event) {
        match event {
            Event::Step { op, peer, step } => self.progress(op, Progress::Step(peer, step)),
            Event::Found { op, record } => self.progress(op, Progress::Found(record)),
            Event::Put { op, result } => self.end(op, Answer::Put(result)),
            Event::Swept { op, result } => self.end(op, Answer::Swept(result)),
            Event::Got { op, result } => self.end(op, Answer::Got(Box::new(result))),
            Event::Bulk { op, result } => self.end(op, Answer::Bulk(result)),
            Event::Peers { op, found, report } => {
                self.end(op, Answer::Peers(found.map(|nodes| Found { nodes, report })));
            }
            Event::Left(op, report) => self.end(op, Answer::Left(report)),
            Event::Stats(op, stats) => self.end(op, Answer::Stats(stats)),
            Event::Violation(peer, error) => debug!(%peer, %error, "a peer broke the protocol"),
            Event::Joined(_) | Event::Renew(_) => {}
        }
    }
}

impl Ticket {
    pub(super) fn events(&mut self) -> &mut mpsc::Receiver<Item> {
        &mut self.events
    }

    pub(super) fn commands(&self) -> mpsc::Sender<Command> {
        self.router.commands.clone()
    }

    pub(super) fn ended(&mut self) {
        self.cancels = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.router.waiting.lock().remove(&self.op);
        if self.cancels {
            // With a full queue the operation ends by itself.
            let _ = self.router.commands.try_send(Command::Cancel(self.op));
        }
    }
}

/// What the task tells everybody.
pub(super) struct Told {
    pub(super) peers: latest::Sender<usize>,
    pub(super) ended: latest::Sender<Option<String>>,
}

/// The task of a DHT: routes events, tells the machine the time, signs again what is to live on, and closes connections
/// that are not used.
pub(super) async fn route<O>(
    mut running: Running<Records<O>>,
    router: Router,
    inner: std::sync::Weak<Inner>,
    told: Told,
    mut idle: Idle,
) where
    O: Overlay,
    Records<O>: Machine<Event = Event, Command = Command>,
{
    let mut clock = tokio::time::interval(CLOCK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = running.next_event() => match event {
                Some(Event::Joined(known)) => drop(told.peers.send(known)),
                Some(Event::Renew(RecordId { key, kind: Kind::Provider, .. })) => {
                    let record = inner.upgrade().and_then(|inner| inner.provider(key));
                    if let Some(record) = record {
                        let op = QueryId(router.next.fetch_add(1, Ordering::Relaxed));
                        let put = Command::Put { op, record, after: None, steps: false };
                        // Not waited for: the queue of events must go on moving.
                        let _ = router.commands.try_send(put);
                    }
                }
                Some(event) => router.event(event),
                None => break,
            },
            () = idle.next() => idle.look(),
            _ = clock.tick() => drop(router.commands.try_send(Command::Clock(now()))),
        }
    }
    let why = match running.ended().await {
        Ok(()) => "its node was shut down".to_owned(),
        Err(error) => {
            warn!(%error, "the DHT has ended");
            error.to_string()
        }
    };
    // Whoever waits sees the end of the queue.
    router.waiting.lock().clear();
    let _ = told.ended.send(Some(why));
}
