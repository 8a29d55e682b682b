//! Documents with a type: a struct's fields, each a data type (feature `derive` for the derive).
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use dsys_crdt::repo::{Doc, Repo};
//! use dsys_crdt::schema::{Counter, Crdt, Register, Set, Text};
//!
//! #[derive(Crdt)]
//! struct Note {
//!     title: Register<String>,
//!     body: Text,
//!     tags: Set<String>,
//!     votes: Counter,
//! }
//!
//! let repo = Repo::memory()?;
//! let doc: Doc<Note> = repo.create("shopping")?;
//! doc.change(|n| {
//!     n.title.set("Saturday")?;
//!     n.body.insert(0, "milk\n")?;
//!     n.tags.insert("food")?;
//!     n.votes.increment(1)
//! })?;
//! assert_eq!(doc.look(|n| (n.title.get(), n.body.get(), n.votes.value()))?, (Some("Saturday".into()), "milk\n".into(), 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The document is the same as one without a type ([`Doc::cast`](crate::repo::Doc::cast)): a struct is a map of its fields'
//! names. Whoever makes a document puts its texts, sets, counters and lists into it with its first change; until that has
//! come, others cannot change it ([`DocError::NotBegun`]). A field that a later version of the struct adds is begun by
//! whoever changes the document first: let that have reached all before two who are apart both use it, for of two beginnings
//! one stays hidden.

mod nested;
mod typing;

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

#[cfg(feature = "derive")]
pub use dsys_crdt_derive::Crdt;

use crate::Expand;
use crate::blob::Blob;
use crate::doc::{DocError, Edit, Value};

/// A struct that is a document's type. Derived.
pub trait Crdt: Field {}

/// A type that a document's field can have.
pub trait Field {
    /// What one reads and edits it by, within a change.
    type View<'a>: fmt::Debug;

    /// The view of what stands, or is to stand, at a place.
    fn view(place: Place<'_>) -> Self::View<'_>;

    /// Makes what has to be there before it can be edited, if it is not there.
    ///
    /// # Errors
    /// As those of an edit.
    fn begin(place: &Place<'_>) -> Result<(), DocError>;
}

/// A place in a document that is being edited, or looked at.
#[derive(Clone)]
pub struct Place<'a> {
    editor: &'a RefCell<&'a mut (dyn Editor + 'a)>,
    pointer: String,
}

/// What views do to a document.
pub(crate) trait Editor {
    fn get(&self, pointer: &str) -> Option<Value>;
    fn count(&self, pointer: &str) -> usize;
    fn children(&self, tree: &str, node: Option<&str>) -> Vec<String>;
    fn edit(&mut self) -> Result<&mut dyn Edits, DocError>;
}

/// The edits of a change.
pub(crate) trait Edits {
    fn set(&mut self, pointer: &str, value: Value) -> Result<(), DocError>;
    fn insert(&mut self, pointer: &str, value: Value) -> Result<(), DocError>;
    fn remove(&mut self, pointer: &str) -> Result<(), DocError>;
    fn move_to(&mut self, pointer: &str, to: usize) -> Result<(), DocError>;
    fn create_node(
        &mut self,
        tree: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<String, DocError>;
    fn move_node(
        &mut self,
        tree: &str,
        node: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<(), DocError>;
    fn splice(&mut self, pointer: &str, range: Range<usize>, text: &str) -> Result<(), DocError>;
    fn mark(
        &mut self,
        pointer: &str,
        range: Range<usize>,
        mark: (&str, Option<&str>, Expand),
    ) -> Result<(), DocError>;
    fn add(&mut self, pointer: &str, by: i64) -> Result<(), DocError>;
}

impl Edits for Edit<'_> {
    fn set(&mut self, pointer: &str, value: Value) -> Result<(), DocError> {
        Edit::set(self, pointer, value)
    }

    fn insert(&mut self, pointer: &str, value: Value) -> Result<(), DocError> {
        Edit::insert(self, pointer, value)
    }

    fn remove(&mut self, pointer: &str) -> Result<(), DocError> {
        Edit::remove(self, pointer)
    }

    fn move_to(&mut self, pointer: &str, to: usize) -> Result<(), DocError> {
        Edit::move_to(self, pointer, to)
    }

    fn create_node(
        &mut self,
        tree: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<String, DocError> {
        Edit::create_node(self, tree, parent, at)
    }

    fn move_node(
        &mut self,
        tree: &str,
        node: &str,
        parent: Option<&str>,
        at: Option<usize>,
    ) -> Result<(), DocError> {
        Edit::move_node(self, tree, node, parent, at)
    }

    fn splice(&mut self, pointer: &str, range: Range<usize>, text: &str) -> Result<(), DocError> {
        self.replace_text(pointer, range, text)
    }

    fn mark(
        &mut self,
        pointer: &str,
        range: Range<usize>,
        (key, value, expand): (&str, Option<&str>, Expand),
    ) -> Result<(), DocError> {
        match value {
            Some(value) => Edit::mark(self, pointer, range, key, value, expand),
            None => self.unmark(pointer, range, key, expand),
        }
    }

    fn add(&mut self, pointer: &str, by: i64) -> Result<(), DocError> {
        Edit::add(self, pointer, by)
    }
}

impl Editor for Edit<'_> {
    fn get(&self, pointer: &str) -> Option<Value> {
        Edit::get(self, pointer)
    }

    fn count(&self, pointer: &str) -> usize {
        Edit::count(self, pointer).unwrap_or(0)
    }

    fn children(&self, tree: &str, node: Option<&str>) -> Vec<String> {
        Edit::children(self, tree, node).unwrap_or_default()
    }

    fn edit(&mut self) -> Result<&mut dyn Edits, DocError> {
        Ok(self)
    }
}

/// A document that is looked at only.
pub(crate) struct Looking<'a, P>(pub(crate) &'a crate::doc::Doc<P>);

impl<P: crate::change::Policy> Editor for Looking<'_, P> {
    fn get(&self, pointer: &str) -> Option<Value> {
        self.0.get(pointer)
    }

    fn count(&self, pointer: &str) -> usize {
        self.0.count(pointer).unwrap_or(0)
    }

    fn children(&self, tree: &str, node: Option<&str>) -> Vec<String> {
        self.0.children(tree, node).unwrap_or_default()
    }

    fn edit(&mut self) -> Result<&mut dyn Edits, DocError> {
        Err(DocError::ReadOnly)
    }
}

/// Gives a closure the view of a whole document.
pub(crate) fn view_of<T: Crdt, R>(
    editor: &mut dyn Editor,
    begin: bool,
    act: impl for<'a> FnOnce(&mut T::View<'a>) -> R,
) -> Result<R, DocError> {
    let editor: RefCell<&mut dyn Editor> = RefCell::new(&mut *editor);
    let place = Place { editor: &editor, pointer: String::new() };
    if begin {
        T::begin(&place)?;
    }
    Ok(act(&mut T::view(place)))
}

