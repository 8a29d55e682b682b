//! What stands in a list.

use crate::agent::Agent;
use crate::encoding::bytes::{Reader, put, put_bytes};
use crate::encoding::{DecodeError, Packed};
use crate::history::Content;

/// What a list holds: anything that can be written as bytes. There are implementations for numbers, `bool`, strings and
/// bytes.
pub trait Element: Clone + std::fmt::Debug {
    /// Appends the element's bytes; how many they are need not be among them.
    fn write(&self, to: &mut Vec<u8>);

    /// Reads what [`Element::write`] wrote; none if these bytes are something else. They may be a stranger's.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// The name of an element, the same on every replica and wherever the element is moved: the event that inserted it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId {
    /// Who inserted it.
    pub agent: Agent,
    /// The number of the event that did, among the agent's.
    pub seq: u32,
}

/// What an insertion puts into its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item<T> {
    New(T),
    /// An element that stood elsewhere.
    Moved(ElementId),
    /// The value that an element has from now on. It has no place.
    Set(ElementId, T),
}

impl<T> Item<T> {
    /// The element that it is about, if that is not its own.
    pub(super) fn about(&self) -> Option<&ElementId> {
        match self {
            Item::New(_) => None,
            Item::Moved(id) | Item::Set(id, _) => Some(id),
        }
    }

    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Item::New(value) | Item::Set(_, value) => Some(value),
            Item::Moved(_) => None,
        }
    }
}

impl<T: Element> Content for Vec<Item<T>> {
    type Part = [Item<T>];

    fn size(&self) -> usize {
        self.len()
    }

    fn push(&mut self, part: &[Item<T>]) {
        self.extend_from_slice(part);
    }

    fn truncate(&mut self, size: usize) {
        self.truncate(size);
    }

    fn part(&self, from: usize, to: usize) -> &[Item<T>] {
        self.get(from..to).unwrap_or_default()
    }

    fn events(part: &[Item<T>]) -> usize {
        part.len()
    }

    fn is_flat(&self) -> bool {
        true
    }

    fn advance(&self, from: usize, to: usize, events: u32) -> usize {
        to.min(from + events as usize)
    }
}

/// Per item: 0, the length of an agent's name, the name, and a number, for an element that is moved; 0, 0, then the same and
/// the length and the bytes of a value, for one that is set; or one more than the length of an element, and its bytes. Numbers
/// are LEB128.
impl<T: Element> Packed for Vec<Item<T>> {
    const MAGIC: [u8; 8] = *b"dsyslst\x01";

    fn write(part: &[Item<T>], to: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        for item in part {
            bytes.clear();
            if let Some(value) = item.value() {
                value.write(&mut bytes);
            }
            if let Some(id) = item.about() {
                put(to, 0);
                if let Item::Set(..) = item {
                    put(to, 0);
                }
                put_bytes(to, id.agent.as_bytes());
                put(to, u64::from(id.seq));
            }
            match item {
                Item::New(_) => put(to, bytes.len() as u64 + 1),
                Item::Moved(_) => {}
                Item::Set(..) => put(to, bytes.len() as u64),
            }
            to.extend_from_slice(&bytes);
        }
    }

    fn read(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let mut reader = Reader(&bytes);
        let mut items = Vec::new();
        while !reader.is_empty() {
            items.push(match reader.number()? {
                0 => match reader.bytes()? {
                    [] => Item::Set(read_id(reader.bytes()?, &mut reader)?, element(reader.bytes()?)?),
                    name => Item::Moved(read_id(name, &mut reader)?),
                },
                length => Item::New(element(reader.take(length - 1)?)?),
            });
        }
        Ok(items)
    }
}

fn element<T: Element>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::read(bytes).ok_or(DecodeError::Malformed("an element that is none of this list's"))
}

/// A name that was read up to its number.
fn read_id(agent: &[u8], reader: &mut Reader<'_>) -> Result<ElementId, DecodeError> {
    let agent = Agent::new(agent);
    let agent = agent.map_err(|_| DecodeError::Malformed("an agent's name is empty or too long"))?;
    Ok(ElementId { agent, seq: reader.small()? })
}

impl Element for String {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl Element for Vec<u8> {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Element for bool {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Element for $number {
            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$number>::from_le_bytes)
            }
        }
    )*};
}
number!(u8, u16, u32, u64, i32, i64, f64);
