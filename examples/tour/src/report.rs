//! The closing table, and the comparison of the copies with what was shared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use crate::manifest::Manifest;
use crate::node::Participant;
use crate::output::say;
use crate::progress::ms;
use crate::store::{Store, StoreError};

/// Prints what each node did. The first is the one that shares.
pub(crate) fn table(participants: &[Participant], begun: Instant) {
    let source = participants.first().map(|first| first.node().id());
    say("");
    say("node              knew      whole        sent    received  from 0   MiB/s  peers");
    let mut last = Duration::ZERO;
    for (number, participant) in participants.iter().enumerate() {
        let (status, stats) = (participant.status(), participant.node().stats());
        let sent: u64 = stats.peers.iter().map(|peer| peer.sent).sum();
        let received: u64 = stats.peers.iter().map(|peer| peer.received).sum();
        let fetched = status.received();
        let all: u64 = fetched.values().sum();
        let direct = source.and_then(|source| fetched.get(&source)).copied().unwrap_or(0);
        let after = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.saturating_duration_since(begun));
        last = last.max(after(status.whole()));
        let (knew, whole, share, rate) = match number {
            0 => ("shares".into(), "-".into(), "-".into(), "-".into()),
            _ => (
                ms(after(status.knew())),
                ms(after(status.whole())),
                direct.saturating_mul(100).checked_div(all).map_or("-".into(), |share| format!("{share} %")),
                rate(all, after(status.whole()).saturating_sub(after(status.knew()))),
            ),
        };
        say(&format!(
            "{number} {:<10} {knew:>9} {whole:>10} {:>11} {:>11} {share:>7} {rate:>7} {:>6}",
            participant.node().id().short(),
            HumanBytes(sent).to_string(),
            HumanBytes(received).to_string(),
            stats.peers.len(),
        ));
    }
    let fetched: u64 = participants.iter().flat_map(|one| one.status().received().into_values()).sum();
    let own = participants.first().map_or(0, |first| first.status().sent());
    let size = participants.first().and_then(|first| first.status().manifest()).map_or(0, |m| m.bytes());
    say("knew, whole: when it heard the news, and when it had everything.");
    say("from 0: the part of its copy that node 0 gave; the rest came from other nodes.");
    say("");
    if fetched == 0 {
        return say("Nothing had to be copied: all of it was there already.");
    }
    say(&format!("{} copied in {}: {} MiB/s in all.", HumanBytes(fetched), ms(last), rate(fetched, last)));
    if size > 0 {
        let copies = participants.len().saturating_sub(1);
        say(&format!("{copies} copies were made; node 0 had to send {:.1}.", own as f64 / size as f64));
    }
}

/// Why the copies are not what was shared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Differs {
    #[error("{0} is not as long as what was shared")]
    Length(PathBuf),
    #[error("the copy in {0} differs from what was shared: {1}")]
    Chunk(PathBuf, StoreError),
}

/// Reads every file from disk once more and compares it with what was shared, hash by hash. The folders may hold
/// other files besides.
pub(crate) fn compare(shared: &Arc<Manifest>, folders: &[PathBuf]) -> Result<(), Differs> {
    for folder in folders {
        let store = Store::source(folder.clone(), shared.clone());
        for index in 0..shared.chunk_count() {
            store.get(index).map_err(|error| Differs::Chunk(folder.clone(), error))?;
        }
        for file in shared.files() {
            let path = folder.join(&file.path);
            if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == file.size) {
                return Err(Differs::Length(path));
            }
        }
    }
    Ok(())
}

pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 || bytes == 0 {
        "-".into()
    } else {
        format!("{:.1}", bytes as f64 / 1_048_576.0 / seconds)
    }
}
