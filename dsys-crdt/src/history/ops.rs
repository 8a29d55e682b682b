//! What events do: runs of typing and deleting, and all that was ever inserted, once, in one piece.

use std::ops::Range;

use super::{Content, MAX_EVENTS, run_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Event `i` of the run inserts at `at + i`.
    Insert,
    /// Each event deletes the character at `at`.
    Delete,
    /// Event `i` deletes the character at `at - 1 - i`, as the backspace key does.
    DeleteBack,
}

#[derive(Clone, Copy, Debug)]
struct OpRun {
    start: u32,
    at: u32,
    /// The place in the content at which an insert begins; for others where the next would.
    content: u32,
    kind: Kind,
}

/// A part of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// As in [`Kind`].
    pub(crate) at: u32,
    pub(crate) kind: Kind,
    pub(crate) content: (u32, u32),
}

impl Op {
    pub(crate) fn inserts(&self) -> bool {
        self.kind == Kind::Insert
    }

    /// The lowest position that is deleted.
    pub(crate) fn low(&self) -> u32 {
        if self.kind == Kind::DeleteBack { self.at.saturating_sub(self.len) } else { self.at }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ops<C = String> {
    runs: Vec<OpRun>,
    content: C,
    len: u32,
}

impl<C: Content> Ops<C> {
    /// As [`History::resume`](super::History::resume).
    pub(super) fn resume(len: u32) -> Ops<C> {
        Ops { len, ..Ops::default() }
    }

    /// The size of all content.
    pub(crate) fn content_size(&self) -> usize {
        self.content.size()
    }

    /// What an operation inserts.
    pub(crate) fn content(&self, op: &Op) -> &C::Part {
        self.between(op.content)
    }

    /// The content between two places.
    pub(crate) fn between(&self, (from, to): (u32, u32)) -> &C::Part {
        self.content.part(from as usize, to as usize)
    }

    /// Appends the insertion of `part` by so many events.
    pub(crate) fn insert(&mut self, at: u32, part: &C::Part, events: u32) {
        let joins = self
            .runs
            .last()
            .is_some_and(|run| run.kind == Kind::Insert && run.at + (self.len - run.start) == at);
        if !joins {
            self.push(at, Kind::Insert);
        }
        self.content.push(part);
        self.len += events;
    }

    /// Appends the deletion of `count` characters from `at`; in which order is ours to say.
    pub(crate) fn delete(&mut self, at: u32, count: u32) {
        if let Some(run) = self.runs.last_mut() {
            let len = self.len - run.start;
            if run.kind == Kind::Delete && len == 1 && at + count == run.at {
                // One character forwards is one backwards.
                run.kind = Kind::DeleteBack;
                run.at += 1;
            }
            let joins = match run.kind {
                Kind::Insert => false,
                Kind::Delete => run.at == at,
                Kind::DeleteBack if len == 1 && run.at == at + 1 => {
                    run.kind = Kind::Delete;
                    run.at = at;
                    true
                }
                Kind::DeleteBack => run.at - len == at + count,
            };
            if joins {
                self.len += count;
                return;
            }
        }
        self.push(at, Kind::Delete);
        self.len += count;
    }

    /// Appends a run as it was encoded, whose content follows through [`Ops::fill`].
    pub(crate) fn push_empty(&mut self, kind: Kind, at: u32, len: u32) {
        self.push(at, kind);
        self.len += len;
    }

    /// Gives runs that were pushed empty their content, all of it in the order of the events. None if it is too short or
    /// too long.
    pub(crate) fn fill(&mut self, content: C) -> Option<()> {
        let size = content.size();
        if size > MAX_EVENTS as usize {
            return None;
        }
        let flat = content.is_flat();
        let mut at = 0;
        for index in 0..self.runs.len() {
            let end = self.runs.get(index + 1).map_or(self.len, |next| next.start);
            let run = &mut self.runs[index];
            run.content = at as u32;
            if run.kind == Kind::Insert {
                let events = end - run.start;
                let to = if flat { at + events as usize } else { content.advance(at, size, events) };
                if to > size || (!flat && C::events(content.part(at, to)) != events as usize) {
                    return None;
                }
                at = to;
            }
        }
        self.content = content;
        (at == size).then_some(())
    }

    /// Appends a run as it was encoded.
    pub(crate) fn push_run(&mut self, kind: Kind, at: u32, len: u32, part: &C::Part) {
        match kind {
            Kind::Insert => self.insert(at, part, len),
            Kind::Delete | Kind::DeleteBack => self.push_empty(kind, at, len),
        }
    }

    /// Appends a run whose content follows, as a part of the one before it if it goes on there.
    pub(crate) fn push_on(&mut self, kind: Kind, at: u32, len: u32) {
        let goes_on = self.runs.last().is_some_and(|run| {
            let done = self.len - run.start;
            run.kind == kind
                && match kind {
                    Kind::Insert => run.at + done == at,
                    Kind::Delete => run.at == at,
                    Kind::DeleteBack => run.at - done == at,
                }
        });
        if !goes_on {
            self.push(at, kind);
        }
        self.len += len;
    }

    /// The run that holds an event.
    pub(crate) fn run_of(&self, lv: u32) -> usize {
        run_of(&self.runs, lv, |run| run.start)
    }

    /// The run that holds an event, which is in `run` or not far after it.
    pub(crate) fn run_after(&self, mut run: usize, lv: u32) -> usize {
        while self.runs.get(run + 1).is_some_and(|next| next.start <= lv) {
            run += 1;
        }
        run
    }

    /// The operations of the events `from..to`.
    pub(crate) fn slices(&self, from: u32, to: u32) -> impl Iterator<Item = Op> + '_ {
        self.slices_among(0..self.runs.len(), from, to)
    }

    /// The same, where the run that holds `from` is known to be among some.
    pub(crate) fn slices_among(
        &self,
        runs: Range<usize>,
        from: u32,
        to: u32,
    ) -> impl Iterator<Item = Op> + '_ {
        let among = &self.runs[runs.start..runs.end.min(self.runs.len())];
        let first = runs.start + run_of(among, from, |run| run.start);
        (first..self.runs.len()).map_while(move |index| {
            let run = self.runs[index];
            (run.start < to).then(|| self.slice(index, run, from, to))
        })
    }

