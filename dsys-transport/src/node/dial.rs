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

/// The outcome of a dial under way.
pub(super) type DialState = watch::Receiver<Option<Result<Arc<Link>, DialError>>>;

/// The link to a peer: the one that stands, or the outcome of a dial, which goes on when this is dropped.
pub(super) async fn link(shared: &Arc<Shared>, to: &NodeAddr) -> Result<Arc<Link>, DialError> {
    if let Some(link) = shared.table().link(&to.id) {
        return Ok(link);
    }
    if to.id == shared.id {
        return Err(DialError::OwnId(to.id));
    }
    shared.book().learn(to);
    let mut state = start(shared, to)?;
    let outcome = match state.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone(),
        Err(_) => None,
    };
    // Without an outcome the dial's task was aborted.
    outcome.unwrap_or(Err(DialError::ShutDown))
}

fn start(shared: &Arc<Shared>, to: &NodeAddr) -> Result<DialState, DialError> {
    let mut table = shared.table();
    if let Some(link) = table.link(&to.id) {
        return Ok(watch::channel(Some(Ok(link))).1);
    }
    if let Some(state) = table.dials.get(&to.id) {
        return Ok(state.clone());
    }
    if shared.closing.load(Ordering::Acquire) {
        return Err(DialError::ShutDown);
    }
    if table.load() >= shared.config.max_connections {
        return Err(DialError::TooManyConnections(shared.config.max_connections));
    }
    let (sender, state) = watch::channel(None);
    table.dials.insert(to.id, state.clone());
    drop(table);
    let (task, to) = (shared.clone(), to.clone());
    shared.spawn(async move {
        let outcome = tokio::select! {
            outcome = dial(&task, &to) => outcome,
            () = task.wait_closing() => Err(DialError::ShutDown),
        };
        let counter = if outcome.is_ok() { &task.counters.dialled } else { &task.counters.dials_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        task.table().dials.remove(&to.id);
        sender.send_replace(Some(outcome));
    });
    Ok(state)
}

async fn dial(shared: &Arc<Shared>, to: &NodeAddr) -> Result<Arc<Link>, DialError> {
    let mut changes = shared.table().changes();
    for attempt in 0.. {
        let complete = shared.book().complete(to);
        let error = match shared.transport.clone().dial(shared.clone(), complete).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
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
) -> Result<Arc<Link>, DialError> {
    let connection = transport.dial(to).await?;
    let exchange = async {
        let control = hello::send(&connection, shared.hello(connection.remote_addr())).await?;
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
    let link = Link::new(shared, &connection, &hello, true);
    if let Err(standing) = shared.table().insert(&shared.id, &link) {
        connection.close(code::DUPLICATE, "another connection between the two nodes was kept");
        return Ok(standing);
    }
    shared.learn_from(&link, &hello);
    shared.spawn(link::serve(shared.clone(), link.clone(), connection, control, frames));
    Ok(link)
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
