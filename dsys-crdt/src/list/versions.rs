//! A list at other versions than the present one.
#![allow(clippy::indexing_slicing)] // Events are below the length of the history.

use super::{Element, List, ListEdit};
use crate::agent::{Agent, VersionVector};
use crate::encoding;
use crate::versions::{VersionError, members};

impl<T: Element> List<T> {
    /// A list of its own at an older version, as [`Text::branch`](crate::Text::branch).
    ///
    /// # Errors
    /// As [`Text::branch`](crate::Text::branch).
    pub fn branch(&self, version: &VersionVector, agent: Agent) -> Result<List<T>, VersionError> {
        members(&self.history, version)?;
        let mut list = List::new(agent);
        list.set_limits(self.limits());
        list.apply(&encoding::until(&self.history, version))?;
        Ok(list)
    }

    /// The edits that make the list of one version out of that of another, whichever is older, or neither: in ascending
    /// order, each where nothing but the ones before it has changed. It looks at every element.
    ///
    /// # Errors
    /// If one of the versions is not known here.
    pub fn diff(&self, from: &VersionVector, to: &VersionVector) -> Result<Vec<ListEdit<T>>, VersionError> {
        let (from, to) = (self.shown_at(from)?, self.shown_at(to)?);
        let (mut edits, mut at, mut open) = (Vec::<ListEdit<T>>::new(), 0, false);
        // The slots stand in one order at all versions.
        for each in self.sequence.characters() {
            for slot in each.event..each.event + each.len {
                let (before, after) = (from[slot as usize], to[slot as usize]);
                if before != after {
                    if !open {
                        edits.push(ListEdit { at, deleted: 0, inserted: Vec::new() });
                    }
                    if let Some(edit) = edits.last_mut() {
                        edit.deleted += usize::from(before.is_some());
                        let value = after.and_then(|by| self.item(by)?.value());
                        edit.inserted.extend(value.cloned());
                    }
                }
                open = before != after || open && after.is_none();
                at += usize::from(after.is_some());
            }
        }
        Ok(edits)
    }

    /// By event: if it inserted a slot that is shown at a version, the event that gave the element there its value.
    fn shown_at(&self, version: &VersionVector) -> Result<Vec<Option<u32>>, VersionError> {
        let then = self.branch(version, Agent::reader())?;
        let mut shown = vec![None; self.history.len() as usize];
        for each in then.sequence.characters().into_iter().filter(|each| !each.deleted) {
            for slot in each.event..each.event + each.len {
                let here = |event| self.find(&then.name(event));
                if let Some(at) = here(slot) {
                    shown[at as usize] = here(then.valued_by(then.element_in(slot)));
                }
            }
        }
        Ok(shown)
    }
}
