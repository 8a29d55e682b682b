//! Dialling: one dial per peer at a time, whoever asks for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dsys_core::NodeAddr;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::hello::{self, HelloError};
use super::link::{self, Link};
use super::table::Shared;
use crate::error::{CloseReason, DialError, code};
use crate::frame::FrameError;
use crate::transport::{Connection, Transport};

/// How far a dial has come.
#[derive(Clone)]
pub(super) enum Dialling {
    /// Nobody has answered yet.
    Started,
    /// The peer has proven its key and has our HELLO; whether it takes the connection is not known yet.
    Connected(Arc<Link>),
    /// The outcome.
    Over(Result<Arc<Link>, DialError>),
}

impl Dialling {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Dialling::Over(_))
    }
}

/// Follows a dial under way.
pub(super) type DialState = watch::Receiver<Dialling>;
/// Tells of it.
pub(super) type Progress = Arc<watch::Sender<Dialling>>;

/// The link to a peer: the one that stands, or the outcome of a dial, which goes on when this is dropped.
pub(super) async fn link(shared: &Arc<Shared>, to: &NodeAddr) -> Result<Arc<Link>, DialError> {
    match standing_or_dial(shared, to)? {
        Way::Standing(link) => Ok(link),
        Way::Dial(mut state) => outcome(&mut state).await,
    }
}

/// As [`link`], but as soon as the peer has proven its key. With a state, the peer has not yet said that it takes the
/// connection: if it closes it before its HELLO with DUPLICATE or REFUSED, it has looked at nothing that was sent, and
/// the [`outcome`] gives the connection that is kept, if any.
pub(super) async fn early_link(
    shared: &Arc<Shared>,
    to: &NodeAddr,
) -> Result<(Arc<Link>, Option<DialState>), DialError> {
    let mut state = match standing_or_dial(shared, to)? {
        Way::Standing(link) => return Ok((link, None)),
        Way::Dial(state) => state,
    };
    // Without its sender the dial's task was aborted.
    let reached = state.wait_for(|state| !matches!(state, Dialling::Started)).await;
    match reached.map(|state| state.clone()) {
        Ok(Dialling::Connected(link)) => Ok((link, Some(state))),
        Ok(Dialling::Over(outcome)) => Ok((outcome?, None)),
        Ok(Dialling::Started) | Err(_) => Err(DialError::ShutDown),
    }
}

/// What a dial comes to.
pub(super) async fn outcome(state: &mut DialState) -> Result<Arc<Link>, DialError> {
    match state.wait_for(Dialling::is_over).await.as_deref() {
        Ok(Dialling::Over(outcome)) => outcome.clone(),
        // As above.
        _ => Err(DialError::ShutDown),
    }
}

enum Way {
    Standing(Arc<Link>),
    Dial(DialState),
}

fn standing_or_dial(shared: &Arc<Shared>, to: &NodeAddr) -> Result<Way, DialError> {
    if let Some(link) = shared.table().link(&to.id) {
        return Ok(Way::Standing(link));
    }
    if to.id == shared.id {
        return Err(DialError::OwnId(to.id));
    }
    shared.book().learn(to);
    start(shared, to)
}

