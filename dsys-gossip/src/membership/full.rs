//! Full views: Das, Gupta, Motivala 2002, "SWIM: scalable weakly-consistent infection-style process group membership
//! protocol", with the extensions of Dadgar, Phillips, Currey 2017, "Lifeguard: local health awareness for more accurate
//! failure detection".
//!
//! Every node knows all others. In each period it pings one of them; if no answer comes it asks others to try (SWIM §4.1).
//! What it finds out rides on these messages (§4.2): who is there, who is suspected (§4.3), who is down. A suspected node
//! that hears of it refutes with a higher incarnation, and so does one that was taken for dead: its identity renews itself.
//!
//! Of Lifeguard: a node whose probes fail doubts itself and waits longer (local health, §IV.A); a suspicion ends the
//! sooner the more nodes share it (§IV.B); whoever is spoken to and suspected is told so first (the buddy system, §IV.C).
//!
//! What is our own:
//!
//! - *Nobody is declared down on hearsay.* Whoever is about to declare a node down pings it itself, several times; any word
//!   from it ends the suspicion. A claim that a node is dead only makes the listener look sooner. So a liar costs its
//!   listeners a few pings, and a suspicion of one's own may be short.
//! - A word of doubt never raises an incarnation, and a word of life only by [`Config::max_jump`], so that nobody can be
//!   outbid for good.
//! - Where a message has room for it, it carries something old: so whoever the epidemic has missed hears of it later.
//! - Nodes that are down are remembered for a while, and one is tried now and then: so a partition heals.

mod config;
mod gossip;
mod learning;
mod machine;
mod member;
mod message;
mod suspicion;

pub use config::{Config, Targets};
pub use machine::{Command, Event, Full, Stats, Timer};
#[cfg(feature = "net")]
pub(crate) use member::size;
pub use member::{Member, MemberInfo, Meta, State};
pub use message::{Claim, Message, Update};
