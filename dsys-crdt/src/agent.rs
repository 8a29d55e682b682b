//! Who edits, and how far each has come.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An author of changes: 1 to 64 bytes, unique for every replica that edits.
///
/// Two replicas that edit under one name at the same time would give one identity to two characters, and would never
/// converge. A random number, or the public key of a node with a number for each start, is a good name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent(Arc<[u8]>);

/// A name for an agent that is empty or longer than 64 bytes; nothing was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an agent's name has 1 to 64 bytes, this one has {0}: choose another")]
pub struct AgentError(pub usize);

impl Agent {
    /// The longest name, in bytes.
    pub const MAX: usize = 64;

    /// An agent of that name.
    ///
    /// # Errors
    /// If the name is empty or longer than [`Agent::MAX`].
    pub fn new(name: impl AsRef<[u8]>) -> Result<Agent, AgentError> {
        let name = name.as_ref();
        match name.len() {
            1..=Self::MAX => Ok(Agent(name.into())),
            length => Err(AgentError(length)),
        }
    }

    /// One who does not edit.
    pub(crate) fn reader() -> Agent {
        Agent(Arc::new(*b"reader"))
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// What a replica has: for each agent, how many of its events, which are numbered from 0 without a gap.
///
/// Events arrive in causal order only, so this says exactly which events a replica has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(pub(crate) BTreeMap<Agent, u32>);

impl VersionVector {
    /// How many events of `agent` are there.
    pub fn get(&self, agent: &Agent) -> u32 {
        self.0.get(agent).copied().unwrap_or(0)
    }

    /// The agents of whom there are events, in the order of their names, with the number of their events.
    pub fn iter(&self) -> impl Iterator<Item = (&Agent, u32)> {
        self.0.iter().map(|(agent, &count)| (agent, count))
    }

    /// Whether everything in `other` is here too.
    pub fn includes(&self, other: &VersionVector) -> bool {
        other.iter().all(|(agent, count)| self.get(agent) >= count)
    }
}
