//! Chord (Stoica et al. 2001, 2003) as a state machine, with the ring maintenance that Zave (2017) has proven: a node
//! joins with the whole successor list of its predecessor, and every list is replaced by that of a node that has just
//! answered.
//!
//! [`Chord`] is an [`Overlay`](crate::Overlay): the owner of a key is the first node at or after it on the ring, and the
//! `successors - 1` nodes behind the owner are responsible with it. Its parts:
//!
//! - the ring: successor list and predecessor, kept by *stabilize*, *notify* and *rectify*;
//! - the fingers: the owners of n + 2^i, which shorten the way;
//! - virtual nodes, if asked for: several places of one node, each with a ring, fingers and walks of its own;
//! - the walk: iterative, one question after the other, around those that do not answer.

mod config;
mod machine;
mod message;
mod place;
mod ring;
mod upkeep;
mod virtual_node;
mod walk;

pub use config::Config;
pub use machine::{Chord, Timer};
pub use message::{Ask, Message, Places, Tell};
pub use place::Place;
pub use virtual_node::VirtualNode;
