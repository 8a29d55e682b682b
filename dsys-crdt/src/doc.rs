//! A document: maps, lists, texts and counters, like JSON, that many change at once; every change signed (feature `keys`).
//!
//! ```
//! use dsys_core::SecretKey;
//! use dsys_crdt::change::{DocumentId, Members};
//! use dsys_crdt::doc::{Doc, Value};
//!
//! let (anna, ben) = (SecretKey::generate()?, SecretKey::generate()?);
//! let mut here = Doc::new(DocumentId::from_bytes([7; 32]), Members::owned_by(anna.public()));
//! let mut there = here.clone();
//!
//! here.log_mut(|log| log.grant(&anna, 1_000, [ben.public()]))?;
//! here.change(&anna, 1_001, |note| {
//!     note.set("/title", "shopping")?;
//!     note.set("/body", Value::Text("milk\n".into()))?;
//!     note.set("/tags", vec!["food"])?;
//!     note.set("/votes", Value::Counter(0))
//! })?;
//! there.decode_and_receive(&here.encode_since(&there.summary()), 1_002)?;
//!
//! let from_ben = there.change(&ben, 1_003, |note| note.insert_text("/body", 5, "eggs\n"))?;
//! let from_anna = here.change(&anna, 1_003, |note| note.add("/votes", 1))?;
//! here.receive([from_ben], 1_004);
//! there.receive([from_anna], 1_004);
//! assert_eq!(here.get("/body"), Some(Value::Text("milk\neggs\n".into())));
//! assert_eq!(here.value(), there.value());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A map's entry that several set at once keeps all values: the greatest is shown, [`Doc::conflicts`] gives the others. A
//! list's elements can be moved and set. What several insert into a list or a text at one place at once is not interleaved.
//! How it works: `ARCHITECTURE.md`, "How a document is kept".

mod body;
mod container;
mod edit;
mod edit_list;
mod edit_text;
mod events;
mod forest;
mod json;
mod list_field;
mod mark;
mod op;
mod read;
mod saved;
mod stage;
mod state;
mod text_field;
mod trimmed;
mod undo;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use container::{Entry, Id, Kind};
use dsys_core::{NodeId, Signer};
pub use edit::Edit;
use list_field::ListField;
use read::tokens;
pub use saved::{Snapshot, SnapshotError};
use state::{Sound, State, What};
use text_field::TextField;
pub use undo::Undo;
pub use value::{TreeNode, Value};

use crate::blob::Blob;
use crate::change::{Bundle, BundleError, Change, ChangeId, DocumentId, Log, Policy, Received, Refused};
use crate::types::{Move, Position, Stamp, TreeError, TreeId};
use crate::{Agent, DecodeError, EditError, ListEdit, MarkError, Text};

/// A document, with its whole history.
#[derive(Clone, Debug)]
pub struct Doc<P> {
    log: Log<P>,
    state: State,
}

