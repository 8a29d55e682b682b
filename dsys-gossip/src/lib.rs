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
//!  links         a failure detector for all topics, if one is wanted: whom it finds dead, it says PeerDown of
//!       |
//!  membership    per topic: partial views, over links that all topics share.   Up, Down
//!       v
//!  broadcast     flood or plumtree; its PeerUp and PeerDown are the membership's Up and Down.   Delivered, Lost, Violated
//!       |
//!  catching up   asks a neighbour for names when it comes up and now and then; what is missing is fetched from the
//!       |        store of the other and enters as if it had been delivered. A `Lost` of the tree asks at once
//!       v
//!  retention     what was delivered, for those who come later: bounded by count, bytes and age
//!       v
//!     the app
//! ```
//!
//! - **The door.** A broadcast does not look into payloads. The whole checks an envelope (size, topic, expiry, date,
//!   duplicate, signature) before any part sees its message, so that what is forged is neither delivered nor passed on, and
//!   costs the sender its place.
//! - **Names.** All parts know messages by one [`MessageId`], and names are remembered for longer than messages live, so
//!   what one part has delivered another does not deliver again.
//! - **Deletion.** The certificate of a message's death is an envelope of its origin, and goes where messages go. It ends no
//!   sooner than the message may, so the message comes back nowhere.
//! - **Who is asked.** A broadcast and catching up speak to neighbours only. So the membership is the one place that
//!   dials, and the one that hears of silence and refusal.
//! - **One rule for wrongs.** Whoever breaks a bound is *barred* from the topic by its membership; the connection, which
//!   other topics use, stands.
//!
//! `topic` is membership and broadcast, `router` all of this but the links, `agent` the whole, and `Gossip` the handle on it.
//! `rumor`, `flood`, `scuttlebutt` and `certificate` stand beside it, each for itself.

#[cfg(feature = "keys")]
pub mod agent;
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
pub mod links;
pub mod membership;
#[cfg(feature = "keys")]
pub mod path;
mod peers;
pub mod plumtree;
pub mod reconcile;
#[cfg(feature = "keys")]
pub mod router;
pub mod rumor;
pub mod scuttlebutt;
mod seen;
#[cfg(feature = "keys")]
mod store;
mod timestamp;
pub mod topic;

#[cfg(feature = "keys")]
pub use envelope::{BadTopicName, TopicName};
#[cfg(feature = "net")]
pub use handle::{
    Builder, DeleteError, Event, Gossip, JoinError, Members, MetaError, PublishError, SpawnError,
    Subscription, TopicHandle,
};
pub use id::MessageId;
#[cfg(feature = "keys")]
pub use router::{Cursor, Message, Published};
#[cfg(feature = "redb")]
pub use store::RedbStore;
#[cfg(feature = "keys")]
pub use store::{DamagedRecord, MemoryStore};
#[cfg(feature = "net")]
pub use store::{KeyChange, KeyValue, Store, StoreError};
pub use timestamp::Timestamp;
