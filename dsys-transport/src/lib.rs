#![doc = include_str!("../README.md")]

mod error;
#[cfg(feature = "quic")]
mod quic;
mod transport;

pub use error::{CloseReason, DatagramError, DialError, StreamError, code};
#[cfg(feature = "quic")]
pub use quic::{Quic, QuicConfig, QuicConnection, QuicRecv, QuicSend};
pub use transport::{Connection, RecvStream, SendStream, Transport};
