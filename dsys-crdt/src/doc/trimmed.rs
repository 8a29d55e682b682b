//! Cutting a document's history, and looking at what it was.

use std::collections::BTreeSet;

use super::Doc;
use super::container::Id;
use super::saved::SnapshotError;
use super::state::State;
use super::value::Value;
use crate::change::{ChangeId, Policy};

impl<P: Policy> Doc<P> {
    /// Cuts the changes that `version` ([`Doc::heads`] at some time, here or elsewhere) follows or is: from the first on, up to
    /// one that came before all of that version had. What they have made of the document stays, with all that later changes
    /// may refer to; what they said and their signatures go. Gives how many have been cut by now. All is to be kept anew then,
    /// by [`Doc::snapshot`] from 0.
    ///
    /// The document stays open, can be edited, and takes in whatever it did before, also from those who have not seen what was
    /// cut, with two exceptions ([`Refused::Trimmed`]): that somebody has forked there, and a revocation after which
    /// some of it would not count. So cut what everybody has had for a while. It can give what is left to all who have what was
    /// cut; who has not ([`Log::is_cut_for`]) needs somebody else, or the snapshot as it is, from somebody whom it believes:
    /// nothing in it is signed any more. With the history one can check it: [`Doc::value_at`] the [`Doc::cut`].
    ///
    /// [`Refused::Trimmed`]: crate::change::Refused::Trimmed
    /// [`Log::is_cut_for`]: crate::change::Log::is_cut_for
    ///
    /// # Errors
    /// If a text that was opened from a damaged snapshot cannot be read. Nothing is cut then.
    pub fn trim(&mut self, version: &[ChangeId]) -> Result<usize, SnapshotError> {
        let (cut, before) = (self.log.prefix_of(version), self.log.trimmed());
        if cut as usize > before {
            let base = self.built_of(|number| number < cut).to_base()?;
            self.log.trim(cut, base.into());
        }
        Ok(self.log.trimmed())
    }

    /// The version that was cut: [`Log::cut`](crate::change::Log::cut).
    pub fn cut(&self) -> Vec<ChangeId> {
        self.log.cut()
    }

    /// The content at an older version: of the changes that count here, those that `version` follows or is. None if one of them
    /// is not here, or the version lacks what was cut.
    pub fn value_at(&self, version: &[ChangeId]) -> Option<Value> {
        let known = version.iter().all(|id| self.log.number(id).is_some());
        if !known || self.log.is_cut_for(version) {
            return None;
        }
        let lacking: BTreeSet<u32> = self.log.lacking(version).into_iter().collect();
        Some(self.built_of(|number| !lacking.contains(&number)).contents(&Id::Root))
    }

    /// What was built of the changes that were cut.
    pub(super) fn begin(&self) -> State {
        // Its checksum was right when it was opened.
        self.log.base().and_then(|base| State::of_base(base)).unwrap_or_default()
    }

    /// What some of the changes that count make of the document, together with all that were cut.
    fn built_of(&self, wanted: impl Fn(u32) -> bool) -> State {
        let mut state = self.begin();
        let numbers = self.log.counting_from(self.log.trimmed() as u32);
        let numbers: Vec<u32> = numbers.filter(|number| wanted(*number)).collect();
        state.apply(&self.log, &numbers);
        state
    }
}