impl Place<'_> {
    /// The place of that name in the map here.
    pub fn child(&self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Place { editor: self.editor, pointer: format!("{}/{key}", self.pointer) }
    }

    /// Makes a map here, if there is nothing.
    ///
    /// # Errors
    /// As those of an edit.
    pub fn begin_map(&self) -> Result<(), DocError> {
        self.begin(Value::Map(Default::default()))
    }

    fn begin(&self, value: Value) -> Result<(), DocError> {
        if self.pointer.is_empty() || self.get().is_some() {
            return Ok(());
        }
        self.edit(|edits, pointer| edits.set(pointer, value))
    }

    fn get(&self) -> Option<Value> {
        self.editor.borrow().get(&self.pointer)
    }

    fn edit<R>(&self, act: impl FnOnce(&mut dyn Edits, &str) -> Result<R, DocError>) -> Result<R, DocError> {
        act(self.editor.borrow_mut().edit()?, &self.pointer)
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.pointer).finish()
    }
}

/// What stands in a register or a list, or names an element of a set or an entry of a map.
pub trait Plain: Sized {
    /// As a document has it.
    fn into_value(self) -> Value;
    /// None if the document has something of another type there, which another version of the program may have put.
    fn of_value(value: Value) -> Option<Self>;
}

macro_rules! plain {
    ($($type:ty: $variant:ident),*) => {
        $(impl Plain for $type {
            fn into_value(self) -> Value {
                Value::$variant(self.into())
            }

            fn of_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => value.try_into().ok(),
                    _ => None,
                }
            }
        })*
    };
}
plain!(bool: Bool, i64: Int, i32: Int, u32: Int, f64: Float, String: String, Vec<u8>: Bytes, Blob: Blob);

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident $(<$item:ident>)? => $view:ident, $begin:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $name $(<$item>)? { $(of: PhantomData<fn() -> $item>)? }

            impl $(<$item>)? fmt::Debug for $name $(<$item>)? {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(stringify!($name))
                }
            }

            impl $(<$item: 'static>)? Field for $name $(<$item>)? {
                type View<'a> = $view<'a $(, $item)?>;

                fn view(place: Place<'_>) -> Self::View<'_> {
                    $view { place, $(of: PhantomData::<fn() -> $item>)? }
                }

                fn begin(place: &Place<'_>) -> Result<(), DocError> {
                    let value: Option<Value> = $begin;
                    value.map_or(Ok(()), |value| place.begin(value))
                }
            }

            #[doc = concat!("A [`", stringify!($name), "`] within a change.")]
            pub struct $view<'a $(, $item)?> { place: Place<'a>, $(of: PhantomData<fn() -> $item>)? }

            impl $(<$item>)? fmt::Debug for $view<'_ $(, $item)?> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_tuple(stringify!($view)).field(&self.place).finish()
                }
            }
        )*
    };
}

