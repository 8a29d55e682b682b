//! A connection that is up, and the task that serves it.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::NodeId;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::erased::{BoxRecv, BoxSend, DynConnection};
use super::hello::{self, Control, Hello};
use super::meter::{InUse, Meter, Usage};
use super::protocol::{self, Inbound};
use super::stream::{RecvHalf, SendHalf, Stream, refuse};
use super::table::Shared;
use crate::error::{CloseReason, DatagramError, code};
use crate::frame::{self, FrameError, FrameReader};
use crate::tag::{Prefix, Tag};
use crate::transport::Connection;

/// A connection. It is in use once both ends have said HELLO; a request may go out after our own.
pub(crate) struct Link {
    /// Unlike any other link's of this node.
    pub(super) serial: u64,
    pub(super) peer: NodeId,
    /// Whether we dialled it.
    pub(super) dialled: bool,
    /// The peer's instance, see [`Hello`]; empty until its HELLO is here.
    instance: OnceLock<u64>,
    pub(super) meter: Arc<Meter>,
    connection: Box<dyn DynConnection>,
    protocols: Mutex<Arc<[Tag]>>,
    /// The protocols that the peer has opened streams of.
    inbound: Mutex<HashMap<Tag, Arc<Inbound>>>,
    /// The version of our protocols before our HELLO told them.
    told: u64,
    /// We have said GOAWAY, or the peer has: no new stream may be opened.
    going: AtomicBool,
    say_goaway: Notify,
    say_drained: Notify,
}

impl Link {
    pub(super) fn new<C: Connection>(shared: &Shared, connection: &C, dialled: bool) -> Arc<Self> {
        Arc::new(Link {
            serial: shared.next_serial(),
            peer: connection.peer(),
            dialled,
            instance: OnceLock::new(),
            meter: Meter::new(),
            connection: Box::new(connection.clone()),
            protocols: Mutex::new([].into()),
            inbound: Mutex::new(HashMap::new()),
            told: *shared.announced().borrow(),
            going: AtomicBool::new(false),
            say_goaway: Notify::new(),
            say_drained: Notify::new(),
        })
    }

    /// The peer's HELLO is here.
    pub(super) fn greeted(&self, hello: &Hello) {
        *self.protocols.lock().unwrap_or_else(PoisonError::into_inner) = hello.protocols.clone().into();
        // There is one HELLO on a connection.
        let _ = self.instance.set(hello.instance);
    }

    /// The peer's instance; `None` until its HELLO is here.
    pub(super) fn instance(&self) -> Option<u64> {
        self.instance.get().copied()
    }

    /// Whether the peer's HELLO is here.
    pub(super) fn is_greeted(&self) -> bool {
        self.instance.get().is_some()
    }

    /// Whether new streams may be opened.
    pub(super) fn is_usable(&self) -> bool {
        !self.going.load(Ordering::Acquire)
    }

    pub(super) async fn open(&self, tag: Tag) -> Result<Stream, CloseReason> {
        let usage = Usage::outbound(&self.meter);
        let (send, recv) = match self.connection.try_open_bi() {
            Some(opened) => opened?,
            None => self.connection.open_bi().await?,
        };
        self.meter.opened.fetch_add(1, Ordering::AcqRel);
        Ok(Stream {
            send: SendHalf::tagged(send, tag, usage.clone()),
            recv: RecvHalf::untagged(recv, Some(usage)),
        })
    }

    pub(super) async fn open_uni(&self, tag: Tag) -> Result<SendHalf, CloseReason> {
        let usage = Usage::outbound(&self.meter);
        let send = match self.connection.try_open_uni() {
            Some(opened) => opened?,
            None => self.connection.open_uni().await?,
        };
        self.meter.opened.fetch_add(1, Ordering::AcqRel);
        Ok(SendHalf::tagged(send, tag, usage))
    }

