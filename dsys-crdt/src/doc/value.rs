//! Values, as an app gives and gets them.

use std::collections::BTreeMap;
use std::fmt;

use super::json::Stretch;
use crate::Span;
use crate::blob::Blob;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value, with all that is in it. Through serde it is JSON, or any format that says itself what its values are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string that is replaced as a whole.
    String(String),
    /// Bytes that are replaced as a whole; a list of numbers in JSON.
    Bytes(Vec<u8>),
    /// What stands elsewhere under its hash; a map of `hash` and `length` in JSON.
    Blob(Blob),
    /// A text that many edit at once; a string in JSON.
    Text(String),
    /// A text with its marks, in stretches, as [`Doc::value_with_marks`](super::Doc::value_with_marks) gives it; a list of maps
    /// of `insert` and `attributes` in JSON. Ranges are taken from the stretches' texts.
    Marked(Vec<Span>),
    /// A number that many add to at once; a number in JSON.
    Counter(i64),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
    /// A tree whose nodes can be moved: each node behind the one below which it stands, children in their order.
    Tree(Vec<TreeNode>),
}

/// A node of a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TreeNode {
    /// Its name, by which pointers lead to it: `/tree/NAME/title`. Whoever sets a tree gives any; the nodes get others.
    pub id: String,
    /// The name of the node below which it stands; none at the root.
    pub parent: Option<String>,
    /// What it carries.
    pub value: BTreeMap<String, Value>,
}

impl Serialize for TreeNode {
    /// A map of `id`, `parent` and `value`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("TreeNode", 3)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("parent", &self.parent)?;
        fields.serialize_field("value", &self.value)?;
        fields.end()
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$variant(value.into())
            }
        })*
    };
}
from!(bool => Bool, i64 => Int, i32 => Int, f64 => Float, &str => String, String => String,
    BTreeMap<String, Value> => Map, Blob => Blob);

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Value {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => to.serialize_unit(),
            Value::Bool(value) => to.serialize_bool(*value),
            Value::Int(value) | Value::Counter(value) => to.serialize_i64(*value),
            Value::Float(value) => to.serialize_f64(*value),
            Value::String(value) | Value::Text(value) => to.serialize_str(value),
            Value::Bytes(value) => to.serialize_bytes(value),
            Value::Blob(value) => {
                let mut fields = to.serialize_struct("Blob", 2)?;
                fields.serialize_field("hash", &value.to_hex())?;
                fields.serialize_field("length", &value.length)?;
                fields.end()
            }
            Value::Marked(spans) => to.collect_seq(spans.iter().map(Stretch)),
            Value::List(values) => to.collect_seq(values),
            Value::Map(values) => to.collect_map(values),
            Value::Tree(nodes) => to.collect_seq(nodes),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    /// Strings become [`Value::String`], whole numbers [`Value::Int`]; texts and counters an app makes itself, trees and texts
    /// with marks by [`Value::into_tree`] and [`Value::into_marked`].
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}