fields! {
    /// A value that is replaced as a whole. Of several that were set at once the greatest is shown.
    Register<T> => RegisterView, None;
    /// A text that many edit at once.
    Text => TextView, Some(Value::Text(String::new()));
    /// A text with marks: bold, links, comments. Spans and Markdown are [`Doc::spans`](crate::repo::Doc::spans).
    RichText => RichTextView, Some(Value::Text(String::new()));
    /// A number that many add to at once.
    Counter => CounterView, Some(Value::Counter(0));
    /// A set of strings; who adds one while another removes it wins.
    Set<T> => SetView, Some(Value::Map(Default::default()));
    /// A list, with moves.
    List<T> => ListView, Some(Value::List(Vec::new()));
    /// A list of structs, with moves.
    Records<T> => RecordsView, Some(Value::List(Vec::new()));
    /// A tree of structs, whose nodes can be moved at several places at once and never form a cycle.
    Tree<T> => TreeView, Some(Value::Tree(Vec::new()));
    /// Values by names.
    Map<T> => MapView, Some(Value::Map(Default::default()));
}

impl<T: Plain> RegisterView<'_, T> {
    /// Sets it.
    ///
    /// # Errors
    /// As [`Edit::set`].
    pub fn set(&mut self, value: impl Into<T>) -> Result<(), DocError> {
        self.place.edit(|edits, pointer| edits.set(pointer, value.into().into_value()))
    }

    /// What it holds; nothing before it was set.
    pub fn get(&self) -> Option<T> {
        self.place.get().and_then(T::of_value)
    }
}

impl CounterView<'_> {
    /// Adds to it; less than nothing takes away.
    ///
    /// # Errors
    /// As [`Edit::add`].
    pub fn increment(&mut self, by: i64) -> Result<(), DocError> {
        self.place.edit(|edits, pointer| edits.add(pointer, by))
    }

    /// What all have added.
    pub fn value(&self) -> i64 {
        match self.place.get() {
            Some(Value::Counter(value)) => value,
            _ => 0,
        }
    }
}

impl SetView<'_, String> {
    /// Puts an element in.
    ///
    /// # Errors
    /// As [`Edit::set`].
    pub fn insert(&mut self, element: &str) -> Result<(), DocError> {
        self.place.child(element).edit(|edits, pointer| edits.set(pointer, Value::Bool(true)))
    }

    /// Takes one out; gives whether it was there.
    ///
    /// # Errors
    /// As [`Edit::remove`].
    pub fn remove(&mut self, element: &str) -> Result<bool, DocError> {
        let place = self.place.child(element);
        let was = place.get().is_some();
        if was {
            place.edit(|edits, pointer| edits.remove(pointer))?;
        }
        Ok(was)
    }

    /// Whether it is there.
    pub fn contains(&self, element: &str) -> bool {
        self.place.child(element).get().is_some()
    }

    /// All of them, in their order.
    pub fn get(&self) -> Vec<String> {
        match self.place.get() {
            Some(Value::Map(elements)) => elements.into_keys().collect(),
            _ => Vec::new(),
        }
    }
}

impl<T: Plain> MapView<'_, T> {
    /// Sets an entry.
    ///
    /// # Errors
    /// As [`Edit::set`].
    pub fn set(&mut self, key: &str, value: impl Into<T>) -> Result<(), DocError> {
        self.place.child(key).edit(|edits, pointer| edits.set(pointer, value.into().into_value()))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// As [`Edit::remove`].
    pub fn remove(&mut self, key: &str) -> Result<(), DocError> {
        self.place.child(key).edit(|edits, pointer| edits.remove(pointer))
    }

    /// What an entry holds.
    pub fn get(&self, key: &str) -> Option<T> {
        self.place.child(key).get().and_then(T::of_value)
    }

    /// The names of all entries, in their order.
    pub fn keys(&self) -> Vec<String> {
        match self.place.get() {
            Some(Value::Map(entries)) => entries.into_keys().collect(),
            _ => Vec::new(),
        }
    }
}
