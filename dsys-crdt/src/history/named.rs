//! Operations that name the characters they refer to, instead of saying where those stood.

use super::{Kind, Op, run_of};

/// No character: the beginning.
pub(crate) const BEGINNING: u32 = u32::MAX;

/// A run of events of one kind. A character is named by the event that inserted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedRun {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    /// [`Kind::Insert`]: the character to the left of the first, or [`BEGINNING`]; each further one has the one before it.
    /// [`Kind::Delete`]: event `i` deletes `character + i`. [`Kind::DeleteBack`]: event `i` deletes `character - i`.
    pub(crate) character: u32,
}

impl NamedRun {
    /// The first event after it.
    pub(crate) fn end(&self) -> u32 {
        self.start + self.len
    }
}

/// All operations of a history, in the order of the events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) runs: Vec<NamedRun>,
}

impl Named {
    /// How many events insert, and how many delete.
    pub(crate) fn count(&self) -> (usize, usize) {
        let inserts = self.runs.iter().filter(|run| run.kind == Kind::Insert);
        let inserts = inserts.map(|run| run.len as usize).sum();
        (inserts, self.runs.last().map_or(0, NamedRun::end) as usize - inserts)
    }

    /// The runs that begin in `from..to`.
    pub(crate) fn starting(&self, from: u32, to: u32) -> &[NamedRun] {
        let at = |event| self.runs.partition_point(|run| run.start < event);
        self.runs.get(at(from)..at(to)).unwrap_or_default()
    }

    /// What the events `from..to` are, with no position.
    pub(crate) fn slices(&self, from: u32, to: u32) -> impl Iterator<Item = Op> + '_ {
        let runs = self.runs.get(run_of(&self.runs, from, |run| run.start)..).unwrap_or_default();
        runs.iter().take_while(move |run| run.start < to).map(move |run| {
            let (start, end) = (run.start.max(from), run.end().min(to));
            Op { start, len: end - start, at: 0, kind: run.kind, content: (0, 0) }
        })
    }
}
