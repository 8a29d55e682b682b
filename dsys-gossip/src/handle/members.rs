//! Who is there.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::MetaError;
use super::hub::{Hub, View};
use super::topic::{Joined, Kind};
use crate::links::{self, MemberInfo};
use crate::membership::full::{Meta, size};
use crate::router;

/// The nodes that SWIM knows, with what each says of itself: of a small topic, or of all whose links are watched by
/// [SWIM](crate::links::Detection::Swim).
pub struct Members {
    whose: Whose,
}

enum Whose {
    Node(Arc<Hub>, watch::Receiver<u64>),
    Topic(Arc<Joined>, watch::Receiver<View>, u64),
}

impl Members {
    pub(super) fn of_node(hub: &Arc<Hub>) -> Self {
        Members { whose: Whose::Node(hub.clone(), hub.changes.clone()) }
    }

    pub(super) fn of_topic(joined: &Arc<Joined>) -> Self {
        Members { whose: Whose::Topic(joined.clone(), joined.view.clone(), 0) }
    }

    /// All others that were ever there since we started, in order, those that are down included.
    pub fn all(&mut self) -> Vec<MemberInfo> {
        match &mut self.whose {
            Whose::Node(hub, changes) => {
                changes.mark_unchanged();
                hub.state().members.values().cloned().collect()
            }
            Whose::Topic(_, view, seen) => {
                let view = view.borrow();
                *seen = view.changes;
                view.members.values().cloned().collect()
            }
        }
    }

    /// Waits until something has changed since [`all`](Self::all) was called last. `false` if the node has shut down.
    /// Cancel safety: safe.
    pub async fn changed(&mut self) -> bool {
        match &mut self.whose {
            Whose::Node(_, changes) => changes.changed().await.is_ok(),
            Whose::Topic(_, view, seen) => {
                let seen = *seen;
                view.wait_for(|view| view.changes != seen).await.is_ok()
            }
        }
    }

    /// Tells the others this of us: a small map of texts. It replaces what was told before, under a higher version.
    ///
    /// # Errors
    /// [`MetaError`]; nothing was told.
    ///
    /// # Cancel safety
    /// Safe: nothing was told.
    pub async fn tell(&self, meta: Meta) -> Result<(), MetaError> {
        let most = match &self.whose {
            Whose::Node(hub, _) => hub.limits.swim.map(|(_, most)| most),
            Whose::Topic(joined, ..) => (joined.kind == Kind::Full).then_some(joined.hub.limits.full.1),
        };
        let (most, size) = (most.ok_or(MetaError::NoMembers)?, size(&meta));
        if size > most {
            return Err(MetaError::TooLarge { size, most });
        }
        let told = match &self.whose {
            Whose::Node(hub, _) => hub.tell_links(links::Command::Meta(meta)).await,
            Whose::Topic(joined, ..) => {
                let topic = joined.name.clone();
                joined.hub.tell(router::Command::Meta { topic, meta }).await
            }
        };
        told.ok_or(MetaError::Ended)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}
