//! Lists, and lists and trees of structs.

use super::{Crdt, ListView, Plain, RecordsView, TreeView};
use crate::doc::{DocError, Value};

/// What is done to the elements of a list, whatever they are.
macro_rules! listing {
    ($($view:ident: $bound:ident),*) => {
        $(impl<T: $bound> $view<'_, T> {
            /// How many there are.
            pub fn len(&self) -> usize {
                self.place.editor.borrow().count(&self.place.pointer)
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Takes one out.
            ///
            /// # Errors
            /// As [`Edit::remove`](crate::doc::Edit::remove).
            pub fn remove(&mut self, index: usize) -> Result<(), DocError> {
                self.place.child(&index.to_string()).edit(|edits, pointer| edits.remove(pointer))
            }

            /// Moves one; `to` is its index afterwards.
            ///
            /// # Errors
            /// As [`Edit::move_to`](crate::doc::Edit::move_to).
            pub fn move_to(&mut self, index: usize, to: usize) -> Result<(), DocError> {
                self.place.child(&index.to_string()).edit(|edits, pointer| edits.move_to(pointer, to))
            }
        })*
    };
}
listing!(ListView: Plain, RecordsView: Crdt);

impl<T: Plain> ListView<'_, T> {
    /// Puts an element behind the last.
    ///
    /// # Errors
    /// As [`Edit::insert`](crate::doc::Edit::insert).
    pub fn push(&mut self, value: impl Into<T>) -> Result<(), DocError> {
        self.place.child("-").edit(|edits, pointer| edits.insert(pointer, value.into().into_value()))
    }

    /// Puts an element before the one at `index`.
    ///
    /// # Errors
    /// As [`Edit::insert`](crate::doc::Edit::insert).
    pub fn insert(&mut self, index: usize, value: impl Into<T>) -> Result<(), DocError> {
        let place = self.place.child(&index.to_string());
        place.edit(|edits, pointer| edits.insert(pointer, value.into().into_value()))
    }

    /// Puts another value in place of the one at `index`. It stays the same element, wherever somebody else moves it meanwhile.
    ///
    /// # Errors
    /// As [`Edit::set`](crate::doc::Edit::set).
    pub fn set(&mut self, index: usize, value: impl Into<T>) -> Result<(), DocError> {
        let place = self.place.child(&index.to_string());
        place.edit(|edits, pointer| edits.set(pointer, value.into().into_value()))
    }

    /// The one at `index`; none if it is not there.
    pub fn at(&self, index: usize) -> Option<T> {
        self.place.child(&index.to_string()).get().and_then(T::of_value)
    }

    /// All of them.
    pub fn get(&self) -> Vec<T> {
        match self.place.get() {
            Some(Value::List(values)) => values.into_iter().filter_map(T::of_value).collect(),
            _ => Vec::new(),
        }
    }
}

impl<T: Crdt> RecordsView<'_, T> {
    /// Puts one behind the last, and fills it in.
    ///
    /// # Errors
    /// As [`Edit::insert`](crate::doc::Edit::insert), and those of `fill`.
    pub fn push(
        &mut self,
        fill: impl for<'b> FnOnce(&mut T::View<'b>) -> Result<(), DocError>,
    ) -> Result<(), DocError> {
        self.insert(self.len(), fill)
    }

    /// Puts one before that at `index`, and fills it in.
    ///
    /// # Errors
    /// As [`RecordsView::push`].
    pub fn insert(
        &mut self,
        index: usize,
        fill: impl for<'b> FnOnce(&mut T::View<'b>) -> Result<(), DocError>,
    ) -> Result<(), DocError> {
        let place = self.place.child(&index.to_string());
        place.edit(|edits, pointer| edits.insert(pointer, Value::Map(Default::default())))?;
        T::begin(&place)?;
        fill(&mut T::view(place))
    }

    /// Looks at one, or edits it; none if it is not there.
    pub fn at<R>(&mut self, index: usize, act: impl for<'b> FnOnce(&mut T::View<'b>) -> R) -> Option<R> {
        (index < self.len()).then(|| act(&mut T::view(self.place.child(&index.to_string()))))
    }
}

impl<T: Crdt> TreeView<'_, T> {
    /// The names of the nodes right below one, or at the root, in their order.
    pub fn children(&self, node: Option<&str>) -> Vec<String> {
        self.place.editor.borrow().children(&self.place.pointer, node)
    }

    /// Makes a node below another, or at the root, behind `at` others or behind all, and fills it in. Gives its name.
    ///
    /// # Errors
    /// As [`Edit::create_node`](crate::doc::Edit::create_node), and those of `fill`.
    pub fn create(
        &mut self,
        parent: Option<&str>,
        at: Option<usize>,
        fill: impl for<'b> FnOnce(&mut T::View<'b>) -> Result<(), DocError>,
    ) -> Result<String, DocError> {
        let name = self.place.edit(|edits, pointer| edits.create_node(pointer, parent, at))?;
        let place = self.place.child(&name);
        T::begin(&place)?;
        fill(&mut T::view(place))?;
        Ok(name)
    }

    /// Looks at a node, or edits it; none if it is not there.
    pub fn node<R>(&mut self, name: &str, act: impl for<'b> FnOnce(&mut T::View<'b>) -> R) -> Option<R> {
        let place = self.place.child(name);
        place.get()?;
        Some(act(&mut T::view(place)))
    }

    /// Moves a node, with all below it: as [`Edit::move_node`](crate::doc::Edit::move_node).
    ///
    /// # Errors
    /// As there.
    pub fn move_to(&mut self, node: &str, parent: Option<&str>, at: Option<usize>) -> Result<(), DocError> {
        self.place.edit(|edits, pointer| edits.move_node(pointer, node, parent, at))
    }

    /// Removes a node, with all below it. Who moves one of them out of there at the same time keeps that.
    ///
    /// # Errors
    /// As [`Edit::remove`](crate::doc::Edit::remove).
    pub fn remove(&mut self, node: &str) -> Result<(), DocError> {
        self.place.child(node).edit(|edits, pointer| edits.remove(pointer))
    }
}
