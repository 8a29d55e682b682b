//! The task that reads what the router says, and what all handles share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use dsys_core::NodeId;
use dsys_transport::Running;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::topic::Joined;
use crate::envelope::TopicName;
use crate::router::{Command, Cursor, Event, Message, Published, Quality, Refused, Router, Stats};

/// How often the router is told what the wall clock says, which may be set or slewed.
const CLOCK: Duration = Duration::from_secs(10);

/// A part of a topic's log.
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    pub(super) next: Cursor,
    pub(super) skipped: u64,
}

/// Who waits for an answer of the router.
pub(super) enum Waiting {
    Published(oneshot::Sender<Result<Published, Refused>>),
    Page(oneshot::Sender<Page>),
}

/// What is known of a topic without asking the router.
#[derive(Clone, Default)]
pub(super) struct View {
    /// The place of the next message.
    pub(super) end: u64,
    pub(super) neighbours: BTreeSet<NodeId>,
    pub(super) quality: Quality,
    pub(super) stats: Stats,
}

pub(super) struct Entry {
    pub(super) view: watch::Sender<View>,
    pub(super) joined: Weak<Joined>,
}

#[derive(Default)]
pub(super) struct State {
    waiting: BTreeMap<u64, Waiting>,
    pub(super) topics: BTreeMap<TopicName, Entry>,
    /// Topics that were left when the router had no room for the command.
    leaving: BTreeSet<TopicName>,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) queue: usize,
    pub(super) max_topics: usize,
    pub(super) max_payload: usize,
}

/// What all handles share.
pub(super) struct Hub {
    pub(super) limits: Limits,
    commands: mpsc::Sender<Command>,
    state: Arc<Mutex<State>>,
    tickets: AtomicU64,
    task: AbortHandle,
}

impl Hub {
    pub(super) fn start(running: Running<Router>, limits: Limits) -> Arc<Hub> {
        let state = Arc::new(Mutex::new(State::default()));
        let commands = running.commander();
        let task = tokio::spawn(read(running, state.clone())).abort_handle();
        Arc::new(Hub { limits, commands, state, tickets: AtomicU64::new(1), task })
    }

    /// Never held over an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Sends a command that is answered under a ticket; waits for room in the router's queue. `None` if the router has
    /// ended. Cancel safety: nothing was asked.
    pub(super) async fn ask(&self, waiting: Waiting, command: impl FnOnce(u64) -> Command) -> Option<()> {
        let permit = self.commands.reserve().await.ok()?;
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = self.state();
            if state.ended {
                return None;
            }
            state.waiting.insert(ticket, waiting);
        }
        permit.send(command(ticket));
        Some(())
    }

    /// Sends a command; waits for room. `None` if the router has ended.
    pub(super) async fn tell(&self, command: Command) -> Option<()> {
        self.commands.send(command).await.ok()
    }

    /// Leaves a topic, now or as soon as there is room. `state` is held, so that a join comes after it.
    pub(super) fn leave(&self, state: &mut State, name: &TopicName) {
        state.topics.remove(name);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(Command::Leave(name.clone()))
        {
            state.leaving.insert(name.clone());
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // The router ends with the task, which owns it.
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what the router says until it ends. Never waits for the router, which may wait for us.
async fn read(mut running: Running<Router>, state: Arc<Mutex<State>>) {
    let commands = running.commander();
    let mut clock = tokio::time::interval(CLOCK);
    loop {
        tokio::select! {
            event = running.next_event() => match event {
                Some(event) => lock(&state).take(event),
                None => break,
            },
            _ = clock.tick() => {
                // If there is no room, another time.
                drop(commands.try_send(Command::Clock(super::now())));
                let mut state = lock(&state);
                let State { topics, leaving, .. } = &mut *state;
                leaving.retain(|name| {
                    !topics.contains_key(name) && commands.try_send(Command::Leave(name.clone())).is_err()
                });
            }
        }
    }
    let mut state = lock(&state);
    state.ended = true;
    // Whoever waits sees its sender go.
    state.waiting.clear();
    state.topics.clear();
}

impl State {
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Up(topic, peer) => self.view(&topic, |view| {
                view.neighbours.insert(peer);
            }),
            Event::Down(topic, peer) => self.view(&topic, |view| {
                view.neighbours.remove(&peer);
            }),
            Event::Delivered(topic, message) => {
                self.view(&topic, |view| view.end = view.end.max(message.place + 1));
            }
            Event::Report(topic, quality, stats) => self.view(&topic, |view| {
                (view.quality, view.stats) = (quality, *stats);
            }),
            // Whoever waited may have gone.
            Event::Published { ticket, outcome } => {
                if let Some(Waiting::Published(to)) = self.waiting.remove(&ticket) {
                    let _ = to.send(outcome);
                }
            }
            Event::Page { ticket, messages, next, skipped } => {
                if let Some(Waiting::Page(to)) = self.waiting.remove(&ticket) {
                    let _ = to.send(Page { messages, next, skipped });
                }
            }
            // We count topics before we join them.
            Event::TooMany(_) => {}
        }
    }

    fn view(&self, topic: &TopicName, change: impl FnOnce(&mut View)) {
        if let Some(entry) = self.topics.get(topic) {
            entry.view.send_modify(change);
        }
    }
}
