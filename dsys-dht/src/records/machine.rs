//! The machine: an overlay, the records above it, and what passes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsys_core::{Context, Input, Machine, NodeId, Time};

use super::bulk::Bulk;
use super::call::{About, Call, Calls};
use super::change::{Change, DamagedRecord};
use super::clock::{Clock, UnixTime};
use super::command::{Command, Event};
use super::config::Config;
use super::get::Get;
use super::message::{Ask, Letter, Message, Tell};
use super::put::Put;
use super::quota::Quotas;
use super::record::RecordId;
use super::repair::Leave;
use super::report::{GetError, PeerError, PutError};
use super::sweep::Sweep;
use super::table::{Held, Table};
use crate::Key;
use crate::overlay::{self, FindError, Overlay, QueryId, QueryReport, Step};
use crate::window::Window;

/// The timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer<T> {
    /// The overlay's.
    Overlay(T),
    /// The question of this number has not been answered.
    Call(u32),
    /// Offer our records to those who should have them; publish our own again; forget what has expired.
    Upkeep,
}

/// What a node counted, and what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Other nodes known.
    pub peers: usize,
    /// Whether this node answers others and is to be known by them; in auto mode as far as it has found out.
    pub serves: bool,
    /// Records kept, and about how many bytes they take.
    pub records: usize,
    /// See `records`.
    pub bytes: usize,
    /// Records stored here for others.
    pub stored: u64,
    /// Questions for records that were answered with one.
    pub served: u64,
    /// Stores refused: invalid ones.
    pub refused_invalid: u64,
    /// Stores refused: no room.
    pub refused_full: u64,
    /// Stores refused: the peer stored more than it may.
    pub refused_too_fast: u64,
    /// Answers that nobody had asked for, or that came too late.
    pub unsolicited: u64,
    /// Peers that broke the rules.
    pub violations: u64,
    /// Operations refused because of `max_operations`.
    pub operations_refused: u64,
    /// Questions not asked because of `max_calls`.
    pub calls_refused: u64,
    /// Records handed to nodes that had become responsible.
    pub repaired: u64,
}

/// An overlay with records above it.
#[derive(Clone, Debug)]
pub struct Records<O: Overlay> {
    pub(super) overlay: O,
    pub(super) config: Arc<Config>,
    pub(super) clock: Clock,
    pub(super) table: Table,
    pub(super) operations: BTreeMap<OpId, Operation>,
    /// The overlay's searches, and whose they are.
    searches: BTreeMap<QueryId, OpId>,
    next_search: u64,
    pub(super) calls: Calls,
    /// Letters to be sent: beside what the overlay sends to the same peer, or else alone.
    letters: Vec<(NodeId, Letter)>,
    pub(super) quotas: Quotas,
    /// Who has asked for what it should keep.
    pub(super) pulls: Window,
    /// When our own records are to be published again.
    pub(super) due: BTreeMap<RecordId, Time>,
    /// Up to where the upkeep has come.
    pub(super) swept: Option<RecordId>,
    pub(super) leaving: bool,
    /// Something was to be published while no other node was known.
    pub(super) lonely: bool,
    pub(super) stats: Stats,
}

/// Whose operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum OpId {
    App(QueryId),
    /// One of our own records is published again.
    Own(RecordId),
    /// Many of our own records are published again.
    Republish,
    /// No operation: records are offered as nodes come and go.
    Repair,
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Put(Box<Put>),
    Sweep(Box<Sweep>),
    Get(Box<Get>),
    Bulk(Box<Bulk>),
    Find { steps: bool },
    Leave(Leave),
}

impl<O: Overlay> Records<O> {
    /// Records above `overlay`; the wall clock shows `clock` when the driver's time is zero.
    pub fn new(overlay: O, clock: UnixTime, config: impl Into<Arc<Config>>) -> Self {
        Records {
            overlay,
            config: Arc::new(Arc::unwrap_or_clone(config.into()).clamped()),
            clock: Clock::new(clock, Time::ZERO),
            table: Table::default(),
            operations: BTreeMap::new(),
            searches: BTreeMap::new(),
            next_search: 0,
            calls: Calls::default(),
            letters: Vec::new(),
            quotas: Quotas::default(),
            pulls: Window::default(),
            due: BTreeMap::new(),
            swept: None,
            leaving: false,
            lonely: false,
            stats: Stats::default(),
        }
    }

