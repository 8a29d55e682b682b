//! Reading: JSON Pointers (RFC 6901) to what a document contains.

use std::collections::{BTreeMap, BTreeSet};

use super::DocError;
use super::container::{Container, Id, Kind};
use super::forest::{name_of, node_of};
use super::op::Item;
use super::state::State;
use super::value::Value;
use crate::blob::Blob;
use crate::types::{Stamp, TreeId};

/// The parts of a pointer: `/a~1b/0` is `a/b`, then `0`.
pub(super) fn tokens(pointer: &str) -> Result<Vec<String>, DocError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or(DocError::NotFound)?;
    Ok(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

impl State {
    /// The container that a pointer leads to.
    pub(super) fn find(&self, tokens: &[String]) -> Result<Id, DocError> {
        tokens.iter().try_fold(Id::Root, |id, token| match self.child(&id, token)? {
            (stamp, Item::Map | Item::List | Item::Text | Item::Counter | Item::Tree) => {
                Ok(Id::Made(stamp.clone()))
            }
            _ => Err(DocError::WrongKind),
        })
    }

    /// What a part of a pointer leads to.
    pub(super) fn child(&self, id: &Id, token: &str) -> Result<(&Stamp, &Item), DocError> {
        match self.kind(id)? {
            Kind::Map(map) => {
                let first = map.get(token).and_then(|entries| entries.first());
                first.map(|entry| (&entry.stamp, &entry.item)).ok_or(DocError::NotFound)
            }
            Kind::List(list) => {
                let index = token.parse().map_err(|_| DocError::NotFound)?;
                let entry = list.list.get(index).ok_or(DocError::NotFound)?;
                Ok((&entry.stamp, &entry.item))
            }
            Kind::Tree(tree) => {
                let id = Id::Made(node_of(token).ok_or(DocError::NotFound)?);
                let (id, _) = self.containers.get_key_value(&id).ok_or(DocError::NotFound)?;
                let stamp = id.stamp().filter(|stamp| tree.contains(&TreeId::Made((*stamp).clone())));
                stamp.map(|stamp| (stamp, &Item::Map)).ok_or(DocError::NotFound)
            }
            _ => Err(DocError::WrongKind),
        }
    }

    pub(super) fn kind(&self, id: &Id) -> Result<&Kind, DocError> {
        self.containers.get(id).map(|container| &container.kind).ok_or(DocError::NotFound)
    }

    /// A value with all that is in it. Nesting is bounded by [`super::state::MAX_DEPTH`].
    pub(super) fn value(&self, stamp: &Stamp, item: &Item) -> Value {
        match item {
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(*value),
            Item::Int(value) => Value::Int(*value),
            Item::Float(value) => Value::Float(*value),
            Item::String(value) => Value::String(value.clone()),
            Item::Bytes(value) => Value::Bytes(value.clone()),
            Item::Blob(blob) => Value::Blob(*blob),
            Item::Map | Item::List | Item::Text | Item::Counter | Item::Tree => {
                self.contents(&Id::Made(stamp.clone()))
            }
        }
    }

    /// What is in a container.
    pub(super) fn contents(&self, id: &Id) -> Value {
        match self.kind(id) {
            Ok(Kind::Map(map)) => {
                let entries = map.iter().filter_map(|(key, entries)| Some((key, entries.first()?)));
                let values = entries.map(|(key, entry)| (key.clone(), self.value(&entry.stamp, &entry.item)));
                Value::Map(values.collect::<BTreeMap<String, Value>>())
            }
            Ok(Kind::List(list)) => {
                Value::List(list.list.iter().map(|entry| self.value(&entry.stamp, &entry.item)).collect())
            }
            Ok(Kind::Text(field)) => Value::Text(field.text().to_string()),
            Ok(Kind::Counter(sum)) => Value::Counter((*sum).clamp(i64::MIN.into(), i64::MAX.into()) as i64),
            Ok(Kind::Tree(tree)) => Value::Tree(self.nodes(tree)),
            Err(_) => Value::Null,
        }
    }

    /// The blobs that values refer to, also those that others have been set beside.
    pub(super) fn blobs(&self) -> BTreeSet<Blob> {
        let items = self.containers.values().flat_map(|container| {
            let (map, list) = match &container.kind {
                Kind::Map(map) => (Some(map.values().flatten().map(|entry| &entry.item)), None),
                Kind::List(field) => (None, Some(field.list.iter().map(|entry| &entry.item))),
                _ => (None, None),
            };
            map.into_iter().flatten().chain(list.into_iter().flatten())
        });
        let blobs = items.filter_map(|item| if let Item::Blob(blob) = item { Some(*blob) } else { None });
        blobs.collect()
    }

    /// How much is in a container.
    pub(super) fn count(&self, pointer: &str) -> Option<usize> {
        match self.kind(&self.find(&tokens(pointer).ok()?).ok()?).ok()? {
            Kind::Map(map) => Some(map.len()),
            Kind::List(list) => Some(list.list.len()),
            Kind::Text(field) => Some(field.text().len()),
            Kind::Tree(tree) => Some(self.nodes(tree).len()),
            Kind::Counter(_) => None,
        }
    }

    /// The pointer to a container, if it is to be seen: not replaced, nor removed, nor in one that is.
    pub(super) fn pointer(&self, id: &Id) -> Option<String> {
        let mut parts = Vec::new();
        let mut at = id;
        while let Some((parent, key)) = &self.containers.get(at)?.parent {
            let stamp = at.stamp()?;
            let part = match (key, self.kind(parent).ok()?) {
                (Some(key), Kind::Map(map)) => {
                    map.get(key)?.first().filter(|entry| entry.stamp == *stamp)?;
                    key.replace('~', "~0").replace('/', "~1")
                }
                (None, Kind::Tree(tree)) => {
                    Some(name_of(stamp)).filter(|_| tree.contains(&TreeId::Made(stamp.clone())))?
                }
                (None, Kind::List(list)) => list.index_of(stamp)?.to_string(),
                _ => return None,
            };
            parts.push(part);
            at = parent;
        }
        Some(parts.iter().rev().fold(String::new(), |pointer, part| pointer + "/" + part))
    }

    pub(super) fn container(&self, id: &Id) -> Result<&Container, DocError> {
        self.containers.get(id).ok_or(DocError::NotFound)
    }
}
