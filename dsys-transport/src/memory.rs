//! A network inside one process, for tests and for examples that need no sockets.
//!
//! [`MemoryNetwork`] joins any number of nodes. Latency, loss, partitions and crashes are switched on the network
//! while it runs. Time is tokio's, so a test with `tokio::time::pause` sees hours pass in an instant. While there is
//! no latency a write goes straight into the reader's buffer and wakes it: no task or timer lies between.
//!
//! ```
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use dsys_core::NodeId;
//! use dsys_transport::{Connection, MemoryNetwork, Transport};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let network = MemoryNetwork::new();
//! let (a, b) = (network.transport(NodeId::from_number(1)), network.transport(NodeId::from_number(2)));
//! let dialled = a.dial(&b.id().into()).await?;
//! let accepted = b.accept().await.ok_or("shut down")?;
//!
//! let mut send = dialled.open_uni().await?;
//! send.write_all(b"hello").await?;
//! send.shutdown().await?;
//! let mut text = String::new();
//! accepted.accept_uni().await?.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(demo()).unwrap();
//! ```

mod conditions;
mod config;
mod connection;
mod end;
mod frame;
mod host;
mod network;
mod pipe;
mod recv;
mod send;
mod state;
mod wakes;
mod wire;

pub use conditions::Latency;
pub use config::{Death, MemoryConfig, MemoryStats, UnknownDials};
pub use connection::MemoryConnection;
pub use host::MemoryTransport;
pub use network::MemoryNetwork;
pub use recv::MemoryRecv;
pub use send::MemorySend;
