#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(feature = "mdns")]
mod mdns;
mod memory;
mod node;
#[cfg(feature = "quic")]
mod quic;
mod rpc;
mod run;
mod switch;
mod tag;
mod transport;

pub use error::{CloseReason, DatagramError, DialError, StreamError, code};
#[cfg(feature = "mdns")]
pub use mdns::{Discovery, Mdns, MdnsError};
pub use memory::{
    Death, Latency, MemoryConfig, MemoryConnection, MemoryNetwork, MemoryRecv, MemorySend, MemoryStats,
    MemoryTransport, UnknownDials,
};
pub use node::{
    Incoming, IncomingUni, Node, NodeConfig, NodeStats, OpenError, PeerChange, PeerStats, PeerWatch,
    Protocol, ProtocolConfig, ProtocolError, RecvHalf, SendHalf, ShutdownReport, Stream,
};
#[cfg(feature = "quic")]
pub use quic::{Quic, QuicConfig, QuicConnection, QuicRecv, QuicSend};
pub use rpc::{RequestError, RpcConfig, Service};
pub use run::{
    Disk, Ended, MemoryDisk, NoDisk, RunConfig, RunError, RunStats, Running, TraceSink, run, run_with,
};
pub use switch::{Switch, Switched};
pub use tag::{BadTag, Tag};
pub use transport::{Connection, RecvStream, SendStream, Transport, TransportStats};
