#![doc = include_str!("../README.md")]

mod bounded;
pub mod chord;
#[cfg(feature = "net")]
mod handle;
pub mod kademlia;
mod key;
mod overlay;
pub mod records;
#[cfg(feature = "net")]
mod routing;
pub mod store;
mod window;

pub use bounded::Bounded;
pub use chord::Chord;
#[cfg(feature = "net")]
pub use handle::{
    Builder, Dht, Ended, Fetched, FetchedMany, Found, NoStore, Progress, Providers, Put, Resolved,
    StartError, Watch,
};
pub use kademlia::Kademlia;
pub use key::{Distance, Key, ParseKeyError};
pub use overlay::{Command, Event, FindError, Mode, Overlay, QueryId, QueryReport, Step};
pub use records::{GetError, PutError};
#[cfg(feature = "net")]
pub use routing::{ContentRouting, PeerRouting};
#[cfg(feature = "redb")]
pub use store::RedbStore;
