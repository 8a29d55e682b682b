//! Memory of a document that was loaded and stays open: `cargo run --release -p crdt --bin crdt-memory`.
use crdt::data::Trace;
use crdt::peers::{automerge_peer, diamond, loro_peer, ours, yrs_peer};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() {
    println!("memory while a document is open, and at the most while it was loaded, KB");
    for name in ["automerge-paper", "rustcode", "friendsforever", "clownschool"] {
        let Some(trace) = Trace::read(name) else {
            println!("{name}: skipped: no data");
            continue;
        };
        for peer in [ours::PEER, diamond::PEER, loro_peer::PEER, yrs_peer::PEER, automerge_peer::PEER] {
            let Some((_, saved)) = (peer.history)(&trace) else { continue };
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let open = (peer.open)(&saved);
            let (held, peak) = (MEMORY.current_usage() - before, MEMORY.peak_usage() - before);
            drop(open);
            println!(
                "{name:16} {:22} open {:8.0}  peak {:8.0}",
                peer.name,
                held as f64 / 1e3,
                peak as f64 / 1e3
            );
        }
    }
}
