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
use crate::agent::{self, Agent};
use crate::envelope::{TopicId, TopicName};
use crate::links::{self, MemberInfo};
use crate::membership::full;
use crate::router::{Command, Cursor, Event, Message, Published, Quality, Refused, Stats};

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
    /// Who is there, in a small topic, and how often that has changed.
    pub(super) members: BTreeMap<NodeId, MemberInfo>,
    pub(super) changes: u64,
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
    /// Who is there, as SWIM knows them.
    pub(super) members: BTreeMap<NodeId, MemberInfo>,
    /// Topics that were left when the router had no room for the command.
    leaving: BTreeSet<TopicName>,
    ended: bool,
    pub(super) failure: Option<String>,
    /// Where the logs of topics end that were written down, for those who join them.
    ends: BTreeMap<TopicId, u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) queue: usize,
    pub(super) max_topics: usize,
    pub(super) max_payload: usize,
    /// Whether messages of topics that were left are kept.
    pub(super) durable: bool,
    /// Members and bytes of metadata, if SWIM is the detection.
    pub(super) swim: Option<(usize, usize)>,
    /// The same in a small topic.
    pub(super) full: (usize, usize),
}

/// What all handles share.
pub(super) struct Hub {
    pub(super) limits: Limits,
    commands: mpsc::Sender<agent::Command>,
    /// How often the members have changed.
    pub(super) changes: watch::Receiver<u64>,
    state: Arc<Mutex<State>>,
    tickets: AtomicU64,
    task: AbortHandle,
}

impl Hub {
    pub(super) fn start(running: Running<Agent>, limits: Limits, ends: BTreeMap<TopicId, u64>) -> Arc<Hub> {
        let state = Arc::new(Mutex::new(State { ends, ..State::default() }));
        let commands = running.commander();
        let (changed, changes) = watch::channel(0);
        let task = tokio::spawn(read(running, state.clone(), changed, limits)).abort_handle();
        Arc::new(Hub { limits, commands, changes, state, tickets: AtomicU64::new(1), task })
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
        permit.send(agent::Command::Router(command(ticket)));
        Some(())
    }

    /// Sends a command; waits for room. `None` if the router has ended.
    pub(super) async fn tell(&self, command: Command) -> Option<()> {
        self.commands.send(agent::Command::Router(command)).await.ok()
    }

    /// The same for the links.
    pub(super) async fn tell_links(&self, command: links::Command) -> Option<()> {
        self.commands.send(agent::Command::Links(command)).await.ok()
    }

    /// Leaves a topic, now or as soon as there is room. `state` is held, so that a join comes after it.
    pub(super) fn leave(&self, state: &mut State, name: &TopicName) {
        if let Some(left) = state.topics.remove(name).filter(|_| self.limits.durable) {
            let end = left.view.borrow().end;
            state.ends.insert(name.id(), end);
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(leave(name)) {
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

fn leave(name: &TopicName) -> agent::Command {
    agent::Command::Router(Command::Leave(name.clone()))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what the router says until it ends. Never waits for the router, which may wait for us.
async fn read(
    mut running: Running<Agent>,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    limits: Limits,
) {
    let commands = running.commander();
    let mut clock = tokio::time::interval(CLOCK);
    loop {
        tokio::select! {
            event = running.next_event() => match event {
                Some(agent::Event::Router(event)) => lock(&state).take(event, limits.full.0),
                Some(agent::Event::Links(links::Event::Member(member))) => {
                    meet(&mut lock(&state).members, member, limits.swim.map_or(0, |swim| swim.0));
                    changed.send_modify(|count| *count += 1);
                }
                // The topics are told, and tell of it.
                Some(agent::Event::Links(links::Event::Down(_))) => {}
                None => break,
            },
            _ = clock.tick() => {
                // If there is no room, another time.
                drop(commands.try_send(agent::Command::Router(Command::Clock(super::now()))));
                let mut state = lock(&state);
                let State { topics, leaving, .. } = &mut *state;
                leaving.retain(|name| {
                    !topics.contains_key(name) && commands.try_send(leave(name)).is_err()
                });
            }
        }
    }
    let outcome = running.ended().await;
    let mut state = lock(&state);
    state.ended = true;
    state.failure = outcome.err().map(|error| error.to_string());
    // Whoever waits sees its sender go.
    state.waiting.clear();
    state.topics.clear();
}

impl State {
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, event: Event, most: usize) {
        match event {
            Event::Up(topic, peer) => self.view(&topic, |view| {
                view.neighbours.insert(peer);
            }),
            Event::Down(topic, peer) => self.view(&topic, |view| {
                view.neighbours.remove(&peer);
            }),
            Event::Member(topic, member) => self.view(&topic, |view| {
                meet(&mut view.members, member, most);
                view.changes += 1;
            }),
            Event::Contact { topic, peer, there } => self.view(&topic, |view| {
                if there {
                    view.neighbours.insert(peer)
                } else {
                    view.neighbours.remove(&peer)
                };
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

    /// What is known of a topic that is being joined.
    pub(super) fn first_view(&self, topic: &TopicName) -> View {
        View { end: self.ends.get(&topic.id()).copied().unwrap_or(0), ..View::default() }
    }

    fn view(&self, topic: &TopicName, change: impl FnOnce(&mut View)) {
        if let Some(entry) = self.topics.get(topic) {
            entry.view.send_modify(change);
        }
    }
}

/// There are no more members at once than `most`, so one that is down makes room.
fn meet(members: &mut BTreeMap<NodeId, MemberInfo>, member: MemberInfo, most: usize) {
    if members.len() >= most && !members.contains_key(&member.id) {
        let down = members.values().find(|one| one.state == full::State::Down).map(|one| one.id);
        down.map(|down| members.remove(&down));
    }
    members.insert(member.id, member);
}
