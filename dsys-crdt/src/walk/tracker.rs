//! The tracker: the sequence of characters, deleted ones too, that concurrent events refer to.
//!
//! It maps positions at the *prepared* version (the parents of the event at hand) to positions in the text that holds all
//! events walked so far (Eg-walker §3.2 to §3.4). Spans of characters lie in leaves of [`SPANS`] in an
//! [`Order`] with two sizes, one for each version. Characters are found by number through [`Starts`]; the targets of
//! deletions stand in a plain array by event.
#![allow(clippy::indexing_slicing)] // Leaves and slots come from the order; numbers are those of events in the zone.

use std::cmp::Ordering;

use super::span::{EDGE, OLD, Span};
use super::starts::Starts;
use crate::history::{Agents, Kind, Op};
use crate::order::{NONE, Order, Sizes};

const SPANS: usize = 16;
pub(super) const PREPARED: usize = 0;
pub(super) const FINAL: usize = 1;

#[derive(Clone, Debug)]
struct Leaf {
    len: u8,
    spans: [Span; SPANS],
}

impl Leaf {
    const EMPTY: Leaf = Leaf { len: 0, spans: [Span::NONE; SPANS] };

    fn spans(&self) -> &[Span] {
        &self.spans[..self.len as usize]
    }

    fn insert(&mut self, slot: usize, span: Span) {
        self.spans.copy_within(slot..self.len as usize, slot + 1);
        self.spans[slot] = span;
        self.len += 1;
    }

    fn remove(&mut self, slot: usize) {
        self.spans.copy_within(slot + 1..self.len as usize, slot);
        self.len -= 1;
    }
}

/// A place between two spans: before the one in `slot`, which may be past the last of the leaf.
#[derive(Clone, Copy, Debug)]
struct Place {
    leaf: u32,
    slot: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Tracker {
    order: Order<2>,
    leaves: Vec<Leaf>,
    /// The first event of the zone.
    base: u32,
    events: Starts,
    old: Starts,
    /// By event since `base`: the character that it deletes.
    targets: Vec<u32>,
    /// How many spans were shifted or passed by.
    steps: u64,
}

impl Tracker {
    pub(super) fn new() -> Self {
        Tracker {
            order: Order::new([0; 2]),
            leaves: Vec::new(),
            base: 0,
            events: Starts::default(),
            old: Starts::default(),
            targets: Vec::new(),
            steps: 0,
        }
    }

    /// Begins a zone of the events `from..to`, in front of which there are `chars` characters or fewer.
    pub(super) fn reset(&mut self, from: u32, to: u32, chars: u32) {
        self.base = from;
        self.events.reset((to - from) as usize);
        self.old.reset(chars as usize + 1);
        if self.targets.len() < (to - from) as usize {
            // Fresh memory costs nothing before it is written; what is there is never read before it is written.
            self.targets = vec![0; ((to - from) as usize).next_power_of_two()];
        }
        self.order.reset([chars; 2]);
        self.leaves.clear();
        let mut leaf = Leaf::EMPTY;
        if chars > 0 {
            leaf.insert(0, Span::new(OLD, chars, EDGE, EDGE));
            self.old.set(0, 0);
        }
        self.leaves.push(leaf);
    }

    /// Makes place for the events below `to` in a zone that goes on.
    pub(super) fn grow(&mut self, to: u32) {
        let len = (to - self.base) as usize;
        self.events.grow(len);
        if self.targets.len() < len {
            self.targets.resize(len.next_power_of_two(), 0);
        }
    }

    /// How many spans were shifted or passed by since this was asked last.
    pub(super) fn take_steps(&mut self) -> u64 {
        std::mem::take(&mut self.steps)
    }

    /// The character that an event of the zone, which deletes, deletes.
    pub(super) fn target(&self, event: u32) -> u32 {
        self.targets[(event - self.base) as usize]
    }

    /// All characters in order, deleted ones too.
    pub(super) fn spans(&self) -> impl Iterator<Item = &Span> {
        self.order.iter().flat_map(|leaf| self.leaves[leaf as usize].spans())
    }

    /// The spans before that of a character, the last first.
    pub(super) fn spans_before(&self, id: u32) -> impl Iterator<Item = &Span> {
        let (place, _) = self.locate(id);
        let previous = |&leaf: &u32| Some(self.order.previous(leaf)).filter(|&leaf| leaf != NONE);
        std::iter::successors(Some(place.leaf), previous).flat_map(move |leaf| {
            let spans = self.leaves[leaf as usize].spans();
            let to = if leaf == place.leaf { place.slot } else { spans.len() };
            spans[..to].iter().rev()
        })
    }

    /// The span that holds a character that was walked, and its offset there.
    pub(super) fn span_of(&self, id: u32) -> (Span, u32) {
        let (place, offset) = self.locate(id);
        (self.leaves[place.leaf as usize].spans[place.slot], offset)
    }

