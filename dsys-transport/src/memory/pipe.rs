//! A connection as both ends share it: one lock, the places to wait, and the task that delivers what is late.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use dsys_core::Rng;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::conditions::Conditions;
use super::config::{Counters, MemoryConfig};
use super::frame::{Side, Sides};
use super::state::{Next, State};
use super::wakes::{Event, Signals, Wakes};
use crate::error::CloseReason;

#[derive(Debug)]
pub(super) struct Pipe {
    state: Mutex<State>,
    signals: Sides<Signals>,
    driver: Notify,
}

impl Pipe {
    /// A new connection; its task runs until both ends are closed.
    pub(super) fn start(
        config: Arc<MemoryConfig>,
        counters: Arc<Counters>,
        seed: u64,
        forth: Conditions,
        back: Conditions,
        runtime: &Handle,
    ) -> Arc<Pipe> {
        let mut state = State::new(config, counters, Rng::from_seed(seed));
        let mut unheard = Wakes::default();
        state.set_conditions(forth, back, Instant::now(), &mut unheard);
        let pipe = Arc::new(Pipe {
            state: Mutex::new(state),
            signals: Sides::new(Signals::default),
            driver: Notify::new(),
        });
        runtime.spawn(drive(Arc::clone(&pipe)));
        pipe
    }

    /// Works on the state under its lock, then wakes whoever the work concerns.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        // A panic inside would be a bug of ours; the state it leaves is still the best there is.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = work(&mut state, &mut wakes);
        drop(state);
        wakes.fire(&self.signals, &self.driver);
        value
    }

    /// Tries `work` until it is ready: now, and each time that `event` happens at `side`, or that the end is closed.
    ///
    /// Cancel safety: whatever `work` takes out it returns in the same poll.
    pub(super) async fn until<T>(
        &self,
        side: Side,
        event: Event,
        mut work: impl FnMut(&mut State, &mut Wakes) -> Poll<T>,
    ) -> T {
        loop {
            let mut happened = std::pin::pin!(self.signals.get(side).of(event).notified());
            // Wait first and look second, so that nothing can happen between the two unnoticed.
            happened.as_mut().enable();
            if let Poll::Ready(value) = self.with(&mut work) {
                return value;
            }
            happened.await;
        }
    }

    /// Waits until one end is closed.
    pub(super) async fn closed(&self, side: Side) -> CloseReason {
        self.until(side, Event::Closed, |state, _| match &state.end(side).closed {
            Some(reason) => Poll::Ready(reason.clone()),
            None => Poll::Pending,
        })
        .await
    }
}

/// Delivers what is late, and closes what was silent for too long.
async fn drive(pipe: Arc<Pipe>) {
    loop {
        let mut changed = std::pin::pin!(pipe.driver.notified());
        changed.as_mut().enable();
        match pipe.with(|state, wakes| state.deliver(Instant::now(), wakes)) {
            Next::Over => return,
            Next::Change => changed.await,
            Next::At(due) => {
                let _ = tokio::time::timeout_at(due, changed).await;
            }
        }
    }
}
