#![doc = include_str!("../README.md")]

mod error;
mod transport;

pub use error::{CloseReason, DatagramError, DialError, StreamError, code};
pub use transport::{Connection, RecvStream, SendStream, Transport};
