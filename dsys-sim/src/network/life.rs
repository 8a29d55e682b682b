//! What is done to nodes and to the network from outside.

use std::time::Duration;

use dsys_core::{Machine, NodeId, Time};

use super::{Letter, Network};
use crate::event::{Body, Control, NO_NODE};
use crate::faults::Set;
use crate::latency::nanos;
use crate::trace::Kind;
use crate::{Change, Clock, Crash, CutId, Faults, Notice};

impl<M: Machine<Message: Clone>> Network<M> {
    /// Carries out a change now.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Crash(node, crash) => {
                self.crash(node, crash);
            }
            Change::Restart(node) => {
                self.restart(node);
            }
            Change::Leave(node) => {
                self.leave(node);
            }
            Change::Join => {
                self.join();
            }
            Change::Cut { from, to, lasting } => {
                let cut = self.cut(&from, &to);
                self.control(self.now.saturating_add(nanos(lasting)), NO_NODE, Control::Healed(cut));
            }
            Change::Faults(faults) => self.set_faults(faults),
            Change::Clock(node, clock) => self.set_clock(node, clock),
            Change::Dialable(node, dialable) => self.set_dialable(node, dialable),
        }
    }

    /// Stops a node at once. `false` if it is unknown or was down.
    pub fn crash(&mut self, node: NodeId, crash: Crash) -> bool {
        self.ids.place(node).is_some_and(|place| self.crash_place(place, crash))
    }

    /// Starts a crashed node again, from its disk, by the closure of [`set_spawn`](Self::set_spawn). `false` if there
    /// is no closure, or the node is unknown, runs or left.
    pub fn restart(&mut self, node: NodeId) -> bool {
        let Some(place) = self.ids.place(node) else { return false };
        let Some(spawn) = &mut self.spawn else { return false };
        let Some(cell) = self.nodes.get_mut(place as usize) else { return false };
        if cell.machine.is_some() || cell.left {
            return false;
        }
        let (records, torn) = cell.cold().disk.recover();
        cell.machine = Some(spawn(node, &records));
        let life = cell.life;
        self.stats.restarts += 1;
        self.stats.torn_records += u64::from(torn);
        self.record(Kind::Restart, place, NO_NODE, Some(records.len() as u64));
        self.enqueue(self.now, place, Body::Start { life });
        true
    }

    /// Stops a node for good. `false` if it is unknown or left before.
    pub fn leave(&mut self, node: NodeId) -> bool {
        let Some(place) = self.ids.place(node) else { return false };
        let Some(cell) = self.node_mut(place) else { return false };
        if std::mem::replace(&mut cell.left, true) {
            return false;
        }
        self.stop(place, Notice::Refused);
        self.record(Kind::Leave, place, NO_NODE, None);
        true
    }

    /// Adds a node made by the closure of [`set_spawn`](Self::set_spawn) without records. `None` if there is no
    /// closure or no room.
    pub fn join(&mut self) -> Option<NodeId> {
        self.check_room().ok()?;
        let spawn = self.spawn.as_mut()?;
        let (place, id) = self.ids.generate();
        let machine = spawn(id, &[]);
        self.place(place, machine);
        Some(id)
    }

    /// From now on nothing passes from any of `from` to any of `to`. What is on its way arrives. One way: for a
    /// partition see [`partition`](Self::partition).
    pub fn cut(&mut self, from: &[NodeId], to: &[NodeId]) -> CutId {
        let cut = self.cuts.add(self.set(from), self.set(to));
        self.watch_cuts();
        cut
    }

    /// Nothing passes between the two groups, either way. Nodes in neither reach both: a partial partition.
    pub fn partition(&mut self, one: &[NodeId], other: &[NodeId]) -> [CutId; 2] {
        [self.cut(one, other), self.cut(other, one)]
    }

    /// Ends one cut. `false` if it had ended.
    pub fn heal_cut(&mut self, cut: CutId) -> bool {
        self.cuts.remove(cut)
    }

    /// All faults off, all cuts ended, all clocks right, all crashed nodes restarted. Nodes that left stay away, and
    /// liars lie on.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.set_faults(Faults::NONE);
        for place in 0..self.nodes.len() as u32 {
            let id = self.ids.name(place);
            if let Some(cold) = self.node_mut(place).and_then(|node| node.cold.as_mut()) {
                cold.clock = Clock::default();
            }
            self.restart(id);
        }
    }

    /// From now on these faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.config.faults = faults;
    }

    /// From now on the node has this clock; timers already set run out when they would have.
    pub fn set_clock(&mut self, node: NodeId, clock: Clock) {
        if let Some(place) = self.ids.place(node)
            && let Some(node) = self.node_mut(place)
        {
            node.cold().clock = clock;
        }
    }

    /// From now on others can, or cannot, open connections to the node: dials and probes of it go unanswered, as
    /// behind a NAT. Its own dials succeed, and what stands goes on. Where connections are not tracked messages reach it
    /// nevertheless, and only probes tell.
    pub fn set_dialable(&mut self, node: NodeId, dialable: bool) {
        if let Some(place) = self.ids.place(node)
            && let Some(node) = self.node_mut(place)
        {
            node.cold().dialable = dialable;
        }
    }

    /// From now on `hook` decides what the messages of these nodes become: it is given the time, the sender and the
    /// letter, and returns what is sent instead. Nothing: withheld. Another message or addressee, or several:
    /// forged. The sender's name cannot be forged, because a transport proves it.
    pub fn set_liars(
        &mut self,
        nodes: &[NodeId],
        hook: impl FnMut(Time, NodeId, Letter<M::Message>) -> Vec<Letter<M::Message>> + 'static,
    ) {
        self.liar = Some(Box::new(hook));
        let liars = self.set(nodes);
        for place in 0..self.nodes.len() as u32 {
            let lies = liars.contains(place);
            if let Some(node) = self.node_mut(place)
                && (lies || node.cold.is_some())
            {
                node.cold().liar = lies;
            }
        }
    }

    /// Whether the node is one of the liars, of whom nothing can be expected.
    pub fn lies(&self, node: NodeId) -> bool {
        let place = self.ids.place(node);
        place
            .and_then(|place| self.node(place))
            .and_then(|node| node.cold.as_ref())
            .is_some_and(|cold| cold.liar)
    }

    /// Sends a message in the name of a node, whatever its machine does, past the liars' hook.
    pub fn forge(&mut self, from: NodeId, letter: Letter<M::Message>) {
        if let Some(place) = self.ids.place(from) {
            self.post(place, letter.to, letter.message);
        }
    }

    /// Runs for `time` with these faults, then without any.
    pub fn run_with(&mut self, faults: Faults, time: Duration) {
        self.set_faults(faults);
        self.run_for(time);
        self.set_faults(Faults::NONE);
    }

    pub(super) fn crash_place(&mut self, place: u32, crash: Crash) -> bool {
        let torn = self.config.torn_records;
        let Some(node) = self.nodes.get_mut(place as usize) else { return false };
        if node.machine.is_none() {
            return false;
        }
        let disk = &mut node.cold().disk;
        if crash.keep_disk {
            disk.crash(torn, &mut self.dice);
        } else {
            disk.erase();
        }
        self.stop(place, crash.notice);
        self.stats.crashes += 1;
        self.record(Kind::Crash, place, NO_NODE, None);
        true
    }

    fn stop(&mut self, place: u32, notice: Notice) {
        let Some(node) = self.node_mut(place) else { return };
        node.machine = None;
        node.life += 1;
        node.timers.clear();
        node.arrivals = Vec::new();
        let cold = node.cold();
        cold.notice = notice;
        cold.held.clear();
        self.drop_links(place, notice);
    }

    fn set(&self, nodes: &[NodeId]) -> Set {
        nodes.iter().filter_map(|node| self.ids.place(*node)).collect()
    }
}
