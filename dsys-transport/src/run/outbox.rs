//! From the machine's messages to one stream per peer.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dsys_core::NodeId;
use serde::Serialize;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::inbox::Arrival;
use super::{Counters, Frame, RunConfig};
use crate::frame;
use crate::node::{Node, Protocol, SendHalf};
use crate::tag::Tag;

/// At most so many bytes of waiting frames are joined into one write.
const JOIN: usize = 64 * 1024;

/// The queues of messages to peers, each with a task that writes it to a stream.
pub(super) struct Outboxes<T> {
    node: Node,
    tag: Tag,
    config: RunConfig,
    arrivals: mpsc::Sender<Arrival<T>>,
    counters: Arc<Counters>,
    queues: HashMap<NodeId, Outbox>,
    writers: JoinSet<()>,
    serial: u64,
    buffer: Vec<u8>,
    message: PhantomData<fn(T)>,
}

struct Outbox {
    serial: u64,
    queue: mpsc::Sender<Frame>,
}

impl<T: Serialize + Send + 'static> Outboxes<T> {
    pub(super) fn new(
        protocol: &Protocol,
        config: &RunConfig,
        arrivals: mpsc::Sender<Arrival<T>>,
        counters: Arc<Counters>,
    ) -> Self {
        Outboxes {
            node: protocol.node().clone(),
            tag: protocol.tag(),
            config: config.clone(),
            arrivals,
            counters,
            queues: HashMap::new(),
            writers: JoinSet::new(),
            serial: 0,
            buffer: Vec::new(),
            message: PhantomData,
        }
    }

    /// Queues a message, or drops and counts it where a bound is reached. Gives the size of its frame in bytes, and
    /// whether it was queued.
    pub(super) fn send(&mut self, to: NodeId, message: &T) -> (usize, bool) {
        self.buffer.clear();
        if let Err(error) = frame::encode(message, self.config.max_message, &mut self.buffer) {
            debug!(peer = %to, %error, "a message was not sent");
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return (0, false);
        }
        let size = self.buffer.len();
        if self.send_datagram(to) {
            return (size, true);
        }
        let mut frame = Bytes::copy_from_slice(&self.buffer);
        // Once more if the writer has ended just now.
        for _ in 0..2 {
            let Some(queue) = self.queue(to) else {
                break;
            };
            match queue.try_send(frame) {
                Ok(()) => return (size, true),
                Err(TrySendError::Full(_)) => break,
                Err(TrySendError::Closed(back)) => {
                    frame = back;
                    self.queues.remove(&to);
                }
            }
        }
        self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        (size, false)
    }

    /// Messages that wait are dropped; what is being written is cut off.
    pub(super) fn close(&mut self, peer: &NodeId) {
        self.queues.remove(peer);
    }

    /// The writer of this number has had nothing to do: it finishes its stream when its queue is closed.
    pub(super) fn close_idle(&mut self, peer: &NodeId, serial: u64) {
        if self.queues.get(peer).is_some_and(|outbox| outbox.serial == serial) {
            self.queues.remove(peer);
        }
    }

    /// Writes what waits and finishes the streams. The node's deadline cuts this off.
    pub(super) async fn finish(mut self) {
        self.queues.clear();
        while self.writers.join_next().await.is_some() {}
    }

    fn send_datagram(&self, to: NodeId) -> bool {
        if self.buffer.len() > self.config.datagrams_up_to {
            return false;
        }
        // A datagram has its own length, so the frame's is left out.
        let Some(payload) = frame::payload(&self.buffer) else {
            return false;
        };
        let sent = self.node.send_datagram(to, self.tag, payload).is_ok();
        if sent {
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    fn queue(&mut self, to: NodeId) -> Option<&mpsc::Sender<Frame>> {
        if !self.queues.contains_key(&to) {
            while self.writers.try_join_next().is_some() {}
            if self.writers.len() >= self.config.max_outboxes {
                return None;
            }
            let (queue, frames) = mpsc::channel(self.config.outbox.max(1));
            self.serial += 1;
            let writer = Writer {
                node: self.node.clone(),
                tag: self.tag,
                peer: to,
                serial: self.serial,
                idle: self.config.stream_idle,
                arrivals: self.arrivals.clone(),
                counters: self.counters.clone(),
            };
            self.writers.spawn(writer.run(frames));
            self.queues.insert(to, Outbox { serial: self.serial, queue });
        }
        self.queues.get(&to).map(|outbox| &outbox.queue)
    }
}

struct Writer<T> {
    node: Node,
    tag: Tag,
    peer: NodeId,
    serial: u64,
    idle: Duration,
    arrivals: mpsc::Sender<Arrival<T>>,
    counters: Arc<Counters>,
}

impl<T> Writer<T> {
    async fn run(self, mut frames: mpsc::Receiver<Frame>) {
        let opened = self.node.open_uni_spoken(self.peer, self.tag).await;
        let Ok(Some(mut stream)) = opened else {
            match opened {
                Err(error) => debug!(peer = %self.peer, %error, "messages cannot be delivered"),
                Ok(_) => debug!(peer = %self.peer, tag = %self.tag, "the peer does not speak the protocol"),
            }
            // If the driver has ended nobody wants to know.
            let _ = self.arrivals.send(Arrival::Unreachable(self.peer)).await;
            return;
        };
        if let Err(error) = self.write(&mut stream, &mut frames).await {
            // The connection has ended, which the driver hears as `PeerDown`, or the peer has stopped the stream.
            debug!(peer = %self.peer, %error, "a stream of messages ended");
        }
    }

    async fn write(&self, stream: &mut SendHalf, frames: &mut mpsc::Receiver<Frame>) -> std::io::Result<()> {
        loop {
            let first = match timeout(self.idle, frames.recv()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return stream.finish().await,
                Err(_) => {
                    // The driver closes the queue now, or has put another frame into it.
                    if self.arrivals.send(Arrival::Idle(self.peer, self.serial)).await.is_err() {
                        return stream.finish().await;
                    }
                    continue;
                }
            };
            let (bytes, count) = join(first, frames);
            stream.write_chunk(bytes).await?;
            self.counters.sent.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// The first frame and those that wait behind it, as one piece.
fn join(first: Frame, frames: &mut mpsc::Receiver<Frame>) -> (Bytes, u64) {
    let Ok(second) = frames.try_recv() else {
        return (first, 1);
    };
    let mut joined = BytesMut::with_capacity(first.len() + second.len());
    joined.extend_from_slice(&first);
    joined.extend_from_slice(&second);
    let mut count = 2;
    while joined.len() < JOIN {
        let Ok(next) = frames.try_recv() else {
            break;
        };
        joined.extend_from_slice(&next);
        count += 1;
    }
    (joined.freeze(), count)
}