    /// Takes in what an earlier life has written, oldest first.
    ///
    /// # Errors
    /// [`DamagedRecord`] names the first that is none.
    pub fn restore<'a>(mut self, written: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DamagedRecord> {
        for (at, bytes) in written.into_iter().enumerate() {
            match Change::decode(bytes).ok_or(DamagedRecord(at))? {
                Change::Keep { record, expires, own } => {
                    let id = record.id();
                    if own {
                        self.due.insert(id, Time::ZERO);
                    }
                    self.table.restore(id, Held { record, expires, cached: false, own });
                }
                Change::Remove(id) => {
                    self.due.remove(&id);
                    self.table.remove(&id);
                }
                Change::Contacts(contacts) => self.overlay.restore(contacts),
            }
        }
        Ok(self)
    }

    /// The overlay below.
    pub fn overlay(&self) -> &O {
        &self.overlay
    }

    /// Whether a record is kept here, or a copy of it.
    pub fn keeps(&self, id: &RecordId) -> bool {
        self.table.contains(id)
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats {
            peers: self.overlay.known(),
            serves: self.overlay.serves(),
            records: self.table.len(),
            bytes: self.table.bytes(),
            ..self.stats
        }
    }

    pub(super) fn now(&self, cx: &Context<'_, Self>) -> UnixTime {
        self.clock.now(cx.now())
    }

    /// Begins a search of the overlay for an operation.
    pub(super) fn search(&mut self, op: OpId, key: Key, cx: &mut Context<'_, Self>) {
        let query = QueryId(self.next_search);
        self.next_search += 1;
        self.searches.insert(query, op);
        self.hand(Input::Command(overlay::Command::Find { query, key, steps: true }), cx);
    }

    /// Ends an operation: its searches stop, and answers to its questions mean nothing any more.
    pub(super) fn finish(&mut self, op: OpId, cx: &mut Context<'_, Self>) -> Option<Operation> {
        let queries: Vec<QueryId> =
            self.searches.iter().filter(|(_, whose)| **whose == op).map(|(query, _)| *query).collect();
        for query in queries {
            self.searches.remove(&query);
            self.hand(Input::Command(overlay::Command::Cancel(query)), cx);
        }
        for (call, timed) in self.calls.end(op) {
            if timed {
                cx.cancel_timer(Timer::Call(call));
            }
        }
        self.operations.remove(&op)
    }

    /// Asks something of a peer, beside what the overlay asks of it at this moment or alone. `false` if too many
    /// questions wait for answers. Not `timed`: the overlay's question beside it tells when it has failed.
    pub(super) fn ask(
        &mut self,
        peer: NodeId,
        op: OpId,
        about: About,
        ask: Ask,
        timed: bool,
        cx: &mut Context<'_, Self>,
    ) -> bool {
        if self.calls.len() >= self.config.max_calls {
            self.stats.calls_refused += 1;
            return false;
        }
        let call = self.calls.open(Call { peer, op, about, timed });
        if timed {
            cx.set_timer(Timer::Call(call), self.config.timeout);
        }
        self.letters.push((peer, Letter::Ask { call, ask }));
        true
    }

    pub(super) fn tell(&mut self, peer: NodeId, call: u32, tell: Tell) {
        self.letters.push((peer, Letter::Tell { call, tell }));
    }

    /// A peer has broken the rules, provably: it loses its connection and nothing of ours.
    pub(super) fn violation(&mut self, peer: NodeId, error: PeerError, cx: &mut Context<'_, Self>) {
        self.stats.violations += 1;
        cx.disconnect(peer);
        cx.emit(Event::Violation(peer, error));
    }

    /// Makes a change durable, if there is a disk.
    pub(super) fn write(&self, change: &Change, cx: &mut Context<'_, Self>) {
        if self.config.durable {
            change.write(cx);
        }
    }

    /// Hands the overlay an input and carries out what it wants, in order.
    fn hand(&mut self, input: Input<O>, cx: &mut Context<'_, Self>) {
        let mut effects = Vec::new();
        self.overlay.handle(input, &mut cx.part(&mut effects));
        for effect in effects {
            let letters = &mut self.letters;
            let with_letter = |to, message| {
                let letter = letters.iter().position(|(peer, _)| *peer == to);
                Message { overlay: Some(message), letter: letter.map(|at| letters.remove(at).1) }
            };
            match effect.within(with_letter, Timer::Overlay) {
                Ok(effect) => cx.push(effect),
                Err(event) => self.overlay_event(event, cx),
            }
        }
    }

    fn overlay_event(&mut self, event: overlay::Event, cx: &mut Context<'_, Self>) {
        match event {
            overlay::Event::Joined(known) => {
                self.pull(cx);
                cx.emit(Event::Joined(known));
            }
            overlay::Event::Step { query, peer, step } => {
                let Some(op) = self.searches.get(&query).copied() else { return };
                self.step(op, peer, step, cx);
            }
            overlay::Event::Done { query, found, report } => {
                let Some(op) = self.searches.remove(&query) else { return };
                match self.operations.get(&op) {
                    Some(Operation::Put(_)) => self.put_searched(op, found, report, cx),
                    Some(Operation::Sweep(_)) => self.sweep_searched(op, found, report, cx),
                    Some(Operation::Get(_)) => self.get_searched(op, found, report, cx),
                    Some(Operation::Bulk(_)) => self.bulk_searched(op, found, report, cx),
                    Some(Operation::Find { .. }) => {
                        self.operations.remove(&op);
                        if let OpId::App(op) = op {
                            cx.emit(Event::Peers { op, found, report });
                        }
                    }
                    Some(Operation::Leave(_)) | None => {}
                }
            }
        }
    }

    fn step(&mut self, op: OpId, peer: NodeId, step: Step, cx: &mut Context<'_, Self>) {
        let Some(operation) = self.operations.get(&op) else { return };
        let (steps, is_get) = match operation {
            Operation::Put(put) => (put.steps, false),
            Operation::Get(get) => (get.steps, true),
            Operation::Find { steps } => (*steps, false),
            Operation::Sweep(_) | Operation::Bulk(_) | Operation::Leave(_) => (false, false),
        };
        if let (true, OpId::App(op)) = (steps, op) {
            cx.emit(Event::Step { op, peer, step });
        }
        match (step, is_get) {
            (Step::Asked { hop, .. }, true) => self.get_asked(op, peer, hop, cx),
            (Step::Asked { .. }, false) => self.put_asked(op, peer, cx),
            // It has answered the overlay's question and not ours beside it, or neither.
            (Step::Answered { .. } | Step::Failed, true) => {
                self.calls.take(|call| call.peer == peer && call.op == op && !call.timed);
            }
            _ => {}
        }
    }

    fn letter(&mut self, from: NodeId, letter: Letter, cx: &mut Context<'_, Self>) {
        let (call, tell) = match letter {
            Letter::Ask { call, ask } => return self.asked(from, call, ask, cx),
            Letter::Tell { call, tell } => (call, tell),
        };
        let Some(known) = self.calls.answered(call, from) else {
            self.stats.unsolicited += 1;
            return;
        };
        if known.timed {
            cx.cancel_timer(Timer::Call(call));
        }
        match known.about {
            About::Get { hop } => self.get_told(known.op, from, hop, tell, cx),
            About::Store => self.put_told(known.op, from, tell, cx),
            About::Offer(offered) => self.offer_told(known.op, from, &offered, tell, cx),
            About::HandOver(id) => self.hand_over_told(known.op, from, id, &tell, cx),
            About::Sweep(id) => self.sweep_told(known.op, from, id, Some(tell), cx),
            About::Bulk(key) => self.bulk_told(known.op, from, key, Some(tell), cx),
            About::Improve | About::Pull => {}
        }
    }

    /// A question of ours has failed: the overlay should look whether that node is there.
    fn failed(&mut self, call: Call, cx: &mut Context<'_, Self>) {
        self.hand(Input::Command(overlay::Command::Check(call.peer)), cx);
        match call.about {
            About::Store => self.put_failed(call.op, call.peer, cx),
            About::Offer(_) | About::HandOver(_) => self.offer_failed(call.op, call.peer, cx),
            About::Sweep(id) => self.sweep_told(call.op, call.peer, id, None, cx),
            About::Bulk(key) => self.bulk_told(call.op, call.peer, key, None, cx),
            About::Get { .. } | About::Improve | About::Pull => {}
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_, Self>) {
        match command {
            // Named by ourselves, or two might have one name.
            Command::Overlay(overlay::Command::Find { .. } | overlay::Command::Cancel(_)) => {}
            Command::Overlay(command) => self.hand(Input::Command(command), cx),
            Command::Clock(shown) => self.clock = Clock::new(shown, cx.now()),
            Command::Put { op, record, after, steps } => match self.admit(op) {
                true => self.put(OpId::App(op), record, after, steps, cx),
                false => cx.emit(Event::Put { op, result: Err(PutError::Busy) }),
            },
            Command::Sweep { op, records } => match self.admit(op) {
                true => self.sweep(OpId::App(op), records, cx),
                false => cx.emit(Event::Swept { op, result: Err(PutError::Busy) }),
            },
            Command::Get { op, key, kind, enough, steps } => match self.admit(op) {
                true => self.get(OpId::App(op), key, kind, enough, steps, cx),
                false => cx.emit(Event::Got { op, result: Err(GetError::Busy) }),
            },
            Command::Bulk { op, keys } => match self.admit(op) {
                true => self.bulk(op, keys, cx),
                false => cx.emit(Event::Bulk { op, result: Err(GetError::Busy) }),
            },
            Command::Find { op, key, steps } => {
                if !self.admit(op) {
                    let report = QueryReport::default();
                    return cx.emit(Event::Peers { op, found: Err(FindError::Busy), report });
                }
                self.operations.insert(OpId::App(op), Operation::Find { steps });
                self.search(OpId::App(op), key, cx);
            }
            Command::Cancel(op) => drop(self.finish(OpId::App(op), cx)),
            Command::Unpublish(id) => {
                self.due.remove(&id);
                self.table.set_own(&id, false);
            }
            Command::Leave(op) => self.leave(op, cx),
            Command::Stats(op) => cx.emit(Event::Stats(op, Box::new(self.stats()))),
        }
    }

    fn admit(&mut self, op: QueryId) -> bool {
        let full = self.operations.len() >= self.config.max_operations;
        let admitted = !full && !self.operations.contains_key(&OpId::App(op));
        self.stats.operations_refused += u64::from(!admitted);
        admitted
    }
}