    pub(crate) fn truncate(&mut self, len: u32) {
        while let Some(&run) = self.runs.last()
            && run.start >= len
        {
            self.content.truncate(run.content as usize);
            self.runs.pop();
            self.len = run.start;
        }
        if let Some(&run) = self.runs.last()
            && self.len > len
        {
            let op = self.slice(self.runs.len() - 1, run, run.start, len);
            self.content.truncate(op.content.1 as usize);
        }
        self.len = len;
    }

    fn push(&mut self, at: u32, kind: Kind) {
        self.runs.push(OpRun { start: self.len, at, content: self.content.size() as u32, kind });
    }

    fn slice(&self, index: usize, run: OpRun, from: u32, to: u32) -> Op {
        let (run_end, content_end) = self
            .runs
            .get(index + 1)
            .map_or((self.len, self.content.size() as u32), |next| (next.start, next.content));
        let (start, end) = (from.max(run.start), to.min(run_end));
        let (skip, len) = (start - run.start, end - start);
        let at = match run.kind {
            Kind::Insert => run.at + skip,
            Kind::Delete => run.at,
            Kind::DeleteBack => run.at - skip,
        };
        let content = if run.kind != Kind::Insert {
            (run.content, run.content)
        } else if content_end - run.content == run_end - run.start {
            (run.content + skip, run.content + skip + len)
        } else if len == run_end - run.start {
            (run.content, content_end)
        } else {
            let end = content_end as usize;
            let first = self.content.advance(run.content as usize, end, skip);
            (first as u32, self.content.advance(first, end, len) as u32)
        };
        Op { start, len, at, kind: run.kind, content }
    }
}
