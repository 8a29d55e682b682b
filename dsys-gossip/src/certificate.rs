//! A replicated set of items whose deletions stay: death certificates, Demers et al. 1987, §2.
//!
//! Items spread by anti-entropy, the later word on a key wins. An item that is only taken away would come back from
//! whoever still has it; so a deletion is an entry too, a *death certificate*. To keep all of them for ever costs too much,
//! to drop them after a time lets whoever was away for longer bring the item back. Between the two (§2.1, §2.2):
//!
//! - All sites keep a certificate for [`Config::t1`]. Then most drop it, and `r` *retention sites*, named in it, keep it
//!   dormant for [`Config::t2`] more: they do not spread it.
//! - A dormant certificate that meets an item which it outlives awakes: its *activation stamp* is set to now, and it spreads
//!   once more like new. Its ordinary stamp stays, so an item that was written after the deletion is not hurt.
//!
//! What is our own: nobody drops a certificate before some retention site is known to hold it, else a partition between
//! the deleter and all its sites would lose it. Which sites hold it spreads with it.
//!
//! A site that has dropped the certificate may show the item for as long as the awakened one takes to get there. An
//! item comes back for good only if it is away for longer than t1 + t2, or if all sites that hold the certificate are lost.
//! Stamps are of wall clocks: they must agree better than the time between a write and a deletion that should undo it.

mod config;
mod entry;
mod machine;
mod message;

pub use config::Config;
pub use entry::{Entry, Stamp, What};
pub use machine::{Command, Event, Replica, Stats, Timer};
pub use message::{Message, Seen};