impl<O: Overlay> Machine for Records<O> {
    type Message = Message<O::Message>;
    type Command = Command;
    type Event = Event;
    type Timer = Timer<O::Timer>;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.plan_upkeep(cx);
                self.hand(Input::Start, cx);
            }
            Input::Command(command) => self.command(command, cx),
            Input::Message(from, Message { overlay, letter }) => {
                // The letter first: a record that was found ends the search before the overlay asks more.
                if let Some(letter) = letter {
                    self.letter(from, letter, cx);
                }
                if let Some(message) = overlay {
                    self.hand(Input::Message(from, message), cx);
                }
            }
            Input::Timer(Timer::Overlay(timer)) => self.hand(Input::Timer(timer), cx),
            Input::Timer(Timer::Call(call)) => {
                if let Some(call) = self.calls.remove(call) {
                    self.failed(call, cx);
                }
            }
            Input::Timer(Timer::Upkeep) => self.upkeep(cx),
            Input::PeerUp(peer) => self.hand(Input::PeerUp(peer), cx),
            Input::PeerDown(peer) => {
                for (number, call) in self.calls.take(|call| call.peer == peer) {
                    if call.timed {
                        cx.cancel_timer(Timer::Call(number));
                    }
                    self.failed(call, cx);
                }
                self.hand(Input::PeerDown(peer), cx);
            }
            Input::Stored(token) => self.hand(Input::Stored(token), cx),
            Input::Probed(addr, reached) => self.hand(Input::Probed(addr, reached), cx),
        }
        if self.lonely && self.overlay.known() > 0 {
            self.lonely = false;
            self.publish_due(cx);
        }
        for (to, letter) in std::mem::take(&mut self.letters) {
            cx.send(to, Message { overlay: None, letter: Some(letter) });
        }
    }
}

/// The nodes of this list that are not in that set.
pub(super) fn without(nodes: &[NodeId], known: &BTreeSet<NodeId>) -> Vec<NodeId> {
    nodes.iter().filter(|node| !known.contains(node)).copied().collect()
}
