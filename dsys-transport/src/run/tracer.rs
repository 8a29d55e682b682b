//! Where the trace of a live machine goes.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use dsys_core::trace::Record;

/// Takes the records of a machine's trace. Clones share what is behind it, so the machines of several nodes may write
/// one trace; their times have different origins.
#[derive(Clone)]
pub struct TraceSink(Arc<dyn Fn(&Record<'_>) + Send + Sync>);

impl TraceSink {
    /// Calls `take` for every record, in the driver's task: it must not block for long.
    pub fn new(take: impl Fn(&Record<'_>) + Send + Sync + 'static) -> Self {
        TraceSink(Arc::new(take))
    }

    /// Writes every record as a line of JSON. A line that cannot be written is left out: a trace is not worth the
    /// machine. Hand in a `BufWriter`, and flush it when the machine has ended.
    pub fn writer(out: impl Write + Send + 'static) -> Self {
        let out = Mutex::new(out);
        Self::new(move |record| {
            let mut line = Vec::with_capacity(160);
            if record.write_json(&mut line).is_ok() {
                let _ = out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
            }
        })
    }

    pub(super) fn record(&self, record: &Record<'_>) {
        (self.0)(record);
    }
}

impl fmt::Debug for TraceSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceSink")
    }
}
