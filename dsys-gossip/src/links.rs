//! Links: which of the nodes that we have to do with is dead, judged once for all topics.
//!
//! Topics share connections, and a transport says when one ends. But a node may fall silent without a word, and then each
//! topic finds out by probes of its own, after [`max_silence`](crate::membership::partial::Config::max_silence). A
//! [`Detection`] finds out once, sooner, and tells all:
//!
//! | detection | source | sends | knows |
//! |---|---|---|---|
//! | [`Connections`](Detection::Connections) | the transport alone | nothing | |
//! | [`Heartbeats`](Detection::Heartbeats), judged by a [deadline](Judge::Deadline) | Aguilera, Chen, Toueg 1997 | a number to each neighbour | the neighbours |
//! | the same, judged by [phi](Judge::Phi) | Hayashibara et al. 2004 | the same | the neighbours |
//! | [`Swim`](Detection::Swim) | [`membership::full`](crate::membership::full) | a probe and a few in a period, however many nodes | all nodes, with what they say of themselves |
//!
//! Nodes that detect otherwise than we are left alone: nobody is judged who has never sent a heartbeat, or never answered a
//! probe. The topics' own probes go on beside it, for they also end links that only one side holds for one.

mod config;
mod machine;
mod message;

pub use crate::membership::full::MemberInfo;
pub use config::{Config, Detection, Judge};
pub use machine::{Command, Event, Links, Stats, Timer};
pub use message::Message;
