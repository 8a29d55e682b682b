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
}

impl<T> Item<T> {
    pub(super) fn moved(&self) -> Option<&ElementId> {
        match self {
            Item::New(_) => None,
            Item::Moved(id) => Some(id),
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

/// Per item: 0, the length of an agent's name, the name, and a number, for an element that is moved; or one more than the
/// length of an element, and its bytes. Numbers are LEB128.
impl<T: Element> Packed for Vec<Item<T>> {
    const MAGIC: [u8; 8] = *b"dsyslst\x01";

    fn write(part: &[Item<T>], to: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        for item in part {
            match item {
                Item::New(element) => {
                    bytes.clear();
                    element.write(&mut bytes);
                    put(to, bytes.len() as u64 + 1);
                    to.extend_from_slice(&bytes);
                }
                Item::Moved(id) => {
                    put(to, 0);
                    put_bytes(to, id.agent.as_bytes());
                    put(to, u64::from(id.seq));
                }
            }
        }
    }

    fn read(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let mut reader = Reader(&bytes);
        let mut items = Vec::new();
        while !reader.is_empty() {
            items.push(match reader.number()? {
                0 => {
                    let agent = Agent::new(reader.bytes()?);
                    let agent =
                        agent.map_err(|_| DecodeError::Malformed("an agent's name is empty or too long"))?;
                    Item::Moved(ElementId { agent, seq: reader.small()? })
                }
                length => {
                    let element = T::read(reader.take(length - 1)?);
                    Item::New(
                        element.ok_or(DecodeError::Malformed("an element that is none of this list's"))?,
                    )
                }
            });
        }
        Ok(items)
    }
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
