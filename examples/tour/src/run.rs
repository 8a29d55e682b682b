//! From a command to its end, and what all commands share.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::HumanBytes;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::args::{Command, HELP};
use crate::manifest::{Manifest, PARTIAL};
use crate::output::{say, tell};
use crate::{five, machines, scan};

/// Why the program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was asked something impossible.
    #[error("{0}")]
    Usage(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// Somebody pressed Ctrl-C before the end.
    #[error("interrupted")]
    Interrupted,
}

/// Does what was asked; gives the exit code.
pub async fn run(command: Command) -> u8 {
    #[cfg(unix)]
    let _limit = beyond_size_limit();
    let outcome = match command {
        Command::Help => {
            say(HELP.trim_end());
            Ok(())
        }
        Command::Five { folder, out, smoke } => five::five(folder, out, smoke).await,
        Command::Share { folder, listen, key } => machines::share(folder, listen, key).await,
        Command::Join { ticket, listen, out, once, key } => {
            machines::join(ticket, listen, out, once, key).await
        }
    };
    let Err(failure) = outcome else { return 0 };
    match failure {
        Failure::Usage(why) => {
            tell(&format!("tour: {why}"));
            2
        }
        Failure::Failed(why) => {
            tell(&format!("tour: {why}"));
            1
        }
        Failure::Interrupted => {
            tell("tour: interrupted; shut down cleanly, nothing half-written is left.");
            130
        }
    }
}

/// Resolves when somebody wants the program to end.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the program by itself.
        std::future::pending::<()>().await;
    }
}

/// Reads and hashes the folder that is to be shared.
pub(crate) async fn read(folder: &Path) -> Result<Arc<Manifest>, Failure> {
    let path = folder.to_path_buf();
    let found = blocking(move || scan::scan(&path)).await?;
    found.notes.iter().take(20).for_each(|note| tell(note));
    if let Some(more @ 1..) = found.notes.len().checked_sub(20) {
        tell(&format!("and {more} more are left out"));
    }
    let manifest = found.manifest;
    tell(&format!(
        "{}: {} files, {}, {} chunks",
        folder.display(),
        manifest.files().len(),
        HumanBytes(manifest.bytes()),
        manifest.chunk_count(),
    ));
    Ok(Arc::new(manifest))
}

/// Work that blocks, on a thread that may.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Display + Send + 'static,
{
    spawn_blocking(work).await.map_err(failed)?.map_err(failed)
}

/// Removes what is not whole from a copy. A write that was under way may still come in between, so it is tried more
/// than once.
pub(crate) async fn sweep(folder: &Path) {
    for _ in 0..10 {
        match tokio::fs::remove_dir_all(folder.join(PARTIAL)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                sleep(Duration::from_millis(30)).await
            }
            _ => return,
        }
    }
}

pub(crate) fn failed(why: impl Display) -> Failure {
    Failure::Failed(why.to_string())
}

/// A file beyond the process's size limit raises a signal that ends the process; with a handler the write fails
/// instead, and the file can be named.
#[cfg(unix)]
fn beyond_size_limit() -> Option<tokio::signal::unix::Signal> {
    const SIGXFSZ: i32 = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).ok()
}
