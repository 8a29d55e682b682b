#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
#[cfg(feature = "mdns")]
mod mdns;
mod memory;
mod transport;

pub use error::{CloseReason, DatagramError, DialError, StreamError, code};
#[cfg(feature = "mdns")]
pub use mdns::{Mdns, MdnsError};
pub use memory::{
    Death, Latency, MemoryConfig, MemoryConnection, MemoryNetwork, MemoryRecv, MemorySend, MemoryStats,
    MemoryTransport, UnknownDials,
};
pub use transport::{Connection, RecvStream, SendStream, Transport};
