//! Small states of many participants, each written by one: van Renesse, Dumitriu, Gough, Thomas 2008, "Efficient
//! reconciliation and flow control for anti-entropy protocols" (Scuttlebutt).
//!
//! Every participant has a map of its own, and a number for each of its writes, which only rises (§3). Two that compare tell
//! each other up to which number they know the map of each; what is above that is sent, by each participant's numbers in
//! order, as much as fits into one message. So whoever knows a participant up to a number knows all that it had said by then,
//! and what did not fit comes the next time.
//!
//! Which goes first if not all fits is the [`Order`] (§3.2).
//!
//! What is our own:
//!
//! - *A life has a number too*, the wall clock when it began. A participant that starts with nothing in memory replaces what
//!   its earlier life said, instead of being told its own past.
//! - *Writes say on what they follow*, so that what was meant for a receiver's earlier life is not taken for all that there is.
//! - Digests go by ranges of ids, so that there may be more participants than one message has room for.
//!
//! The paper's flow control (§4) is left out: whoever writes faster than its numbers spread is late, and its earlier values
//! are never sent. Participants are trusted: whoever passes a map on can say what it likes of another's. Where that matters,
//! publish signed messages in a topic instead.

mod config;
mod machine;
mod message;
mod state;

pub use config::{Config, Order};
pub use machine::{Command, Event, Scuttlebutt, Stats, Timer};
pub use message::{Known, Message, Version, Write, Writes};