    /// How many characters stand before one at the prepared version, and after all events walked.
    pub(super) fn before(&self, id: u32) -> Sizes<2> {
        let (place, offset) = self.locate(id);
        let spans = self.leaves[place.leaf as usize].spans();
        let mut before = self.order.before(place.leaf);
        let mut own = spans[place.slot];
        own.len = offset;
        for span in spans[..place.slot].iter().chain([&own]) {
            let sizes = span.sizes();
            before = [before[PREPARED] + sizes[PREPARED], before[FINAL] + sizes[FINAL]];
        }
        before
    }

    /// The span that holds the character at a position after all events walked, and its offset there.
    pub(super) fn span_at(&self, position: u32) -> Option<(Span, u32)> {
        if position >= self.final_len() {
            return None;
        }
        let (leaf, before) = self.order.find(FINAL, position, false);
        let mut offset = position - before[FINAL];
        for span in self.leaves[leaf as usize].spans() {
            let here = span.sizes()[FINAL];
            if offset < here {
                return Some((*span, offset));
            }
            offset -= here;
        }
        None
    }

    /// Hides a character from what stands after all events walked, or shows it again; no event is told of that.
    pub(super) fn set_hidden(&mut self, id: u32, hidden: bool) {
        let (place, offset) = self.locate(id);
        let place = self.isolate(place, offset, 1);
        let span = &mut self.leaves[place.leaf as usize].spans[place.slot];
        if span.was_deleted() != hidden {
            span.set_deleted(hidden);
            let change = if hidden { u32::MAX } else { 1 };
            self.order.add(place.leaf, [0, change]);
        }
        self.join_around(place);
    }

    /// How many characters there are after all events walked.
    pub(super) fn final_len(&self) -> u32 {
        self.order.total()[FINAL]
    }

    /// How many characters there are at the prepared version.
    pub(super) fn prepared_len(&self) -> u32 {
        self.order.total()[PREPARED]
    }

    /// Applies an insertion at the prepared version, within its length; gives its place in the text.
    pub(super) fn insert(&mut self, op: &Op, agents: &Agents) -> u32 {
        let (mut place, left) = self.place_after(op.at);
        let next = self.known_from(place);
        let right = next.map_or(EDGE, |(_, span)| span.id);
        if next.is_none_or(|(at, _)| at.leaf != place.leaf || at.slot != place.slot) {
            place = self.integrate(place, op.start, left, right, next.map(|(at, _)| at), agents);
        }
        let span = Span::new(op.start, op.len, left, right);
        let at = self.final_before(place);
        let leaf = &mut self.leaves[place.leaf as usize];
        if place.slot > 0 && leaf.spans[place.slot - 1].joins(&span) {
            leaf.spans[place.slot - 1].len += op.len;
            self.order.add(place.leaf, [op.len; 2]);
        } else {
            let place = self.make_room(place, 1);
            self.order.add(place.leaf, [op.len; 2]);
            self.leaves[place.leaf as usize].insert(place.slot, span);
            self.set_start(span.id, place.leaf);
        }
        at
    }

    /// Applies a deletion at the prepared version, within its length; tells `each` where in the text how many characters
    /// go, one part after the other.
    pub(super) fn delete(&mut self, op: &Op, mut each: impl FnMut(u32, u32)) {
        let low = op.low();
        let mut done = 0;
        while done < op.len {
            let (leaf, before) = self.order.find(PREPARED, low, false);
            let mut offset = low - before[PREPARED];
            let mut slot = 0;
            let spans = self.leaves[leaf as usize].spans();
            while slot + 1 < spans.len() && spans[slot].sizes()[PREPARED] <= offset {
                offset -= spans[slot].sizes()[PREPARED];
                slot += 1;
            }
            let span = spans[slot];
            let count = (op.len - done).min(span.len.saturating_sub(offset));
            if count == 0 {
                return; // The walk has checked the length, so this is not reached.
            }
            let place = self.isolate(Place { leaf, slot }, offset, count);
            let at = self.final_before(place);
            let span = &mut self.leaves[place.leaf as usize].spans[place.slot];
            let (id, fresh) = (span.id, !span.was_deleted());
            span.delete();
            let gone = if fresh { count } else { 0 };
            self.order.add(place.leaf, [count, gone].map(u32::wrapping_neg));
            for i in 0..count {
                let event = if op.kind == Kind::DeleteBack { op.len - 1 - done - i } else { done + i };
                self.targets[(op.start - self.base + event) as usize] = id + i;
            }
            self.join_around(place);
            if fresh {
                each(at, count);
            }
            done += count;
        }
    }

