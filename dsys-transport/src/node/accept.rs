//! Those who dial us.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{sleep, timeout};
use tracing::debug;

use super::dial::Dialling;
use super::hello::{self, HelloError};
use super::link::{self, Link};
use super::table::Shared;
use crate::error::code;
use crate::transport::{Connection, Transport};

/// Takes connections as they come, each judged in a task of its own, a bounded number at once.
pub(super) async fn accept_all<T: Transport>(shared: Arc<Shared>, transport: Arc<T>) {
    while let Some(connection) = transport.accept().await {
        if shared.closing.load(Ordering::Acquire) {
            connection.close(code::REFUSED, "the node shuts down");
            continue;
        }
        let admitted = {
            let mut table = shared.table();
            let room =
                table.pending < shared.config.max_pending && table.load() < shared.config.max_connections;
            table.pending += usize::from(room);
            room
        };
        if admitted {
            let task = shared.clone();
            shared.spawn(async move { incoming(task, connection).await });
        } else {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            connection.close(code::REFUSED, "this node has all the connections it may have");
        }
    }
}

async fn incoming<C: Connection>(shared: Arc<Shared>, connection: C) {
    let pending = Pending(&shared);
    let welcome = async {
        let (hello, frames) = hello::receive(&connection).await?;
        wait_for_own_dial(&shared, &connection).await;
        let link = Link::new(&shared, &connection, false);
        link.greeted(&hello);
        if shared.table().would_refuse(&shared.id, &link) {
            return Ok(None);
        }
        let control = hello::send(&connection, shared.hello(connection.remote_addr())).await?;
        Ok::<_, HelloError>(Some((link, hello, frames, control)))
    };
    let (link, hello, frames, control) = match timeout(shared.config.hello_timeout, welcome).await {
        Ok(Ok(Some(welcome))) => welcome,
        Ok(Ok(None)) => return connection.close(code::DUPLICATE, "our own connection to you is kept"),
        Ok(Err(HelloError::Closed(reason))) => {
            return debug!(peer = %connection.peer(), %reason, "gone before HELLO");
        }
        Ok(Err(error)) => {
            shared.counters.violations.fetch_add(1, Ordering::Relaxed);
            debug!(peer = %connection.peer(), %error, "no HELLO");
            return connection.close(code::VIOLATION, &error.to_string());
        }
        Err(_) => {
            shared.counters.violations.fetch_add(1, Ordering::Relaxed);
            return connection.close(code::IDLE, "no HELLO came in time");
        }
    };
    drop(pending);
    if shared.table().insert(&shared.id, &link).is_err() {
        return connection.close(code::DUPLICATE, "our own connection to you is kept");
    }
    shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
    shared.learn_from(&link, &hello);
    link::serve(shared, link, connection, control, frames).await;
}

/// In a simultaneous dial that of the smaller id stays. If that is ours, the verdict on the peer's waits until ours
/// has come to an end: should it fail, the peer's is all there is. It does not wait for longer than half of what the
/// peer will: a dial that nobody answers must not cost the one that was answered.
async fn wait_for_own_dial<C: Connection>(shared: &Shared, connection: &C) {
    let peer = connection.peer();
    let dial = shared.table().dials.get(&peer).cloned();
    let Some(mut dial) = dial.filter(|_| shared.id < peer) else {
        return;
    };
    tokio::select! {
        _ = dial.wait_for(Dialling::is_over) => {}
        _ = connection.closed() => {}
        () = sleep(shared.config.hello_timeout / 2) => {}
    }
}

/// Counts a connection as pending while it lives.
struct Pending<'a>(&'a Shared);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.table().pending -= 1;
    }
}
