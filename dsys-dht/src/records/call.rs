//! Questions about records on their way.

use std::collections::BTreeMap;

use dsys_core::NodeId;

use super::machine::OpId;
use super::message::Offered;
use super::record::RecordId;
use crate::Key;

/// One question on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) peer: NodeId,
    pub(super) op: OpId,
    pub(super) about: About,
    /// Whether it has a timer of its own.
    pub(super) timed: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// Of a node that so many led to, itself included.
    Get {
        hop: u32,
    },
    Store,
    /// A copy of one of many.
    Sweep(RecordId),
    /// One of many.
    Bulk(Key),
    /// A better version or a copy, of which nobody waits to hear.
    Improve,
    Offer(Vec<Offered>),
    HandOver(RecordId),
    /// To be offered what we should keep. The offers come by themselves.
    Pull,
}

/// The questions on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<u32, Call>,
    next: u32,
}

impl Calls {
    pub(super) fn open(&mut self, call: Call) -> u32 {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, call);
        number
    }

    /// Takes out the question that this answers. Only who was asked can answer.
    pub(super) fn answered(&mut self, number: u32, from: NodeId) -> Option<Call> {
        self.open.get(&number).filter(|call| call.peer == from)?;
        self.open.remove(&number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Call> {
        self.open.remove(&number)
    }

    /// Takes out all of which this is true.
    pub(super) fn take(&mut self, is: impl Fn(&Call) -> bool) -> Vec<(u32, Call)> {
        let numbers: Vec<u32> =
            self.open.iter().filter(|(_, call)| is(call)).map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| Some((number, self.open.remove(&number)?))).collect()
    }

    /// Takes out those of this operation; says which have timers.
    pub(super) fn end(&mut self, op: OpId) -> Vec<(u32, bool)> {
        self.take(|call| call.op == op).into_iter().map(|(number, call)| (number, call.timed)).collect()
    }

    pub(super) fn any(&self, op: OpId) -> bool {
        self.open.values().any(|call| call.op == op)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
