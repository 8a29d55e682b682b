//! Where a node is reached.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::NodeId;

/// A node's name and the addresses at which it may be reached directly.
///
/// The addresses are claims: whoever answers there must still prove the key. A value that was decoded or made with
/// [`with`](NodeAddr::with) has at most [`MAX_DIRECT`](NodeAddr::MAX_DIRECT) of them, without repetition.
/// A person pastes it as a [`Ticket`](crate::Ticket).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeAddr {
    /// Who must answer.
    pub id: NodeId,
    /// A sequence on the wire. Empty is `None`, and nothing more than it needs is allocated: overlays remember many.
    #[serde(serialize_with = "sequence", deserialize_with = "bounded")]
    direct: Option<Box<[SocketAddr]>>,
}

impl NodeAddr {
    /// At most this many direct addresses; further ones are dropped.
    pub const MAX_DIRECT: usize = 16;

    /// A node whose addresses are not known.
    pub const fn new(id: NodeId) -> Self {
        NodeAddr { id, direct: None }
    }

    /// Adds an address, unless it is there already or there are [`MAX_DIRECT`](Self::MAX_DIRECT).
    #[must_use]
    pub fn with(mut self, addr: SocketAddr) -> Self {
        self.insert(addr);
        self
    }

    /// Adds an address as [`with`](Self::with) does; says whether it was added.
    pub fn insert(&mut self, addr: SocketAddr) -> bool {
        let known = self.direct();
        let new = known.len() < Self::MAX_DIRECT && !known.contains(&addr);
        if new {
            self.direct = Some(known.iter().copied().chain([addr]).collect());
        }
        new
    }

    /// The direct addresses, in the order in which they should be tried.
    pub fn direct(&self) -> &[SocketAddr] {
        self.direct.as_deref().unwrap_or_default()
    }
}

impl From<NodeId> for NodeAddr {
    fn from(id: NodeId) -> Self {
        NodeAddr::new(id)
    }
}

impl fmt::Debug for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{:?}", self.id, self.direct())
    }
}

fn sequence<S: Serializer>(direct: &Option<Box<[SocketAddr]>>, to: S) -> Result<S::Ok, S::Error> {
    direct.as_deref().unwrap_or_default().serialize(to)
}

/// Refuses a sequence of more than `MAX_DIRECT` before it is allocated; drops repetitions.
fn bounded<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<[SocketAddr]>>, D::Error> {
    struct Bounded;

    impl<'de> Visitor<'de> for Bounded {
        type Value = Option<Box<[SocketAddr]>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {} socket addresses", NodeAddr::MAX_DIRECT)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut direct = Vec::new();
            let mut count = 0;
            while let Some(addr) = items.next_element()? {
                count += 1;
                if count > NodeAddr::MAX_DIRECT {
                    return Err(serde::de::Error::invalid_length(count, &self));
                }
                if !direct.contains(&addr) {
                    direct.push(addr);
                }
            }
            Ok((!direct.is_empty()).then(|| direct.into()))
        }
    }

    from.deserialize_seq(Bounded)
}