fn start(shared: &Arc<Shared>, to: &NodeAddr) -> Result<Way, DialError> {
    let mut table = shared.table();
    if let Some(link) = table.link(&to.id) {
        return Ok(Way::Standing(link));
    }
    if let Some(state) = table.dials.get(&to.id) {
        return Ok(Way::Dial(state.clone()));
    }
    if shared.closing.load(Ordering::Acquire) {
        return Err(DialError::ShutDown);
    }
    if table.load() >= shared.config.max_connections {
        return Err(DialError::TooManyConnections(shared.config.max_connections));
    }
    let (sender, state) = watch::channel(Dialling::Started);
    let progress = Arc::new(sender);
    table.dials.insert(to.id, state.clone());
    drop(table);
    let (task, to) = (shared.clone(), to.clone());
    shared.spawn(async move {
        let outcome = tokio::select! {
            outcome = dial(&task, &to, &progress) => outcome,
            () = task.wait_closing() => Err(DialError::ShutDown),
        };
        let counter = if outcome.is_ok() { &task.counters.dialled } else { &task.counters.dials_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        task.table().dials.remove(&to.id);
        progress.send_replace(Dialling::Over(outcome));
    });
    Ok(Way::Dial(state))
}

async fn dial(shared: &Arc<Shared>, to: &NodeAddr, progress: &Progress) -> Result<Arc<Link>, DialError> {
    let mut changes = shared.table().changes();
    for attempt in 0.. {
        let complete = shared.book().complete(to);
        let transport = shared.transport.clone();
        let error = match transport.dial(shared.clone(), complete, progress.clone()).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        progress.send_replace(Dialling::Started);
        debug!(peer = %to.id, %error, "a dial failed");
        // The peer has dialled us meanwhile and keeps that connection: so do we, once it stands. Whatever the
        // error was, a link that stands is what was asked for.
        let duplicate = matches!(error, DialError::Declined { code: code::DUPLICATE, .. });
        let limit = if duplicate { shared.config.hello_timeout } else { std::time::Duration::ZERO };
        let standing = timeout(limit, async {
            loop {
                let standing = shared.table().link(&to.id);
                match standing {
                    Some(link) => break link,
                    None => drop(changes.changed().await),
                }
            }
        });
        match standing.await {
            Ok(link) => return Ok(link),
            // Its dial came to nothing after all: ours is due again.
            Err(_) if duplicate && attempt == 0 => {}
            Err(_) => return Err(error),
        }
    }
    Err(DialError::TimedOut(to.id))
}

/// Dials, exchanges HELLOs and puts the link to work.
pub(super) async fn establish<T: Transport>(
    shared: &Arc<Shared>,
    transport: &T,
    to: &NodeAddr,
    progress: &Progress,
) -> Result<Arc<Link>, DialError> {
    let connection = transport.dial(to).await?;
    let link = Link::new(shared, &connection, true);
    // Whoever sends early on the link keeps it: if this ends before the HELLO is here, they must not wait for long.
    let mut abandoned = CloseOnDrop(Some(link.clone()));
    let exchange = async {
        let control = hello::send(&connection, shared.hello(connection.remote_addr())).await?;
        progress.send_replace(Dialling::Connected(link.clone()));
        let (hello, frames) = hello::receive(&connection).await?;
        Ok::<_, HelloError>((control, hello, frames))
    };
    let (control, hello, frames) = match timeout(shared.config.hello_timeout, exchange).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Err(declined(shared, to, &connection, error).await),
        Err(_) => {
            connection.close(code::IDLE, "no HELLO came in time");
            return Err(DialError::TimedOut(to.id));
        }
    };
    link.greeted(&hello);
    if let Err(standing) = shared.table().insert(&shared.id, &link) {
        connection.close(code::REPLACED, "another connection between the two nodes was kept");
        return Ok(standing);
    }
    abandoned.0 = None;
    shared.learn_from(&link, &hello);
    shared.spawn(link::serve(shared.clone(), link.clone(), connection, control, frames));
    Ok(link)
}

/// Closes a link that came to nothing.
struct CloseOnDrop(Option<Arc<Link>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.close(code::DONE, "the dial was given up");
        }
    }
}

async fn declined<C: Connection>(
    shared: &Shared,
    to: &NodeAddr,
    connection: &C,
    error: HelloError,
) -> DialError {
    let peer = to.id;
    let reason = match error {
        HelloError::Closed(reason) => reason,
        // A stream that fails does so because its connection ends, or because the peer breaks the rules.
        HelloError::Frame(FrameError::Io(_)) | HelloError::NotControl => {
            match timeout(
                shared.config.hello_timeout.min(std::time::Duration::from_millis(100)),
                connection.closed(),
            )
            .await
            {
                Ok(reason) => reason,
                Err(_) => CloseReason::Transport(error.to_string()),
            }
        }
        other => CloseReason::Transport(other.to_string()),
    };
    match reason {
        CloseReason::Peer { code, reason } => DialError::Declined { peer, code, reason },
        CloseReason::TimedOut => DialError::TimedOut(peer),
        CloseReason::Local(_) => DialError::ShutDown,
        other => {
            connection.close(code::VIOLATION, "the HELLO was not understood");
            DialError::Unreachable { peer, reason: other.to_string() }
        }
    }
}
