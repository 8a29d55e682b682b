//! Records above any overlay: put, get, publish, provide.
//!
//! [`Records`] is a [`Machine`](dsys_core::Machine) that embeds an [`Overlay`](crate::Overlay). The overlay says who is
//! responsible for a key; what lies there, whether it holds, how long it is kept and who else should have it is
//! decided here, once for all overlays. Its parts:
//!
//! - [`record`](Record): what is kept, and what makes it true;
//! - the table: what this node keeps, within a budget, until it expires;
//! - put and get: each walks once, and what is said about records rides beside the overlay's own questions;
//! - sweep and bulk: many records at once, with one search for each region of the space;
//! - the holder: what is answered to others, within limits for each of them;
//! - repair: offers to those who became responsible, republishing, hand-over.

mod bulk;
mod call;
mod change;
mod clock;
mod command;
mod config;
mod get;
mod holder;
mod machine;
mod message;
mod put;
mod quota;
mod record;
mod repair;
mod report;
mod searches;
mod sweep;
mod table;
mod value;

pub use change::{Change, DamagedRecord};
pub use clock::UnixTime;
pub use command::{Command, Event};
pub use config::Config;
pub use machine::{Records, Stats, Timer};
pub use message::{Ask, Letter, Message, Offered, Refused, Tell};
pub use record::{
    Invalid, Kind, Mutable, Provider, Record, RecordId, Rules, Validator, immutable_key, mutable_key,
};
pub use report::{
    BulkReport, GetError, Got, GotMany, LeaveReport, PeerError, PutError, PutReport, SweepReport,
};
pub use value::{Salt, Short, TooLong, Value};
