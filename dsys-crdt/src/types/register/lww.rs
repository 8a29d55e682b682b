//! The register that the last writer wins.

use crate::Agent;
use crate::types::{Full, Merge, Replicated};

/// When a value was written: a clock's reading, and who wrote, for equal readings. It is above every stamp that the writer
/// had seen (a hybrid logical clock's reading: Kulkarni et al. 2014).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp {
    /// The reading, in a unit that all replicas share; milliseconds since 1970, say.
    pub time: u64,
    /// Who wrote.
    pub agent: Agent,
}

impl Stamp {
    /// A stamp for `agent` at `now` that is above `last`.
    ///
    /// # Errors
    /// If `last` stands at the end of time.
    pub fn after(last: Option<&Stamp>, now: u64, agent: &Agent) -> Result<Stamp, Full> {
        let least = last.map_or(Some(0), |last| last.time.checked_add(1)).ok_or(Full)?;
        Ok(Stamp { time: now.max(least), agent: agent.clone() })
    }

    /// Refuses a stamp that is more than `ahead` before the clock here.
    ///
    /// # Errors
    /// Then.
    pub fn check(&self, now: u64, ahead: u64) -> Result<(), FarFuture> {
        let by = self.time.saturating_sub(now);
        if by > ahead { Err(FarFuture { by }) } else { Ok(()) }
    }
}

/// A stamp lies too far in the future: its writer's clock is wrong, or it wants to win for ever. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the writer's clock is {by} ahead of the one here: refuse the change, and check both clocks")]
pub struct FarFuture {
    /// How far, in the unit of the stamps.
    pub by: u64,
}

/// A register that keeps the value written last, by the writers' clocks (INRIA 7506, §3.2.1). A concurrent write is lost;
/// [`MvRegister`](crate::types::MvRegister) keeps them all.
///
/// A state and an operation are the same here: a value with its stamp. What comes from others should be
/// [checked](LwwRegister::check) before it is merged, or one wrong clock rules the register until all others have caught up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LwwRegister<V>(
    // Two values under one stamp are a liar's; the greater one wins, everywhere.
    Option<(Stamp, V)>,
);

impl<V> Default for LwwRegister<V> {
    fn default() -> Self {
        LwwRegister(None)
    }
}

impl<V: Ord + Clone> LwwRegister<V> {
    /// Writes a value as `agent`, at `now` by its clock, or just after the last write if that lies ahead.
    ///
    /// # Errors
    /// If the last write stands at the end of time.
    pub fn set(&mut self, agent: &Agent, now: u64, value: V) -> Result<Self, Full> {
        let stamp = Stamp::after(self.stamp(), now, agent)?;
        self.0 = Some((stamp, value));
        Ok(self.clone())
    }

    /// The value, if one was ever written.
    pub fn get(&self) -> Option<&V> {
        self.0.as_ref().map(|(_, value)| value)
    }

    /// When it was written.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.0.as_ref().map(|(stamp, _)| stamp)
    }

    /// Whether this state, or operation, may be merged where the clock says `now`.
    ///
    /// # Errors
    /// If it was written more than `ahead` in the future.
    pub fn check(&self, now: u64, ahead: u64) -> Result<(), FarFuture> {
        self.stamp().map_or(Ok(()), |stamp| stamp.check(now, ahead))
    }
}

impl<V: Ord + Clone> Merge for LwwRegister<V> {
    fn merge(&mut self, other: &Self) {
        if other.0 > self.0 {
            self.0.clone_from(&other.0);
        }
    }
}

impl<V: Ord + Clone> Replicated for LwwRegister<V> {
    type Op = Self;

    fn apply(&mut self, op: &Self) {
        self.merge(op);
    }

    fn delta(op: &Self) -> Self {
        op.clone()
    }
}
