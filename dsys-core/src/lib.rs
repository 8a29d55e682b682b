#![doc = include_str!("../README.md")]

mod addr;
mod compose;
mod id;
mod machine;
mod rng;
mod time;
pub mod trace;
mod zbase32;

#[cfg(feature = "stateright")]
pub mod check;
#[cfg(feature = "keys")]
mod domain;
#[cfg(all(feature = "keys", any(test, fuzzing)))]
pub mod fuzzing;
#[cfg(feature = "keys")]
mod key_file;
#[cfg(feature = "keys")]
mod keys;
#[cfg(feature = "keys")]
mod ticket;

pub use addr::NodeAddr;
#[cfg(feature = "keys")]
pub use domain::Domain;
pub use id::NodeId;
#[cfg(feature = "keys")]
pub use key_file::KeyFileError;
#[cfg(feature = "keys")]
pub use keys::{ParseIdError, SecretKey, Signature, Signer, VerifyError};
pub use machine::{Context, Effect, Input, Machine, Token, Write};
pub use rng::Rng;
#[cfg(feature = "keys")]
pub use ticket::{ParseTicketError, Ticket};
pub use time::Time;
