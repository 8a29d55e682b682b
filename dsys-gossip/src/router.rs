//! All topics of a node, as one machine on one protocol tag.
//!
//! ```text
//!                Message::Topic                      Message::Ask, Names, Cells, Want, Give, Gone, News
//!                      |                                             |
//!   limits ----- the door (envelope, path) ------------------- the door
//!                      |                                             |
//!              topic::Topic of this topic  -- Up, Down, Lost -->  catch-up
//!                      |                                             |
//!                      +--------------> MemoryStore <----------------+
//! ```
//!
//! - **Topics.** Each has its own membership and tree, over connections that all share. A message for a topic that was not
//!   joined is answered with a refusal, so its sender looks for another neighbour.
//! - **Limits.** What one peer sends in one topic is counted by messages and by bytes; what exceeds the [`Rate`] is dropped
//!   before anything is checked. Catching up repairs what an honest peer lost so.
//! - **The door.** [`Door`](crate::envelope::Door) checks every envelope before a part sees it. A peer that passed on what
//!   it had to refuse is barred from the topic.
//! - **Catching up.** `ihave` and `sendme` as in Usenet, led by the one who lacks: it asks a neighbour for the names that
//!   came to its log since it asked last, wants the messages it has not seen, and remembers how far it has come. It asks when
//!   a neighbour comes up, when the tree has lost a message, when a neighbour says that it has caught up itself, and
//!   now and then. Where the names would be many and the difference is small, the answer is the first cells of a
//!   [sketch](crate::reconcile) of the whole log instead.
//! - **Store and forward.** Chosen neighbours are [fed](feed), over links that are slow or mostly not there; with
//!   [`Config::low_power`] nothing else is spoken.
//! - **Publishing.** Our own messages go out at a [`Rate`] that others accept. Without neighbours they wait in the store, and
//!   the first neighbour asks for them.

mod catch_up;
mod compare;
mod config;
mod durable;
mod entering;
mod face;
pub mod feed;
mod joined;
mod machine;
mod message;
mod meter;
mod publishing;
mod quality;

pub use catch_up::CatchUpStats;
pub use config::Config;
pub use face::{Command, Cursor, Event, Message, Published, Refused, Stats};
pub use feed::{FeedConfig, FeedStats};
pub use machine::{Router, Timer};
pub use message::{Body, Compare, Wire};
pub use meter::Rate;
pub use quality::Quality;
