//! How many requests mainline sends. It does not count them itself, but traces each message that goes out.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

static ON: AtomicBool = AtomicBool::new(false);
static EVENTS: AtomicU32 = AtomicU32::new(0);

/// From now on requests are counted. It makes them slower, so it is off while time is measured.
pub fn on() {
    ON.store(true, Ordering::Relaxed);
}

/// From now on they are not.
pub fn off() {
    ON.store(false, Ordering::Relaxed);
}

/// Requests that all nodes of this process have sent since [`on`].
pub fn requests() -> u32 {
    // Each is traced before it is sent, and after.
    EVENTS.load(Ordering::Relaxed) / 2
}

/// Listens. To be called once, before the first node.
pub fn install() {
    tracing::subscriber::set_global_default(Listener).expect("nobody listens yet");
}

struct Listener;
struct IsRequest(bool);

impl Visit for IsRequest {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}").contains("message_type: Request(");
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == "mainline::rpc::socket" { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ON.load(Ordering::Relaxed) && metadata.target() == "mainline::rpc::socket"
    }

    fn event(&self, event: &Event<'_>) {
        let mut is = IsRequest(false);
        event.record(&mut is);
        EVENTS.fetch_add(u32::from(is.0), Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
