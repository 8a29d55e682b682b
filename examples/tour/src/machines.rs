//! One node among machines: it shares a folder, or fetches one, until somebody presses Ctrl-C.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dsys_core::{SecretKey, Ticket};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};
use indicatif::HumanBytes;
use tokio::time::interval;

use crate::node::{Participant, Role};
use crate::output::{say, tell};
use crate::progress::{Progress, TICK, ms};
use crate::report;
use crate::run::{Failure, blocking, failed, interrupted, read, sweep};
use crate::status::Phase;
use crate::store::Store;

const FAREWELL: Duration = Duration::from_secs(1);
/// A joined node that hears of no folder for so long has joined in vain.
const NO_NEWS: Duration = Duration::from_secs(20);

/// Shares a folder.
pub(crate) async fn share(folder: PathBuf, listen: SocketAddr, key: Option<PathBuf>) -> Result<(), Failure> {
    let manifest = tokio::select! {
        manifest = read(&folder) => manifest?,
        () = interrupted() => return Err(Failure::Interrupted),
    };
    let node = node(key.as_deref(), Some(listen))?;
    say(&format!("ticket: {}", node.ticket()));
    tell("Others join with: tour --join TICKET. Ctrl-C ends it.");
    let store = Arc::new(Store::source(folder, manifest));
    let participant = Participant::start(node, Vec::new(), Role::Share(store)).await.map_err(failed)?;
    participant.publish().await;
    tokio::select! {
        () = interrupted() => {}
        () = serve(&participant) => {}
    }
    let sent = participant.status().sent();
    participant.shutdown(FAREWELL).await;
    tell(&format!("Shut down cleanly; {} were sent.", HumanBytes(sent)));
    Ok(())
}

/// Fetches a folder and serves it.
pub(crate) async fn join(
    ticket: Ticket,
    listen: Option<SocketAddr>,
    out: PathBuf,
    once: bool,
    key: Option<PathBuf>,
) -> Result<(), Failure> {
    let node = node(key.as_deref(), listen)?;
    let role = Role::Fetch(out.clone());
    let participant = Participant::start(node.clone(), vec![ticket.0.clone()], role).await;
    let participant = participant.map_err(failed)?;
    let outcome = tokio::select! {
        outcome = fetch(&participant, ticket, &out) => outcome,
        () = interrupted() => Err(Failure::Interrupted),
    };
    if outcome.is_ok() && !once {
        say(&format!("ticket: {}", node.ticket()));
        tell("Serves it to others. Ctrl-C ends it.");
        tokio::select! {
            () = interrupted() => {}
            () = serve(&participant) => {}
        }
        let sent = participant.status().sent();
        participant.shutdown(FAREWELL).await;
        tell(&format!("Shut down cleanly; {} were sent.", HumanBytes(sent)));
    } else {
        participant.shutdown(FAREWELL).await;
        sweep(&out).await;
    }
    outcome
}

async fn fetch(participant: &Participant, ticket: Ticket, out: &Path) -> Result<(), Failure> {
    let status = participant.status().clone();
    let begun = Instant::now();
    participant.node().connect(ticket.0).await.map_err(failed)?;
    let mut progress = Progress::new([("copy".to_owned(), status.clone())], begun);
    let finished = status.finished();
    tokio::pin!(finished);
    let mut tick = interval(TICK);
    let outcome = loop {
        tokio::select! {
            outcome = &mut finished => break outcome,
            _ = tick.tick() => {
                progress.update();
                if status.phase() == Phase::Waiting && begun.elapsed() > NO_NEWS {
                    break Err(format!("connected, but nobody told of a folder for {} s", NO_NEWS.as_secs()));
                }
            }
        }
    };
    progress.end();
    outcome.map_err(failed)?;
    let manifest = status.manifest().ok_or_else(|| failed("there is no list of files"))?;
    let (shared, copies) = (manifest.clone(), vec![out.to_path_buf()]);
    let time = status.whole().map_or(Duration::ZERO, |at| at - begun);
    let received = status.received();
    let bytes = received.values().sum::<u64>();
    let from: Vec<String> =
        received.iter().map(|(id, bytes)| format!("{} from {}", HumanBytes(*bytes), id.short())).collect();
    say(&format!(
        "{:?} is here: {} files, {} in {}, {} fetched ({}), {} MiB/s.",
        manifest.name(),
        manifest.files().len(),
        HumanBytes(manifest.bytes()),
        ms(time),
        HumanBytes(bytes),
        if from.is_empty() { "nothing was missing".into() } else { from.join(", ") },
        report::rate(bytes, time),
    ));
    blocking(move || report::compare(&shared, &copies)).await?;
    say(&format!("It is in {}, read again from disk and compared hash by hash.", out.display()));
    Ok(())
}

/// Says who comes and goes, and what else there is to say, until the node ends.
async fn serve(participant: &Participant) {
    let mut peers = participant.node().watch_peers();
    let mut tick = interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            change = peers.next() => match change {
                Some(dsys_transport::PeerChange::Up(peer)) => tell(&format!("{} is here", peer.short())),
                Some(dsys_transport::PeerChange::Down(peer)) => tell(&format!(
                    "{} is gone; {} sent so far", peer.short(), HumanBytes(participant.status().sent()),
                )),
                None => return,
            },
            _ = tick.tick() => participant.status().take_notes().iter().for_each(|note| tell(note)),
        }
    }
}

fn node(key: Option<&Path>, listen: Option<SocketAddr>) -> Result<Node, Failure> {
    let secret = match key {
        Some(path) => SecretKey::load_or_create(path).map_err(failed)?,
        None => SecretKey::generate().map_err(failed)?,
    };
    let mut config = QuicConfig::wan();
    // Somebody waits for the answer.
    config.dial_timeout = Duration::from_secs(5);
    config.silence_timeout = Duration::from_secs(10);
    config.keep_alive = Duration::from_secs(3);
    let addrs: Vec<SocketAddr> = listen.into_iter().collect();
    let quic = Quic::bind(&secret, &addrs, config).map_err(failed)?;
    Ok(Node::new(quic, NodeConfig::default()))
}
