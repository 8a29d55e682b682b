//! 1,000 saved documents, opened so that each can be edited, and one in ten read; all stay open. CPU time in rounds that take
//! turns in one process, and the memory that they hold. `cargo run --release -p crdt --bin crdt-many -- [documents]`
//!
//! A document is the first 1,000 edits of `automerge-paper` behind a line of its own, saved whole as each library saves best.

use std::time::Duration;

use cpu_time::ProcessTime;
use crdt::data::{Trace, Txn};
use crdt::peers::{Peer, automerge_peer, diamond, loro_peer, ours, yrs_peer};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROUNDS: usize = 7;
const EDITS: usize = 1_000;

/// What a library made of the documents, and what it took to open them, then to read, by round.
struct Figures {
    peer: Peer,
    saved: Vec<Vec<u8>>,
    opened: Vec<Duration>,
    read: Vec<Duration>,
    held: usize,
}

impl Figures {
    fn round(&mut self) {
        let (before, start) = (MEMORY.current_usage(), ProcessTime::now());
        let open: Vec<_> = self.saved.iter().map(|saved| (self.peer.open)(saved)).collect();
        self.opened.push(start.elapsed());
        let start = ProcessTime::now();
        for (number, open) in open.iter().enumerate().step_by(10) {
            let text = (self.peer.read)(&**open).expect("it is what was opened");
            assert!(text.starts_with(&line(number)), "{} reads another document", self.peer.name);
        }
        self.read.push(start.elapsed());
        self.held = MEMORY.current_usage() - before;
    }

    fn print(mut self) {
        let mut median = |times: fn(&mut Self) -> &mut Vec<Duration>| {
            let times = times(&mut self);
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1e3
        };
        let (opened, read) = (median(|all| &mut all.opened), median(|all| &mut all.read));
        let (count, saved) = (self.saved.len(), self.saved.iter().map(Vec::len).sum::<usize>());
        println!(
            "{:20} open {opened:8.2} ms  read a tenth {read:7.2} ms  held {:6.1} KB each  saved {:5.1} KB each",
            self.peer.name,
            self.held as f64 / 1e3 / count as f64,
            saved as f64 / 1e3 / count as f64,
        );
    }
}

fn line(number: usize) -> String {
    format!("document {number:04}\n")
}

fn main() {
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000);
    let Some(paper) = Trace::read("automerge-paper") else {
        println!("automerge-paper: skipped: no data");
        return;
    };
    // Behind the line, so that no edit touches it.
    let shift = line(0).len();
    let patch = |(at, deleted, inserted): &(usize, usize, String)| (at + shift, *deleted, inserted.clone());
    let patches: Vec<_> = paper.patches().take(EDITS).map(patch).collect();
    let mut document =
        Trace { start_content: String::new(), end_content: String::new(), txns: vec![], kind: None };
    document.txns.push(Txn { patches, parents: vec![], agent: 0 });
    let peers = [ours::PEER, diamond::PEER, loro_peer::PEER, yrs_peer::PEER, automerge_peer::PEER];
    let mut all: Vec<Figures> = Vec::new();
    for peer in peers {
        let mut saved = Vec::new();
        for number in 0..count {
            document.start_content = line(number);
            saved.extend((peer.history)(&document).map(|(_, saved)| saved));
        }
        all.push(Figures { peer, saved, opened: vec![], read: vec![], held: 0 });
    }
    for _ in 0..ROUNDS {
        all.iter_mut().for_each(Figures::round);
    }
    all.into_iter().for_each(Figures::print);
}