    pub(super) fn send_datagram(&self, data: Bytes) -> Result<(), DatagramError> {
        let length = data.len() as u64;
        self.connection.send_datagram(data)?;
        self.meter.datagrams.fetch_add(1, Ordering::AcqRel);
        self.meter.sent.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn max_datagram_size(&self) -> Option<usize> {
        self.connection.max_datagram_size()
    }

    pub(super) fn remote_addr(&self) -> Option<std::net::SocketAddr> {
        self.connection.remote_addr()
    }

    pub(super) fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    pub(super) fn protocols(&self) -> Arc<[Tag]> {
        self.protocols.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn speaks(&self, tag: &Tag) -> bool {
        self.protocols().contains(tag)
    }

    /// The peer has shown that it speaks this: it says so, too, but on a stream of its own, which may come later. `false` if
    /// that was known.
    pub(super) fn learn(&self, tag: Tag) -> bool {
        let mut protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !protocols.contains(&tag);
        if new {
            *protocols = protocols.iter().copied().chain([tag]).collect();
        }
        new
    }

    pub(super) fn close(&self, code: u32, reason: &str) {
        self.connection.close(code, reason);
    }

    /// Tells the peer that no more streams are accepted, and opens none.
    pub(super) fn go_away(&self) {
        self.going.store(true, Ordering::Release);
        self.say_goaway.notify_one();
    }

    /// After [`go_away`](Self::go_away): once no stream lives here, tells the peer so, which then closes the
    /// connection when it has read everything. Says whether it was time.
    pub(super) fn drain(&self) -> bool {
        let drained = self.meter.streams.load(Ordering::Acquire) == 0;
        if drained {
            self.say_drained.notify_one();
        }
        drained
    }

    /// What the peer has open of the protocol `tag`, and its limits; `None` if it is not spoken here.
    pub(super) fn inbound(&self, shared: &Shared, tag: Tag) -> Option<Arc<Inbound>> {
        let mut inbound = self.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        match inbound.get(&tag) {
            Some(known) if known.is_spoken() => return Some(known.clone()),
            Some(_) => drop(inbound.remove(&tag)),
            None => {}
        }
        let new = Arc::new(Inbound::new(protocol::entry(shared, &tag)?));
        inbound.insert(tag, new.clone());
        Some(new)
    }
}

/// Serves a link until its connection ends. The link is in the table already.
pub(super) async fn serve<C: Connection>(
    shared: Arc<Shared>,
    link: Arc<Link>,
    connection: C,
    control: SendHalf,
    frames: FrameReader,
) {
    // Requests come as streams in both directions. Accepted in a task of their own, they wake nothing else.
    shared.spawn({
        let (shared, link, connection) = (shared.clone(), link.clone(), connection.clone());
        async move { drop(accept_bi(&shared, &link, &connection).await) }
    });
    let reason = tokio::select! {
        reason = accept_uni(&shared, &link, &connection) => reason,
        reason = datagrams(&shared, &link, &connection) => reason,
        reason = speak(&shared, &link, control) => reason,
        error = listen(&shared, &link, frames) => violation(&shared, &link, &connection, &error).await,
    };
    debug!(peer = %link.peer, %reason, "a connection ended");
    shared.table().remove(&link);
    shared.counters.sent.fetch_add(link.meter.sent.load(Ordering::Relaxed), Ordering::Relaxed);
    shared.counters.received.fetch_add(link.meter.received.load(Ordering::Relaxed), Ordering::Relaxed);
    connection.close(code::DONE, "");
}

/// Closes connections that nobody uses.
pub(super) async fn close_idle(shared: Arc<Shared>) {
    let limit = shared.config.idle_timeout;
    loop {
        tokio::time::sleep((limit / 4).max(Duration::from_millis(10))).await;
        let links = shared.table().links();
        for link in links {
            if !link.is_usable() {
                // It has been told, a round ago at least. What still runs may go on; then the peer closes.
                link.drain();
            } else if link.meter.idle_for() >= limit {
                link.go_away();
                shared.table().detach(&link);
            }
        }
    }
}

async fn accept_bi<C: Connection>(shared: &Arc<Shared>, link: &Arc<Link>, connection: &C) -> CloseReason {
    let mut late = JoinSet::new();
    loop {
        match connection.accept_bi().await {
            Ok((send, recv)) => {
                // Counted as in use before it counts as accepted: a drain never sees it as neither.
                let in_use = InUse::new(&link.meter);
                link.meter.accepted.fetch_add(1, Ordering::AcqRel);
                let send: BoxSend = Box::new(send);
                let recv: BoxRecv = Box::new(recv);
                let send = SendHalf::untagged(send, None);
                sort(shared, link, &mut late, in_use, Some(send), RecvHalf::untagged(recv, None)).await;
            }
            Err(reason) => return reason,
        }
    }
}

async fn accept_uni<C: Connection>(shared: &Arc<Shared>, link: &Arc<Link>, connection: &C) -> CloseReason {
    let mut late = JoinSet::new();
    loop {
        match connection.accept_uni().await {
            Ok(recv) => {
                let in_use = InUse::new(&link.meter);
                link.meter.accepted.fetch_add(1, Ordering::AcqRel);
                let recv: BoxRecv = Box::new(recv);
                sort(shared, link, &mut late, in_use, None, RecvHalf::untagged(recv, None)).await;
            }
            Err(reason) => return reason,
        }
    }
}

/// Hands a new stream to its protocol. The tag came with the first bytes as a rule; where it did not, a bounded
/// number of streams wait for it, for a bounded time, beside the others.
async fn sort(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    late: &mut JoinSet<()>,
    in_use: InUse,
    send: Option<SendHalf>,
    mut recv: RecvHalf,
) {
    let now = {
        let mut tag = pin!(recv.read_tag());
        poll_fn(|cx| Poll::Ready(tag.as_mut().poll(cx))).await
    };
    if let Poll::Ready(tag) = now {
        return protocol::dispatch(shared, link, tag, in_use, send, recv);
    }
    while late.try_join_next().is_some() {}
    if late.len() >= shared.config.max_untagged {
        shared.counters.busy.fetch_add(1, Ordering::Relaxed);
        return refuse(send, recv, code::BUSY);
    }
    let (shared, link) = (shared.clone(), link.clone());
    late.spawn(async move {
        match timeout(shared.config.hello_timeout, recv.read_tag()).await {
            Ok(tag) => protocol::dispatch(&shared, &link, tag, in_use, send, recv),
            Err(_) => refuse(send, recv, code::IDLE),
        }
    });
}

async fn datagrams<C: Connection>(shared: &Shared, link: &Link, connection: &C) -> CloseReason {
    loop {
        let mut data = match connection.recv_datagram().await {
            Ok(data) => data,
            Err(reason) => return reason,
        };
        link.meter.datagrams.fetch_add(1, Ordering::AcqRel);
        link.meter.received.fetch_add(data.len() as u64, Ordering::Relaxed);
        // A datagram may be damaged or late in every other way, so an unknown tag costs it no more than itself.
        let delivered = match Tag::read_prefix(&data) {
            Prefix::Tag(tag, length) => {
                let payload = data.split_off(length);
                protocol::datagram(shared, link.peer, tag, payload)
            }
            _ => false,
        };
        if !delivered {
            shared.counters.datagrams_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Says on the control stream what changes at our end.
async fn speak(shared: &Shared, link: &Link, mut control: SendHalf) -> CloseReason {
    let mut announced = shared.announced();
    // What has changed since our HELLO is told as well.
    if *announced.borrow() != link.told {
        announced.mark_changed();
    }
    let mut bytes = Vec::new();
    loop {
        let message = tokio::select! {
            // A drain is said after the GOAWAY that it follows.
            biased;
            Ok(()) = announced.changed() => Control::Protocols(shared.tags()),
            () = link.say_goaway.notified() => Control::GoAway,
            () = link.say_drained.notified() => {
                Control::Drained { streams: link.meter.opened.load(Ordering::Acquire) }
            }
        };
        bytes.clear();
        // Both are far below the bound, and plain data.
        if frame::encode(&message, hello::MAX_FRAME, &mut bytes).is_ok() {
            // If this fails the connection has ended, and whoever waits for that knows better why.
            let _ = control.write_chunk(Bytes::copy_from_slice(&bytes)).await;
        }
    }
}

/// Follows what the peer says on its control stream; ends when it breaks a rule.
async fn listen(shared: &Shared, link: &Arc<Link>, mut frames: FrameReader) -> FrameError {
    loop {
        match hello::next(&mut frames).await {
            Ok(Some(Control::Hello(_))) => return FrameError::Malformed("a second HELLO".into()),
            Ok(Some(Control::Protocols(tags))) => {
                *link.protocols.lock().unwrap_or_else(PoisonError::into_inner) = tags.into();
                shared.table().changed();
            }
            Ok(Some(Control::GoAway)) => {
                link.going.store(true, Ordering::Release);
                shared.table().detach(link);
            }
            Ok(Some(Control::Drained { streams })) => {
                // Counted, not signalled, as in `Node::shutdown`. If this never comes true, the peer's patience
                // or the silence of the connection ends it.
                let mut pause = Duration::from_millis(1);
                while link.meter.accepted.load(Ordering::Acquire) < streams
                    || link.meter.streams.load(Ordering::Acquire) > 0
                {
                    sleep(pause).await;
                    pause = (2 * pause).min(Duration::from_millis(50));
                }
                link.close(code::DONE, "all streams are over");
            }
            Ok(None) => return FrameError::Malformed("the control stream ended".into()),
            Err(error) => return error,
        }
    }
}

/// The peer broke a rule on its control stream, or the stream ended because the connection did.
async fn violation<C: Connection>(
    shared: &Shared,
    link: &Link,
    connection: &C,
    error: &FrameError,
) -> CloseReason {
    if let FrameError::Io(_) = error {
        // A control stream that is reset alone is a violation; with its connection it is not.
        if let Ok(reason) = timeout(Duration::from_millis(100), connection.closed()).await {
            return reason;
        }
    }
    shared.counters.violations.fetch_add(1, Ordering::Relaxed);
    debug!(peer = %link.peer, %error, "the peer broke a rule of dsys/1");
    connection.close(code::VIOLATION, &error.to_string());
    CloseReason::Local(code::VIOLATION)
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("serial", &self.serial).field("peer", &self.peer).finish_non_exhaustive()
    }
}
