//! Who is there.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::MetaError;
use super::hub::Hub;
use crate::links::{Command, MemberInfo};
use crate::membership::full::{Meta, size};

/// The nodes that [SWIM](crate::links::Detection::Swim) knows, with what each says of itself.
pub struct Members {
    hub: Arc<Hub>,
    changes: watch::Receiver<u64>,
}

impl Members {
    pub(super) fn new(hub: &Arc<Hub>) -> Self {
        Members { hub: hub.clone(), changes: hub.changes.clone() }
    }

    /// All others that were ever there since we started, in order, those that are down included.
    pub fn all(&mut self) -> Vec<MemberInfo> {
        self.changes.mark_unchanged();
        self.hub.state().members.values().cloned().collect()
    }

    /// Waits until something has changed since [`all`](Self::all) was called last. `false` if the node has shut down.
    /// Cancel safety: safe.
    pub async fn changed(&mut self) -> bool {
        self.changes.changed().await.is_ok()
    }

    /// Tells the others this of us: a small map of texts. It replaces what was told before, under a higher version.
    ///
    /// # Errors
    /// [`MetaError`]; nothing was told.
    ///
    /// # Cancel safety
    /// Safe: nothing was told.
    pub async fn tell(&self, meta: Meta) -> Result<(), MetaError> {
        let (_, most) = self.hub.limits.swim.ok_or(MetaError::NoMembers)?;
        let size = size(&meta);
        if size > most {
            return Err(MetaError::TooLarge { size, most });
        }
        self.hub.tell_links(Command::Meta(meta)).await.ok_or(MetaError::Ended)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}
