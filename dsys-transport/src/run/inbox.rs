//! From a peer's stream to the machine's inputs.

use dsys_core::NodeId;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::frame::{self, FrameError, FrameReader};
use crate::node::IncomingUni;

/// What a driver's helpers tell it.
#[derive(Debug)]
pub(super) enum Arrival<T> {
    /// A peer's message, and its size in bytes.
    Message(NodeId, T, usize),
    /// A peer sent what is no message.
    Violation(NodeId, String),
    /// Messages to this peer cannot be delivered.
    Unreachable(NodeId),
    /// Nothing was sent to this peer for a while, on the outbox of this number.
    Idle(NodeId, u64),
}

/// Reads one stream of messages until its end. Waits when the driver's inbox is full, and then the peer waits.
pub(super) async fn read<T: DeserializeOwned>(
    incoming: IncomingUni,
    to: mpsc::Sender<Arrival<T>>,
    max: usize,
) {
    let IncomingUni { peer, stream } = incoming;
    let mut frames = FrameReader::new(stream, max);
    loop {
        let arrival = match frames.next().await {
            Ok(Some(bytes)) => match frame::decode(&bytes) {
                Ok(message) => Arrival::Message(peer, message, bytes.len()),
                Err(error) => Arrival::Violation(peer, error.to_string()),
            },
            // A stream that is cut ends with its connection, or with the peer's protocol: no fault.
            Ok(None) | Err(FrameError::Io(_)) => return,
            Err(error) => Arrival::Violation(peer, error.to_string()),
        };
        let last = matches!(arrival, Arrival::Violation(..));
        if to.send(arrival).await.is_err() || last {
            return;
        }
    }
}
