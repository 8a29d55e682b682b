//! Causal delivery of operations.

use std::collections::BTreeMap;

use super::{Dot, Full};
use crate::Agent;

/// Puts operations into causal order, each once: causal broadcast's receiving half (Birman, Schiper, Stephenson, "Lightweight
/// Causal and Atomic Group Multicast", 1991, §5.1). One per replica and object. It sends nothing itself: what was lost must
/// be sent again, for which [`Delivery::delivered`] says what is there.
#[derive(Clone, Debug)]
pub struct Delivery<O> {
    config: DeliveryConfig,
    delivered: BTreeMap<Agent, u64>,
    waiting: BTreeMap<Dot, Envelope<O>>,
}

/// The bounds of a [`Delivery`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryConfig {
    /// So many operations wait for others at most. At first 1,024.
    pub max_waiting: usize,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        DeliveryConfig { max_waiting: 1_024 }
    }
}

/// An operation as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Envelope<O> {
    /// Its name.
    pub dot: Dot,
    /// How many operations of each agent its author knew.
    pub after: BTreeMap<Agent, u64>,
    /// The operation.
    pub op: O,
}

/// Why an operation was not kept. Nothing was changed; it may come again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// Too many wait for operations that are missing.
    #[error("too many operations wait for missing ones: ask peers for all since the version here")]
    Waiting,
    /// It claims to follow itself, so that it could never be delivered.
    #[error("the operation claims to follow itself: its author is at fault")]
    Cyclic,
}

impl<O> Default for Delivery<O> {
    fn default() -> Self {
        Delivery::new(DeliveryConfig::default())
    }
}

impl<O> Delivery<O> {
    /// One that has delivered nothing.
    pub fn new(config: DeliveryConfig) -> Self {
        Delivery { config, delivered: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    /// Wraps an operation that `agent` has just made and applied here.
    ///
    /// # Errors
    /// If the agent has used up its numbers.
    pub fn send(&mut self, agent: &Agent, op: O) -> Result<Envelope<O>, Full> {
        let after = self.delivered.clone();
        let seq = self.count(agent);
        self.delivered.insert(agent.clone(), seq.checked_add(1).ok_or(Full)?);
        Ok(Envelope { dot: Dot::new(agent.clone(), seq), after, op })
    }

    /// Takes an operation; gives those that are now due, in order. Known ones are dropped.
    ///
    /// # Errors
    /// If it has to wait and too many do, or could only wait for ever.
    pub fn receive(&mut self, envelope: Envelope<O>) -> Result<Vec<Envelope<O>>, NotTaken> {
        let Dot { agent, seq } = &envelope.dot;
        if envelope.after.get(agent).is_some_and(|after| after > seq) || *seq == u64::MAX {
            return Err(NotTaken::Cyclic);
        }
        if *seq < self.count(agent) || self.waiting.contains_key(&envelope.dot) {
            return Ok(Vec::new());
        }
        if !self.is_due(&envelope) {
            if self.waiting.len() >= self.config.max_waiting {
                return Err(NotTaken::Waiting);
            }
            self.waiting.insert(envelope.dot.clone(), envelope);
            return Ok(Vec::new());
        }
        let mut due = Vec::new();
        let mut next = Some(envelope);
        while let Some(envelope) = next {
            let Dot { agent, seq } = envelope.dot.clone();
            self.delivered.insert(agent, seq + 1);
            due.push(envelope);
            let found = self.waiting.values().find(|waiting| self.is_due(waiting));
            let found = found.map(|waiting| waiting.dot.clone());
            next = found.and_then(|dot| self.waiting.remove(&dot));
        }
        Ok(due)
    }

    /// How many operations of each agent were delivered.
    pub fn delivered(&self) -> &BTreeMap<Agent, u64> {
        &self.delivered
    }

    /// How many operations wait for others.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn count(&self, agent: &Agent) -> u64 {
        self.delivered.get(agent).copied().unwrap_or(0)
    }

    fn is_due(&self, envelope: &Envelope<O>) -> bool {
        self.count(&envelope.dot.agent) == envelope.dot.seq
            && envelope.after.iter().all(|(agent, &count)| self.count(agent) >= count)
    }
}
