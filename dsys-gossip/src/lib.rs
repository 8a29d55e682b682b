#![doc = include_str!("../README.md")]
//!
//! ## How the parts compose
//!
//! Every protocol here is a [`Machine`](dsys_core::Machine) of its own, and what a program runs is one machine made of
//! them: the whole hands each part its inputs, wraps its messages and timers, and routes its events. What passes between
//! parts is what a driver says anyway, so a part cannot tell company from solitude:
//!
//! ```text
//!  connections   PeerDown of the driver; refused dials
//!       |
//!  membership    per topic: partial views, over links that all topics share.   Up, Down
//!       |        per node: full membership and failure detection, which raises Down for every topic
//!       v
//!  broadcast     flood, rumor or plumtree; its PeerUp and PeerDown are the membership's Up and Down.   Delivered, Lost
//!       |
//!  anti-entropy  compares names with a neighbour when it comes up and now and then; what is missing is fetched from the
//!       |        store of the other and enters as if it had been delivered. A `Lost` of the tree asks for it at once
//!       v
//!  retention     what was delivered, for those who come later: bounded, deletions by death certificates
//!       v
//!     the app
//! ```
//!
//! - **The door.** A broadcast does not look into payloads. The whole checks an envelope (signature, expiry, size) before
//!   any part sees its message, so that what is forged is neither delivered nor passed on, and costs the sender.
//! - **Names.** All parts know messages by one [`MessageId`], and each remembers names for longer than messages, so
//!   what one part has delivered another does not deliver again.
//! - **Who is asked.** A broadcast and an anti-entropy speak to neighbours only. So the membership is the one place that
//!   dials, and the one that hears of silence and refusal.
//! - **What exists.** [`topic`] is the upper half of this, with [`membership::partial`] and [`plumtree`].

pub mod broadcast;
pub mod certificate;
mod compose;
pub mod detector;
#[cfg(feature = "keys")]
pub mod envelope;
mod estimate;
pub mod flood;
#[cfg(feature = "net")]
mod handle;
mod id;
mod kept;
pub mod membership;
#[cfg(feature = "keys")]
pub mod path;
mod peers;
pub mod plumtree;
pub mod reconcile;
#[cfg(feature = "keys")]
pub mod router;
pub mod rumor;
mod seen;
#[cfg(feature = "keys")]
mod store;
mod timestamp;
pub mod topic;

#[cfg(feature = "keys")]
pub use envelope::{BadTopicName, TopicName};
#[cfg(feature = "net")]
pub use handle::{Builder, Event, Gossip, JoinError, PublishError, SpawnError, Subscription, TopicHandle};
pub use id::MessageId;
#[cfg(feature = "keys")]
pub use router::{Cursor, Message, Published};
#[cfg(feature = "keys")]
pub use store::MemoryStore;
pub use timestamp::Timestamp;
