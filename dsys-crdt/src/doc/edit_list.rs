//! Editing lists: what is done to one here is read off its history.

use super::DocError;
use super::container::{Entry, Id, Kind};
use super::edit::{Edit, split};
use super::list_field::ListField;
use super::op::Item;
use super::state::{State, What};
use super::value::Value;
use crate::types::Stamp;
use crate::{EditError, List};

impl Edit<'_> {
    /// Puts a new element into a list, with all that is in it.
    pub(super) fn insert_element(&mut self, list: &Id, at: usize, value: Value) -> Result<(), DocError> {
        let (length, (item, inner)) = (self.length(list)?, split(value));
        if at > length {
            return Err(EditError::OutOfRange { position: at, length }.into());
        }
        let (stamp, entry) = self.entry(list, item)?;
        self.edit_list(list, |list| Ok(list.insert(at, entry)?))?;
        self.fill_inner(&Id::Made(stamp), inner)
    }

    /// Gives an element another value, with all that is in it.
    pub(super) fn set_element(&mut self, list: &Id, at: usize, value: Value) -> Result<(), DocError> {
        let (length, (item, inner)) = (self.length(list)?, split(value));
        if at >= length {
            return Err(DocError::NotFound);
        }
        let (stamp, entry) = self.entry(list, item)?;
        self.edit_list(list, |list| Ok(list.set(at, entry)?))?;
        self.fill_inner(&Id::Made(stamp), inner)
    }

    /// Does something to a list, and notes what it did as operations.
    pub(super) fn edit_list<R>(
        &mut self,
        id: &Id,
        act: impl FnOnce(&mut List<Entry>) -> Result<R, DocError>,
    ) -> Result<R, DocError> {
        let field = self.state.list_mut(id).ok_or(DocError::WrongKind)?;
        if field.list.agent() != &self.agent {
            field.list.set_agent(self.agent.clone());
        }
        let from = field.list.shown();
        let done = act(&mut field.list);
        // If it fails it may have done a part.
        if field.list.shown() > from {
            self.fields.insert(id.clone());
        }
        let done = done?;
        let (at, new, own) = (self.name(id), self.next(), (self.agent.clone(), self.start));
        let (field, body) = (self.state.list_mut(id).ok_or(DocError::WrongKind)?, &mut self.body);
        let ops = field.ops(from, at, &new, &mut |stamp| body.name(stamp, &own));
        ops.into_iter().for_each(|op| self.note(op, id, What::Edit));
        Ok(done)
    }

    fn length(&self, list: &Id) -> Result<usize, DocError> {
        match self.state.kind(list)? {
            Kind::List(field) => Ok(field.list.len()),
            _ => Err(DocError::WrongKind),
        }
    }

    /// The entry that the next operation brings, with its container if it is one.
    fn entry(&mut self, list: &Id, item: Item) -> Result<(Stamp, Entry), DocError> {
        let stamp = self.next();
        self.make(&stamp, &item, (list.clone(), None))?;
        Ok((stamp.clone(), Entry { stamp, by: self.number, item }))
    }
}

impl State {
    pub(super) fn list_mut(&mut self, id: &Id) -> Option<&mut ListField> {
        match self.containers.get_mut(id).map(|it| &mut it.kind) {
            Some(Kind::List(field)) => Some(field),
            _ => None,
        }
    }

    pub(super) fn lists(&mut self) -> impl Iterator<Item = &mut ListField> {
        self.containers.values_mut().filter_map(|container| match &mut container.kind {
            Kind::List(field) => Some(&mut **field),
            _ => None,
        })
    }
}
