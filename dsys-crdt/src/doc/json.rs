//! What JSON does not tell apart: texts with marks, and trees, out of lists and into them.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::container::Id;
use super::edit::Edit;
use super::read::tokens;
use super::value::{TreeNode, Value};
use super::{Doc, DocError};
use crate::change::Policy;
use crate::{Expand, Span};

impl<P: Policy> Doc<P> {
    /// Everything as [`Doc::value`], with the marks of texts: those that have any are [`Value::Marked`].
    ///
    /// # Errors
    /// If a text's history cannot be read.
    pub fn value_with_marks(&mut self) -> Result<Value, DocError> {
        let mut value = self.value();
        let containers = self.state.containers.keys().cloned().collect::<Vec<Id>>();
        for id in containers {
            let marked = self.state.text_mut(&id).is_some_and(|field| field.rich.marks_made() > 0);
            let Some(pointer) = self.state.pointer(&id).filter(|_| marked) else { continue };
            let Some(field) = self.state.text_mut(&id) else { continue };
            let spans = field.rich.spans()?;
            if spans.iter().any(|span| !span.marks.is_empty())
                && let Some(text) = value.at_mut(&tokens(&pointer)?)
            {
                *text = Value::Marked(spans);
            }
        }
        Ok(value)
    }
}

impl Edit<'_> {
    /// Fills an empty text. Marks grow where one types behind them, but links do not.
    pub(super) fn type_marked(&mut self, id: &Id, spans: &[Span]) -> Result<(), DocError> {
        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        self.type_text(id, 0..0, &text)?;
        let mut marks: Vec<(Range<usize>, &str, &str)> = Vec::new();
        let mut at = 0;
        for span in spans {
            let end = at + span.text.chars().count();
            for (key, value) in &span.marks {
                let before =
                    marks.iter_mut().find(|(range, a, b)| range.end == at && (*a, *b) == (key, value));
                match before {
                    Some((range, ..)) => range.end = end,
                    None => marks.push((at..end, key, value)),
                }
            }
            at = end;
        }
        for (range, key, value) in marks.into_iter().filter(|(range, ..)| !range.is_empty()) {
            let expand = if key == "link" { Expand::Neither } else { Expand::After };
            self.edit_rich(id, |rich| Ok(rich.mark(range, key, value, expand)?))?;
        }
        Ok(())
    }
}

impl Value {
    /// A list, read from JSON, as the text with marks of which it was written: maps of `insert` and, where there are marks,
    /// `attributes`. None if it is something else.
    pub fn into_marked(self) -> Option<Value> {
        let Value::List(parts) = self else { return None };
        let mut at = 0;
        let span = |part| {
            let Value::Map(mut part) = part else { return None };
            let (Some(Value::String(text)), attributes) = (part.remove("insert"), part.remove("attributes"))
            else {
                return None;
            };
            let marks = match attributes {
                None => BTreeMap::new(),
                Some(Value::Map(marks)) => marks.into_iter().map(mark).collect::<Option<_>>()?,
                Some(_) => return None,
            };
            let range = at..at + text.chars().count();
            at = range.end;
            part.is_empty().then_some(Span { range, text, marks })
        };
        Some(Value::Marked(parts.into_iter().map(span).collect::<Option<_>>()?))
    }

    /// A list, read from JSON, as the tree of which it was written: maps of `id`, `parent` and `value`, each behind that
    /// of its parent. None if it is something else.
    pub fn into_tree(self) -> Option<Value> {
        let Value::List(parts) = self else { return None };
        let mut nodes: Vec<TreeNode> = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for part in parts {
            let Value::Map(mut part) = part else { return None };
            let (Some(Value::String(id)), Some(Value::Map(value))) =
                (part.remove("id"), part.remove("value"))
            else {
                return None;
            };
            let parent = match part.remove("parent") {
                None | Some(Value::Null) => None,
                Some(Value::String(parent)) if known.contains(&parent) => Some(parent),
                Some(_) => return None,
            };
            if !part.is_empty() || !known.insert(id.clone()) {
                return None;
            }
            nodes.push(TreeNode { id, parent, value });
        }
        Some(Value::Tree(nodes))
    }

    fn at_mut(&mut self, path: &[String]) -> Option<&mut Value> {
        let Some((first, path)) = path.split_first() else { return Some(self) };
        match self {
            Value::Map(values) => values.get_mut(first)?.at_mut(path),
            Value::List(values) => values.get_mut(first.parse::<usize>().ok()?)?.at_mut(path),
            Value::Tree(nodes) => {
                let (key, path) = path.split_first()?;
                nodes.iter_mut().find(|node| node.id == *first)?.value.get_mut(key)?.at_mut(path)
            }
            _ => None,
        }
    }
}

/// A mark without a value may be written as true.
fn mark((key, value): (String, Value)) -> Option<(String, String)> {
    match value {
        Value::String(value) => Some((key, value)),
        Value::Bool(true) => Some((key, String::new())),
        _ => None,
    }
}

/// A map of `insert` and `attributes`, as in the Delta format of rich text editors.
pub(super) struct Stretch<'a>(pub(super) &'a Span);

impl Serialize for Stretch<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Span { text, marks, .. } = self.0;
        let mut fields = to.serialize_map(Some(1 + usize::from(!marks.is_empty())))?;
        fields.serialize_entry("insert", text)?;
        if !marks.is_empty() {
            fields.serialize_entry("attributes", marks)?;
        }
        fields.end()
    }
}
