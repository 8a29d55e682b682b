#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod memory;
mod transport;

pub use error::{CloseReason, DatagramError, DialError, StreamError, code};
pub use memory::{
    Death, Latency, MemoryConfig, MemoryConnection, MemoryNetwork, MemoryRecv, MemorySend, MemoryStats,
    MemoryTransport, UnknownDials,
};
pub use transport::{Connection, RecvStream, SendStream, Transport};
