//! The contract that every transport keeps, as tests that anybody can run over their own transport.
//!
//! Implement [`Harness`], which makes fresh pairs of transports, and let
//! [`conformance_tests!`](crate::conformance_tests) write one `#[tokio::test]` for each clause:
//!
//! ```
//! use dsys_core::NodeId;
//! use dsys_transport::conformance::{Harness, Pair};
//! use dsys_transport::{MemoryNetwork, MemoryTransport, Transport};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     type Transport = MemoryTransport;
//!
//!     async fn pair(&self) -> Result<Pair<MemoryTransport>, String> {
//!         let network = MemoryNetwork::new();
//!         let left = network.transport(NodeId::from_number(1));
//!         let right = network.transport(NodeId::from_number(2));
//!         Ok(Pair { left_addr: left.id().into(), right_addr: right.id().into(), left, right })
//!     }
//! }
//!
//! dsys_transport::conformance_tests!(Memory);
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), dsys_transport::conformance::Failure> {
//! #     dsys_transport::conformance::dial_proves_both_ids(&Memory).await
//! # }
//! ```
//!
//! Or call [`all`], or one clause, from a program: nothing here panics, and a [`Failure`] names the clause and what
//! was seen instead. No clause depends on how fast the machine is: deadlines are generous, and where something must
//! *not* happen a slow machine can only make the test miss a fault.

mod cancel;
mod close;
mod data;
mod dial;
mod pressure;
mod streams;
mod support;

use std::future::Future;
use std::time::Duration;

use dsys_core::NodeAddr;

use crate::transport::Transport;

pub use cancel::{
    accept_bi_is_cancel_safe, accept_is_cancel_safe, accept_uni_is_cancel_safe, dial_is_cancel_safe,
    open_is_cancel_safe, read_is_cancel_safe, recv_datagram_is_cancel_safe, shutdown_is_cancel_safe,
    write_is_cancel_safe,
};
pub use close::{
    close_fails_what_is_pending, close_is_abortive, close_is_seen_with_its_code, dropping_all_handles_closes,
    shutdown_ends_everything,
};
pub use data::{
    chunks_arrive_intact, datagrams_arrive_whole, large_transfers_arrive_intact, many_streams_arrive_intact,
};
pub use dial::{dial_of_a_wrong_id_fails, dial_proves_both_ids};
pub use pressure::{
    a_kind_not_accepted_blocks_nothing, a_thousand_streams_of_each_kind, datagram_send_never_blocks,
    opens_wait_at_the_limit, writes_wait_for_the_reader,
};
pub use streams::{
    a_half_closed_stream_still_answers, a_stream_is_invisible_before_its_first_byte,
    dropping_a_receiver_stops_the_sender, dropping_an_unfinished_stream_resets_it,
    dropping_during_a_write_resets, finishing_is_a_clean_end, priority_is_accepted, reset_carries_its_code,
    stop_carries_its_code,
};
pub use support::poll_then_drop;

/// How long one clause may take before it counts as broken.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Makes transports of the kind that is tested.
pub trait Harness: Sync {
    /// The kind.
    type Transport: Transport;

    /// Two fresh transports that can reach each other, with default bounds. The clauses drop them when they are done.
    ///
    /// # Errors
    /// What went wrong, in words; the clause fails with it.
    fn pair(&self) -> impl Future<Output = Result<Pair<Self::Transport>, String>> + Send;

    /// False for a transport that has no datagrams, and says so by `max_datagram_size`.
    fn has_datagrams(&self) -> bool {
        true
    }
}

/// Two transports, and how each is dialled.
#[derive(Debug)]
pub struct Pair<T> {
    /// One.
    pub left: T,
    /// Where `right` reaches it.
    pub left_addr: NodeAddr,
    /// The other.
    pub right: T,
    /// Where `left` reaches it.
    pub right_addr: NodeAddr,
}

/// A clause that a transport breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transport breaks the clause \"{clause}\": {seen}")]
#[non_exhaustive]
pub struct Failure {
    /// The clause, in the words of its documentation.
    pub clause: &'static str,
    /// What happened instead.
    pub seen: String,
}

/// Runs every clause, one after the other, and gives the first failure.
///
/// # Errors
/// The first clause that is broken.
pub async fn all<H: Harness>(harness: &H) -> Result<(), Failure> {
    crate::conformance_tests!(@clauses all (harness))
}

/// Writes one `#[tokio::test]` per clause of the [`conformance`](crate::conformance) suite. The argument is an
/// expression that gives a harness; it is evaluated in each test. The crate that calls it needs `tokio` with its
/// feature `macros`.
#[macro_export]
macro_rules! conformance_tests {
    (@clauses $then:tt $args:tt) => {
        $crate::conformance_tests! { @$then $args
            dropping_an_unfinished_stream_resets_it
            dropping_during_a_write_resets
            finishing_is_a_clean_end
            reset_carries_its_code
            stop_carries_its_code
            dropping_a_receiver_stops_the_sender
            a_half_closed_stream_still_answers
            priority_is_accepted
            a_stream_is_invisible_before_its_first_byte
            dial_proves_both_ids
            dial_of_a_wrong_id_fails
            dial_is_cancel_safe
            accept_is_cancel_safe
            open_is_cancel_safe
            accept_uni_is_cancel_safe
            accept_bi_is_cancel_safe
            recv_datagram_is_cancel_safe
            read_is_cancel_safe
            write_is_cancel_safe
            shutdown_is_cancel_safe
            writes_wait_for_the_reader
            opens_wait_at_the_limit
            a_thousand_streams_of_each_kind
            a_kind_not_accepted_blocks_nothing
            datagram_send_never_blocks
            close_is_seen_with_its_code
            close_is_abortive
            close_fails_what_is_pending
            dropping_all_handles_closes
            shutdown_ends_everything
            large_transfers_arrive_intact
            many_streams_arrive_intact
            chunks_arrive_intact
            datagrams_arrive_whole
        }
    };
    (@all ($harness:expr) $($clause:ident)*) => {{
        $($crate::conformance::$clause($harness).await?;)*
        Ok(())
    }};
    (@tests ($harness:expr) $($clause:ident)*) => {
        $(
            #[tokio::test]
            async fn $clause() -> ::std::result::Result<(), $crate::conformance::Failure> {
                $crate::conformance::$clause(&$harness).await
            }
        )*
    };
    ($harness:expr) => {
        $crate::conformance_tests!(@clauses tests ($harness));
    };
}
