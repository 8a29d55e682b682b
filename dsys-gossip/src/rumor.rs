//! Rumour mongering: every epidemic of Demers et al. 1987, "Epidemic Algorithms for Replicated Database Maintenance",
//! §1.4, under one [`Variant`].
//!
//! A node that hears something new is *infective*: the rumour is hot, and in every cycle the node talks about it with
//! one random peer. It loses interest as the variant says, and is then *removed*: it knows, but does not talk. The
//! epidemic dies out by itself, and a few nodes may never hear; anti-entropy finds those.
//!
//! The rules that the paper leaves to its reader, as its tables bear them out:
//!
//! - A node judges news, and answers a pull, by what it knew when its present cycle began. Two pushes that meet in one
//!   cycle are both news.
//! - What a cycle does to a rumour is settled when it ends: if any contact was news, the counter starts again (with
//!   `reset`); if there were contacts and none was, they count as one (the paper's note to table 3).
//! - In push-pull the node that is contacted speaks first, and the other pushes what it was not just sent.

mod config;
mod machine;
mod message;
mod spreading;
mod variant;

pub use crate::peers::Sites;
pub use config::Config;
pub use machine::{Command, Event, Rumor, Stats, Timer};
pub use message::{Message, Update, Verdict};
pub use variant::{Direction, Judgement, Loss, Variant};