    /// Takes events into the prepared version, or out of it; they have been walked before.
    pub(super) fn shift(&mut self, ops: impl Iterator<Item = Op>, forwards: bool) {
        for op in ops {
            if op.kind == Kind::Insert {
                self.shift_chars(op.start, op.len, forwards);
                continue;
            }
            // Targets in a row, upwards or downwards, are changed together.
            let first = (op.start - self.base) as usize;
            let targets = first..first + op.len as usize;
            let mut at = targets.start;
            while at < targets.end {
                let id = self.targets[at];
                let run = |step: fn(u32, u32) -> u32| {
                    (at + 1..targets.end)
                        .take_while(|&i| self.targets[i] == step(id, (i - at) as u32))
                        .count() as u32
                };
                let up = run(u32::wrapping_add);
                let down = if up > 0 { 0 } else { run(u32::wrapping_sub) };
                // Looking through targets is cheap, but not free.
                self.steps += u64::from(up.max(down) / 64);
                self.shift_chars(id - down, up.max(down) + 1, forwards);
                at += up.max(down) as usize + 1;
            }
        }
    }

    fn shift_chars(&mut self, mut id: u32, mut len: u32, forwards: bool) {
        while len > 0 {
            self.steps += 1;
            let (place, offset) = self.locate(id);
            let span = self.leaves[place.leaf as usize].spans[place.slot];
            let count = len.min(span.len - offset);
            let place = self.isolate(place, offset, count);
            let span = &mut self.leaves[place.leaf as usize].spans[place.slot];
            let before = span.sizes()[PREPARED];
            if forwards {
                span.advance()
            } else {
                span.retreat()
            }
            let change = span.sizes()[PREPARED].wrapping_sub(before);
            if change != 0 {
                self.order.add(place.leaf, [change, 0]);
            }
            self.join_around(place);
            (id, len) = (id + count, len - count);
        }
    }

    /// The place right after the first `at` characters of the prepared version, splitting a span if it must, and the
    /// character before it.
    fn place_after(&mut self, at: u32) -> (Place, u32) {
        if at == 0 {
            return (Place { leaf: self.order.first(), slot: 0 }, EDGE);
        }
        let (leaf, before) = self.order.find(PREPARED, at, true);
        let mut offset = at - before[PREPARED];
        let mut slot = 0;
        let spans = self.leaves[leaf as usize].spans();
        while slot + 1 < spans.len() && spans[slot].sizes()[PREPARED] < offset {
            offset -= spans[slot].sizes()[PREPARED];
            slot += 1;
        }
        let span = spans[slot];
        let left = span.id + offset - 1;
        let place = Place { leaf, slot };
        if offset == span.len {
            return (Place { slot: slot + 1, ..place }, left);
        }
        let place = self.isolate(place, 0, offset);
        (Place { slot: place.slot + 1, ..place }, left)
    }

    /// The next span from `place` on that is inserted at the prepared version.
    fn known_from(&mut self, place: Place) -> Option<(Place, Span)> {
        let Place { mut leaf, slot: mut from } = place;
        while leaf != NONE {
            self.steps += 1;
            let spans = self.leaves[leaf as usize].spans();
            if let Some(found) = (from..spans.len()).find(|&slot| spans[slot].is_inserted()) {
                // The end of a leaf is the start of the next.
                let at_end = place.slot == self.leaves[place.leaf as usize].len as usize;
                let same = at_end && found == 0 && self.order.next(place.leaf) == leaf;
                return Some((if same { place } else { Place { leaf, slot: found } }, spans[found]));
            }
            (leaf, from) = (self.order.next(leaf), 0);
        }
        None
    }

    /// Where among concurrent insertions, which begin at `place` and end at `end`, a new one goes.
    ///
    /// The order is Fugue's, maximally non-interleaving (Weidner & Kleppmann, "The Art of the Fugue", 2023, §5): among
    /// insertions with the same left origin the one with the farther right origin stands first, then agents decide.
    fn integrate(
        &mut self,
        place: Place,
        id: u32,
        left: u32,
        right: u32,
        end: Option<Place>,
        agents: &Agents,
    ) -> Place {
        let mut chosen = place;
        let mut scanning = false;
        let mut at = place;
        loop {
            if at.slot >= self.leaves[at.leaf as usize].len as usize {
                let next = self.order.next(at.leaf);
                if next == NONE {
                    break;
                }
                at = Place { leaf: next, slot: 0 };
                continue;
            }
            if end.is_some_and(|end| end.leaf == at.leaf && end.slot == at.slot) {
                break;
            }
            self.steps += 1;
            let other = self.leaves[at.leaf as usize].spans[at.slot];
            if other.is_inserted() {
                break;
            }
            match self.compare(other.left, left, Ordering::Less) {
                Ordering::Less => break,
                Ordering::Greater => {}
                Ordering::Equal => match self.compare(other.right, right, Ordering::Greater) {
                    Ordering::Less => scanning = true,
                    Ordering::Greater => scanning = false,
                    Ordering::Equal => {
                        if agents.compare(id, other.id) == Ordering::Less {
                            break;
                        }
                        scanning = false;
                    }
                },
            }
            at.slot += 1;
            if !scanning {
                chosen = at;
            }
        }
        chosen
    }