/// Why a change of a document was not made. The document is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocError {
    /// The pointer leads nowhere.
    #[error("there is nothing at that place: it may have been removed, or the pointer does not begin with /")]
    NotFound,
    /// What stands there is of another kind.
    #[error("what stands at that place is of another kind")]
    WrongKind,
    /// Containers are nested 64 deep at most.
    #[error("that is nested too deep")]
    TooDeep,
    /// A tree has no such place, or no room there.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A text or a list has no such place, or is full.
    #[error(transparent)]
    Place(#[from] EditError),
    /// A mark was not made.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// A text's history cannot be read.
    #[error(transparent)]
    Past(#[from] DecodeError),
    /// Nothing of the document has come yet.
    #[error("nothing of this document has come yet: wait for the first sync, then change it")]
    NotBegun,
    /// It is only looked at.
    #[error("this is a look at the document: edits belong into Doc::change")]
    ReadOnly,
    /// The log refuses the change.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What a change of somebody else has changed, where that is to be seen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An entry of a map was set or removed.
    Map {
        /// The map.
        pointer: String,
        /// The entry.
        key: String,
    },
    /// Elements of a list were inserted, moved, set or removed.
    List {
        /// The list.
        pointer: String,
        /// What was done to it, in order, so that a view can do it too: what is moved goes, and comes elsewhere; what is set
        /// goes, and comes. With the values as they are now.
        edits: Vec<ListEdit<Value>>,
    },
    /// Nodes of a tree were made, moved or removed.
    Tree {
        /// The tree.
        pointer: String,
    },
    /// A text was edited.
    Text {
        /// The text.
        pointer: String,
        /// What was done to it, in order, so that a view can do it too.
        edits: Vec<crate::Edit>,
        /// Where marks were made, in the text as it is now.
        marked: Vec<Range<usize>>,
    },
    /// Something was added to a counter.
    Counter {
        /// The counter.
        pointer: String,
        /// How much.
        by: i64,
    },
    /// Somebody may write now, or no longer.
    Access,
    /// Changes have ceased to count: anything may be different.
    Rebuilt,
}

impl<P: Policy> Doc<P> {
    /// An empty document, or one of which nothing is known yet.
    pub fn new(document: DocumentId, policy: P) -> Doc<P> {
        Doc::of(Log::new(document, policy))
    }

    /// The document of a log.
    pub fn of(log: Log<P>) -> Doc<P> {
        let mut doc = Doc { log, state: State::default() };
        doc.rebuild();
        doc
    }

    /// Makes a change of all that `edit` does, as the key's owner, at `wall` by the clock (milliseconds since 1970); gives it
    /// for the others. Very many heads are joined first by changes that say nothing ([`Log::commit`]).
    ///
    /// # Errors
    /// Those of the edits, and those of [`Log::commit`]. Then the document is as it was; if there had been edits, it is built
    /// again from its history.
    pub fn change(
        &mut self,
        key: &dyn Signer,
        wall: u64,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), DocError>,
    ) -> Result<Change, DocError> {
        Ok(self.change_telling(key, wall, edit)?.0)
    }

    /// As [`Doc::change`], and gives what is different now.
    ///
    /// # Errors
    /// As there.
    pub fn change_telling(
        &mut self,
        key: &dyn Signer,
        wall: u64,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), DocError>,
    ) -> Result<(Change, Vec<Event>), DocError> {
        let author = key.public();
        // Others join the heads first, if they are too many; they say nothing.
        let before = self.log.len() as u32;
        let number = before + self.log.joins(&author) as u32;
        let parents: Vec<u32> = self.log.heads().iter().filter_map(|head| self.log.number(head)).collect();
        let start = self.state.start(&parents);
        // 32 bytes are a name.
        let agent = Agent::new(author.as_bytes()).map_err(|_| DocError::NotFound)?;
        let mut edits = Edit::new(&mut self.state, self.log.graph(), number, start, agent);
        let done = edit(&mut edits);
        let Edit { body, fields, done: ops, made, .. } = edits;
        let committed = done.and_then(|()| {
            let bytes = body.encode(start, || {
                let mut seen: BTreeSet<NodeId> =
                    self.log.graph().authors_seen(&parents).into_iter().collect();
                seen.extend((number > before).then_some(author));
                seen.into_iter().collect()
            });
            // Whom it names it has seen.
            Ok(self.log.commit(key, wall, bytes.ok_or(DocError::NotFound)?)?)
        });
        match &committed {
            Ok(_) => {
                made.get_or_init(|| ());
                for join in before..number {
                    self.state.end(&self.log, join, 0);
                }
                self.state.end(&self.log, number, body.ops.len());
                for id in fields {
                    match self.state.containers.get_mut(&id).map(|it| &mut it.kind) {
                        Some(Kind::Text(field)) => field.note(self.log.graph(), number),
                        Some(Kind::List(field)) => field.note(self.log.graph(), number),
                        _ => {}
                    }
                }
            }
            // Heads may have been joined.
            Err(_) if body.ops.is_empty() && fields.is_empty() => drop(self.advance(before, &[])),
            Err(_) => self.rebuild(),
        }
        Ok((committed?, self.events(&ops)))
    }

    /// Takes in changes of others, in any order, as [`Log::receive`]; gives what became of them, and what is different now.
    pub fn receive(&mut self, changes: impl IntoIterator<Item = Change>, now: u64) -> (Received, Vec<Event>) {
        self.receive_bundle(Bundle::of(changes), now)
    }

    /// As [`Doc::receive`], of changes that are named and in order already.
    pub fn receive_bundle(&mut self, bundle: Bundle, now: u64) -> (Received, Vec<Event>) {
        let before = self.log.len() as u32;
        let received = self.log.receive_bundle(bundle, now);
        if received.rebuild || !received.forked.is_empty() {
            self.rebuild();
            return (received, vec![Event::Rebuilt]);
        }
        let events = self.advance(before, &received.begun);
        (received, events)
    }

    /// Shows the changes from number `before` on that count, and older ones that have begun to.
    fn advance(&mut self, before: u32, begun: &[u32]) -> Vec<Event> {
        let new: Vec<u32> = begun.iter().copied().chain(self.log.counting_from(before)).collect();
        let done = self.state.apply(&self.log, &new);
        if self.state.broken {
            self.rebuild();
            return vec![Event::Rebuilt];
        }
        self.events(&done)
    }

    /// What operations have done, each place once.
    fn events(&mut self, done: &[Sound]) -> Vec<Event> {
        let mut pointers: BTreeMap<&Id, Option<String>> = BTreeMap::new();
        let mut events: BTreeMap<(&Id, &str), Event> = BTreeMap::new();
        for op in done {
            let pointer = pointers.entry(&op.at).or_insert_with(|| self.state.pointer(&op.at));
            let Some(pointer) = pointer.clone() else { continue };
            let key = if let What::Set(key, _) | What::Unset(key) = &op.what { key } else { "" };
            let is_list = || matches!(self.state.kind(&op.at), Ok(Kind::List(_)));
            let event = events.entry((&op.at, key)).or_insert_with(|| match &op.what {
                What::Edit if is_list() => Event::List { pointer, edits: Vec::new() },
                what => event(pointer, what),
            });
            if let (Event::Counter { by: sum, .. }, What::Add(by)) = (event, &op.what) {
                *sum = sum.saturating_add(*by);
            }
        }
        for (id, _) in pointers {
            let told = self.state.list_mut(id).map(ListField::take_told).unwrap_or_default();
            if let Some(Event::List { edits, .. }) = events.get_mut(&(id, "")) {
                let value = |entry: Entry| self.state.value(&entry.stamp, &entry.item);
                let edit = |edit: ListEdit<Entry>| ListEdit {
                    at: edit.at,
                    deleted: edit.deleted,
                    inserted: edit.inserted.into_iter().map(value).collect(),
                };
                *edits = told.into_iter().map(edit).collect();
            }
            let Some(field) = self.state.text_mut(id) else { continue };
            let (told, from) = (std::mem::take(&mut field.told), field.marks_told);
            field.marks_told = field.rich.marks_made();
            if let Some(Event::Text { edits, marked, .. }) = events.get_mut(&(id, "")) {
                *edits = told;
                *marked = field.rich.marked_since(from).unwrap_or_default();
            }
        }
        events.into_values().collect()
    }

    /// Takes in what [`Doc::encode_since`] gave at another replica.
    ///
    /// # Errors
    /// If the bytes are none such; nothing is changed then.
    pub fn decode_and_receive(
        &mut self,
        bytes: &[u8],
        now: u64,
    ) -> Result<(Received, Vec<Event>), BundleError> {
        Ok(self.receive_bundle(Bundle::decode(bytes.to_vec(), usize::MAX)?, now))
    }

    /// What somebody lacks who has these changes, as bytes; see [`Log::since`]. Since none it is the whole document, to be
    /// kept.
    pub fn encode_since(&self, known: &[ChangeId]) -> Vec<u8> {
        self.log.encode_since(known)
    }

    /// What is known here, in short, for [`Doc::encode_since`] elsewhere; see [`Log::summary`].
    pub fn summary(&self) -> Vec<ChangeId> {
        self.log.summary()
    }

    /// The version here.
    pub fn heads(&self) -> Vec<ChangeId> {
        self.log.heads()
    }

    /// All changes.
    pub fn log(&self) -> &Log<P> {
        &self.log
    }

    /// Does something to the log that changes no content, a grant or a revocation; the document follows. It is built anew only
    /// if older changes cease to count by that.
    pub fn log_mut<T>(&mut self, act: impl FnOnce(&mut Log<P>) -> T) -> T {
        let (before, counted) = (self.log.len(), self.log.counting_from(0).collect::<Vec<u32>>());
        let branches = self.log.branches();
        let done = act(&mut self.log);
        let kept = counted.iter().all(|number| self.log.counts_at(*number));
        if kept && branches == self.log.branches() {
            let older = self.log.counting_from(0).take_while(|number| (*number as usize) < before);
            let begun: Vec<u32> = older.filter(|number| counted.binary_search(number).is_err()).collect();
            self.advance(before as u32, &begun);
        } else {
            self.rebuild();
        }
        done
    }

    /// Everything, as a value: as JSON through `serde_json`, say.
    pub fn value(&self) -> Value {
        self.state.contents(&Id::Root)
    }

    /// What a pointer leads to, with all that is in it.
    pub fn get(&self, pointer: &str) -> Option<Value> {
        get(&self.state, pointer)
    }

    /// A text, to be read in parts and by positions of any kind.
    pub fn text(&self, pointer: &str) -> Option<&Text> {
        match self.state.kind(&self.state.find(&tokens(pointer).ok()?).ok()?).ok()? {
            Kind::Text(field) => Some(field.text()),
            _ => None,
        }
    }

    /// The blobs that the document refers to, those included that stand in what was removed with its container.
    pub fn blobs(&self) -> BTreeSet<Blob> {
        self.state.blobs()
    }

    /// How many elements a list has, entries a map, nodes a tree, or characters a text.
    pub fn count(&self, pointer: &str) -> Option<usize> {
        self.state.count(pointer)
    }

    /// All values of a map's entry: several, if they were set at once; the first is the one that is shown.
    pub fn conflicts(&self, pointer: &str) -> Vec<Value> {
        let Ok(Some((key, path))) =
            tokens(pointer).map(|tokens| tokens.split_last().map(|(a, b)| (a.clone(), b.to_vec())))
        else {
            return Vec::new();
        };
        match self.state.find(&path).and_then(|id| self.state.kind(&id)) {
            Ok(Kind::Map(map)) => {
                let entries = map.get(&key).into_iter().flatten();
                entries.map(|entry| self.state.value(&entry.stamp, &entry.item)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Changes that count and say nothing, because they make no sense where their author stood: a bug there, or malice.
    pub fn void(&self) -> impl Iterator<Item = &Change> {
        self.state.void.iter().filter_map(|&number| self.log.at(number))
    }

    fn rebuild(&mut self) {
        self.state = self.begin();
        let all: Vec<u32> = self.log.counting_from(self.log.trimmed() as u32).collect();
        self.state.apply(&self.log, &all);
        self.state.texts().for_each(TextField::tell_nobody);
        self.state.lists().for_each(ListField::tell_nobody);
    }
}

fn event(pointer: String, what: &What) -> Event {
    match what {
        What::Set(key, _) | What::Unset(key) => Event::Map { pointer, key: key.clone() },
        What::Place(_) => Event::Tree { pointer },
        What::Edit | What::Mark(_) => Event::Text { pointer, edits: Vec::new(), marked: Vec::new() },
        What::Add(_) => Event::Counter { pointer, by: 0 },
    }
}

fn get(state: &State, pointer: &str) -> Option<Value> {
    let tokens = tokens(pointer).ok()?;
    let Some((last, path)) = tokens.split_last() else { return Some(state.contents(&Id::Root)) };
    let (stamp, item) = state
        .find(path)
        .ok()
        .and_then(|id| state.child(&id, last).ok().map(|(a, b)| (a.clone(), b.clone())))?;
    Some(state.value(&stamp, &item))
}

/// A node of a tree goes where nobody looks.
fn removal(stamp: Stamp, node: Stamp) -> Move {
    Move { stamp, node, parent: TreeId::Trash, position: Position::first() }
}
