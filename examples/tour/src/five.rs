//! Five nodes in one process: one shares, four fetch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dsys_core::SecretKey;
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};
use indicatif::HumanBytes;
use tokio::time::{interval, timeout};

use crate::manifest::{CHUNK, Manifest};
use crate::node::{Participant, Role};
use crate::output::{say, tell};
use crate::progress::{Progress, TICK};
use crate::report;
use crate::run::{Failure, blocking, failed, interrupted, read, sweep};
use crate::store::Store;

const NODES: usize = 5;
/// Streams that are open when the nodes end have so long.
const FAREWELL: Duration = Duration::from_secs(1);
const SMOKE_LIMIT: Duration = Duration::from_secs(9);

/// Runs the tour from the first socket to the last.
pub(crate) async fn five(folder: Option<PathBuf>, out: Option<PathBuf>, smoke: bool) -> Result<(), Failure> {
    let made = tempfile::Builder::new().prefix("tour-").tempdir();
    let temporary = made.map_err(|error| failed(format!("cannot make a temporary folder: {error}")))?;
    let folder = match (folder, smoke) {
        (Some(folder), _) => folder,
        (None, true) => sample(&temporary.path().join("sample"))
            .map_err(|error| failed(format!("cannot write the sample files: {error}")))?,
        (None, false) => examples()?,
    };
    let base = out.clone().unwrap_or_else(|| temporary.path().join("copies"));
    let outcome = tour(&folder, &base, if smoke { SMOKE_LIMIT } else { Duration::MAX }).await;
    if outcome.is_ok() && out.is_some() {
        say(&format!("The copies are in {}.", base.display()));
    }
    drop(temporary);
    outcome
}

async fn tour(folder: &Path, base: &Path, limit: Duration) -> Result<(), Failure> {
    let manifest = until_interrupted(read(folder)).await?;
    let nodes = bind()?;
    let folders: Vec<PathBuf> = (1..NODES).map(|number| base.join(format!("node-{number}"))).collect();
    let store = Store::source(folder.into(), manifest.clone());
    let outcome = until_interrupted(async {
        let participants = spread(&nodes, store, &folders).await?;
        let all: Vec<PathBuf> = std::iter::once(folder.into()).chain(folders.iter().cloned()).collect();
        let late = |_| Err(failed(format!("not done within {} s", limit.as_secs())));
        timeout(limit, watch(&participants, &manifest, &all)).await.unwrap_or_else(late)
    });
    // The participants end with this, and so do all fetches; then the nodes say farewell, all at once.
    let outcome = outcome.await;
    let farewells = nodes.into_iter().map(|node| tokio::spawn(async move { node.shutdown(FAREWELL).await }));
    for farewell in farewells.collect::<Vec<_>>() {
        let _ = farewell.await;
    }
    for folder in &folders {
        sweep(folder).await;
    }
    outcome
}

async fn until_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        outcome = work => outcome,
        () = interrupted() => Err(Failure::Interrupted),
    }
}

/// Starts a participant on each node, the first with the folder. Each is told of the one before it, no more, and finds the
/// others by itself.
///
/// # Errors
/// A node does not start, or its contact does not answer.
pub async fn spread(nodes: &[Node], store: Store, folders: &[PathBuf]) -> Result<Vec<Participant>, Failure> {
    let store = Arc::new(store);
    let roles = std::iter::once(Role::Share(store)).chain(folders.iter().cloned().map(Role::Fetch));
    let contacts = std::iter::once(None).chain(nodes.iter().map(|node| Some(node.addr())));
    let mut participants = Vec::with_capacity(nodes.len());
    for ((node, contact), role) in nodes.iter().zip(contacts).zip(roles) {
        if let Some(contact) = &contact {
            node.connect(contact.clone()).await.map_err(failed)?;
        }
        let participant = Participant::start(node.clone(), contact.into_iter().collect(), role);
        participants.push(participant.await.map_err(failed)?);
    }
    Ok(participants)
}

async fn watch(
    participants: &[Participant],
    manifest: &Arc<Manifest>,
    folders: &[PathBuf],
) -> Result<(), Failure> {
    let begun = Instant::now();
    for participant in participants {
        participant.publish().await;
    }
    let shown = participants.iter().enumerate().skip(1);
    let mut progress =
        Progress::new(shown.map(|(at, one)| (format!("node {at}"), one.status().clone())), begun);
    let all = async {
        for participant in participants {
            participant.status().finished().await?;
        }
        Ok(())
    };
    tokio::pin!(all);
    let mut tick = interval(TICK);
    let outcome: Result<(), String> = loop {
        tokio::select! {
            outcome = &mut all => break outcome,
            _ = tick.tick() => {
                progress.update();
                let notes = participants.first().map(|first| first.status().take_notes());
                notes.iter().flatten().for_each(|note| progress.line(&format!("node 0: {note}")));
                // The first that gives up ends it, whichever it is.
                if let Some(why) = participants.iter().find_map(|one| match one.status().phase() {
                    crate::Phase::Failed(why) => Some(why),
                    _ => None,
                }) {
                    break Err(why);
                }
            }
        }
    };
    progress.end();
    outcome.map_err(failed)?;
    report::table(participants, begun);
    let (shared, copies) = (manifest.clone(), folders.to_vec());
    blocking(move || report::compare(&shared, &copies)).await?;
    say(&format!(
        "The {} copies are identical: {} files, {}, read again and compared.",
        participants.len(),
        manifest.files().len(),
        HumanBytes(manifest.bytes()),
    ));
    Ok(())
}

fn bind() -> Result<Vec<Node>, Failure> {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let node = || {
        let quic = Quic::bind(&SecretKey::generate()?, &[any], QuicConfig::lan())?;
        Ok::<_, std::io::Error>(Node::new(quic, NodeConfig::default()))
    };
    let nodes = (0..NODES).map(|_| node()).collect::<Result<_, _>>().map_err(failed)?;
    tell(&format!("{NODES} nodes on loopback: each is told of the one before it, no more."));
    Ok(nodes)
}

/// The project's own examples, where they were when this program was built.
fn examples() -> Result<PathBuf, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match folder.canonicalize() {
        Ok(folder) if folder.is_dir() => Ok(folder),
        _ => Err(Failure::Usage(
            "the project's examples/ folder is not where this program was built: name a DIR to share".into(),
        )),
    }
}

/// A few files on both sides of every bound.
fn sample(folder: &Path) -> std::io::Result<PathBuf> {
    let files =
        [("empty", 0), ("one", 1), ("a/less", CHUNK - 1), ("a/even", CHUNK), ("a/b/more", 7 * CHUNK + 1)];
    for (number, (path, size)) in files.into_iter().enumerate() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let bytes: Vec<u8> = (0..size).map(|at| (at * (number + 3) / 251) as u8).collect();
        std::fs::write(path, bytes)?;
    }
    Ok(folder.into())
}
