//! What can be seen from outside.

use dsys_core::{Machine, NodeId, Time};

use super::{Emitted, Network};
use crate::event::NO_NODE;
use crate::trace::{Kind, Record};
use crate::{Counters, Stats};

impl<M: Machine<Message: Clone>> Network<M> {
    /// The machine of a node; `None` if it is down or unknown.
    pub fn machine(&self, node: NodeId) -> Option<&M> {
        self.node(self.ids.place(node)?)?.machine.as_ref()
    }

    /// All names ever added, in the order of their adding.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        (0..self.nodes.len() as u32).map(|place| self.ids.name(place))
    }

    /// The machines that are up, in the order of their adding.
    pub fn machines(&self) -> impl Iterator<Item = (NodeId, &M)> + '_ {
        self.ids().zip(&self.nodes).filter_map(|(id, node)| Some((id, node.machine.as_ref()?)))
    }

    /// Traffic of a node, over all its lives; zeros if it is unknown.
    pub fn counters(&self, node: NodeId) -> Counters {
        let place = self.ids.place(node);
        place.and_then(|place| self.node(place)).map(|node| node.counters).unwrap_or_default()
    }

    /// What the simulation has done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Messages, timers and plans on their way.
    pub fn queued(&self) -> usize {
        self.wheel.len()
    }

    /// The events emitted and not yet taken, in order. Empty if there is an observer.
    pub fn events(&self) -> &[Emitted<M::Event>] {
        &self.kept
    }

    /// Takes the events emitted since the last call. Empty if there is an observer.
    pub fn take_events(&mut self) -> Vec<Emitted<M::Event>> {
        std::mem::take(&mut self.kept)
    }

    /// From now on `observer` gets each emitted event, and none is kept.
    pub fn set_observer(&mut self, observer: impl FnMut(Time, NodeId, &M::Event) + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// From now on `sink` gets a record of everything that happens; see [`trace`](crate::trace).
    pub fn set_trace(&mut self, sink: impl FnMut(&Record<'_>) + 'static) {
        self.trace = Some(Box::new(sink));
    }

    /// A hash of everything that happened so far, in order: times, kinds, nodes, peers, sizes, and, after
    /// [`set_digest`](Self::set_digest), contents. The same for the same program and seed, in debug and release.
    /// Constant if `Config::hash_trace` is off.
    pub fn trace_hash(&self) -> u64 {
        self.hash.get()
    }

    #[inline]
    pub(super) fn record(&mut self, kind: Kind, node: u32, peer: u32, bytes: Option<u64>) {
        self.record_weighed(kind, node, peer, bytes, bytes.unwrap_or(0));
    }

    #[inline]
    pub(super) fn record_weighed(
        &mut self,
        kind: Kind,
        node: u32,
        peer: u32,
        bytes: Option<u64>,
        weight: u64,
    ) {
        if self.config.hash_trace {
            self.hash.add(self.now, kind, node, peer, weight);
        }
        if self.trace.is_some() {
            self.show(kind, node, peer, bytes);
        }
    }

    #[cold]
    fn show(&mut self, kind: Kind, node: u32, peer: u32, bytes: Option<u64>) {
        let peer = (peer != NO_NODE && peer != node).then(|| self.ids.name(peer));
        let (t, node) = (Time::from_nanos(self.now), self.ids.name(node));
        if let Some(sink) = &mut self.trace {
            sink(&Record { t, node, kind, peer, bytes, detail: None });
        }
    }
}
