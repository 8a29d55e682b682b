//! One document with one peer.

use std::collections::VecDeque;
use std::ops::Range;

use dsys_core::Time;

use crate::change::ChangeId;

/// What is known of a peer's replica of a document, and what is on its way. Begins anew with each connection, but for
/// `invited`.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// We have named the document to the peer, and dial it for that.
    pub(super) invited: bool,
    /// The peer has said what it has.
    pub(super) heard: bool,
    /// The peer does not share it: when it said so last, and how often before.
    pub(super) declined: Option<(Time, u32)>,
    /// It is told of what comes from others, instead of being sent it.
    pub(super) lazy: bool,
    /// What it was told of that we have, and when.
    pub(super) told: Option<(Vec<ChangeId>, Time)>,
    /// Numbers of changes to be sent.
    pub(super) queue: VecDeque<u32>,
    /// Pieces that are not stored there yet.
    pub(super) flight: VecDeque<Flight>,
    pub(super) pieces: u64,
    /// It lacks something that it was told of, and not sent: it asks for it, or gets it from another.
    pub(super) behind: bool,
    /// What it has, by what it said and sent last.
    pub(super) theirs: Vec<ChangeId>,
    /// When we asked it for changes, or got the last ones since, as long as there are to be more.
    pub(super) asked: Option<Time>,
    /// It was sent our list for that, because it does not know our last changes.
    pub(super) listed: bool,
    /// It was sent what the document says.
    pub(super) previewed: bool,
    /// It was told that we have what it says that we lack.
    pub(super) named: bool,
    /// What it gives only what follows, by its word, because it has cut the rest.
    pub(super) cut: Vec<ChangeId>,
    /// How often in a row it has not given what it had announced.
    pub(super) broken: u32,
    /// It is not asked before, for that.
    pub(super) shunned: Option<Time>,
    /// When it was last sent all that it lacked by its own list.
    pub(super) served: Option<Time>,
    /// Pieces of the peer's that are not durable yet, with how many changes there have to be.
    pub(super) parked: VecDeque<(u64, u32)>,
    pub(super) in_step: bool,
    pub(super) received: u64,
}

/// A piece on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) piece: u64,
    pub(super) sent: Time,
    pub(super) numbers: Vec<Range<u32>>,
}

impl Flight {
    pub(super) fn new(piece: u64, sent: Time, numbers: &[u32]) -> Flight {
        let runs = numbers.chunk_by(|before, after| before + 1 == *after);
        let numbers = runs.filter_map(|run| Some(*run.first()?..run.last()? + 1)).collect();
        Flight { piece, sent, numbers }
    }
}

impl Link {
    /// After the connection has gone.
    pub(super) fn reset(&mut self) {
        *self = Link { invited: self.invited, ..Link::default() };
    }

    /// Of what the peer lacks by its own word: what is not on its way to it.
    pub(super) fn unsent(&self, mut lacking: VecDeque<u32>) -> VecDeque<u32> {
        let flies =
            |number: &u32| self.flight.iter().flat_map(|it| &it.numbers).any(|run| run.contains(number));
        if !self.flight.is_empty() {
            lacking.retain(|number| !flies(number));
        }
        lacking
    }

    /// The peer has asked for what it lacks: it gets it, and what is new from now on.
    pub(super) fn serve(&mut self, unsent: VecDeque<u32>) {
        (self.queue, self.behind, self.lazy) = (unsent, false, false);
    }

    /// Whether it can be asked for changes.
    pub(super) fn is_trusted(&self, now: Time) -> bool {
        self.declined.is_none() && self.shunned.is_none_or(|until| now >= until)
    }

    /// It has given what it had, or has no more.
    pub(super) fn kept_word(&mut self) {
        (self.broken, self.shunned) = (0, None);
        self.cut.clear();
    }

    /// Nothing is on its way, nor to be sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.flight.is_empty()
    }
}