    /// Which of two characters stands first; `EDGE` compares with any other as `edge` says.
    pub(super) fn compare(&self, a: u32, b: u32, edge: Ordering) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        match (a, b) {
            (EDGE, _) => edge,
            (_, EDGE) => edge.reverse(),
            _ => {
                let ((a, a_offset), (b, b_offset)) = (self.locate(a), self.locate(b));
                self.order.compare(a.leaf, b.leaf).then((a.slot, a_offset).cmp(&(b.slot, b_offset)))
            }
        }
    }

    /// The span that holds a character, and the character's offset in it.
    fn locate(&self, id: u32) -> (Place, u32) {
        let leaf = match id.checked_sub(OLD) {
            Some(old) => self.old.leaf_of(old),
            None => self.events.leaf_of(id - self.base),
        };
        let spans = self.leaves[leaf as usize].spans();
        let slot = spans.iter().position(|span| id.wrapping_sub(span.id) < span.len).unwrap_or(0);
        (Place { leaf, slot }, id.wrapping_sub(spans[slot].id))
    }

    /// Makes the `count` characters from `offset` on in a span a span of their own; gives its place.
    fn isolate(&mut self, place: Place, offset: u32, count: u32) -> Place {
        let span = self.leaves[place.leaf as usize].spans[place.slot];
        let (head, tail) = (offset > 0, offset + count < span.len);
        if !head && !tail {
            return place;
        }
        let mut place = self.make_room(place, usize::from(head) + usize::from(tail));
        let leaf = &mut self.leaves[place.leaf as usize];
        if head {
            leaf.spans[place.slot].len = offset;
            place.slot += 1;
            leaf.insert(place.slot, span.tail(offset));
        }
        leaf.spans[place.slot].len = count;
        if tail {
            leaf.insert(place.slot + 1, span.tail(offset + count));
        }
        if head {
            self.set_start(span.id + offset, place.leaf);
        }
        if tail {
            self.set_start(span.id + offset + count, place.leaf);
        }
        place
    }

    /// Joins a span with its neighbours in the leaf where they continue each other.
    fn join_around(&mut self, place: Place) {
        let leaf = &mut self.leaves[place.leaf as usize];
        for slot in [place.slot + 1, place.slot] {
            if slot == 0 || slot >= leaf.len as usize {
                continue;
            }
            let next = leaf.spans[slot];
            if leaf.spans[slot - 1].joins(&next) {
                leaf.spans[slot - 1].len += next.len;
                leaf.remove(slot);
                match next.id.checked_sub(OLD) {
                    Some(old) => self.old.unset(old),
                    None => self.events.unset(next.id - self.base),
                }
            }
        }
    }

    /// Makes place for `count` more spans in the leaf, by splitting it if need be.
    fn make_room(&mut self, place: Place, count: usize) -> Place {
        let leaf = &mut self.leaves[place.leaf as usize];
        if leaf.len as usize + count <= SPANS {
            return place;
        }
        let half = SPANS / 2;
        let mut right = Leaf::EMPTY;
        let moved = &leaf.spans[half..leaf.len as usize];
        right.spans[..moved.len()].copy_from_slice(moved);
        right.len = moved.len() as u8;
        leaf.len = half as u8;
        let mut sizes = [0; 2];
        for span in right.spans() {
            let [prepared, last] = span.sizes();
            sizes = [sizes[PREPARED] + prepared, sizes[FINAL] + last];
        }
        self.order.add(place.leaf, sizes.map(u32::wrapping_neg));
        let new = self.order.insert_after(place.leaf, sizes);
        for span in right.spans() {
            match span.id.checked_sub(OLD) {
                Some(old) => self.old.set(old, new),
                None => self.events.set(span.id - self.base, new),
            }
        }
        // The tracker never removes a leaf, so a new one has the next number.
        self.leaves.push(right);
        if place.slot >= half { Place { leaf: new, slot: place.slot - half } } else { place }
    }

    fn set_start(&mut self, id: u32, leaf: u32) {
        match id.checked_sub(OLD) {
            Some(old) => self.old.set(old, leaf),
            None => self.events.set(id - self.base, leaf),
        }
    }

    /// How many characters of the text stand before a place.
    fn final_before(&self, place: Place) -> u32 {
        let spans = &self.leaves[place.leaf as usize].spans[..place.slot];
        self.order.before_in(FINAL, place.leaf) + spans.iter().map(|span| span.sizes()[FINAL]).sum::<u32>()
    }
}
