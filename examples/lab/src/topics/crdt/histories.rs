//! Every small history, and what the plain definition of the list makes of it. Each event goes from its author to the
//! reader as encoded changes.

use dsys_crdt::{Agent, DecodeError, Text};

use super::plain::{Edit, Event, Plain};
use super::{cpu, since, whole};
use crate::args::Args;
use crate::machine;
use crate::report::{Allowed, Report, progress};

/// How many histories there are of so many edits: each edit by an agent of its own, who knew any causally closed set of the
/// others, at any place; once with the agents' names ascending, once descending.
const COUNTS: [u64; 6] = [2, 8, 70, 1_212, 37_882, 2_017_232];

pub(super) fn run(args: &Args, report: &mut Report) {
    if !args.mine(0) {
        return;
    }
    let longest = if args.smoke { 4 } else { COUNTS.len() };
    let bar = progress(COUNTS.iter().take(longest).sum());
    for (edits, count) in (1..).zip(COUNTS).take(longest) {
        let started = machine::cpu();
        let mut all = All { agree: 0, passed: &|| bar.inc(1) };
        for ascending in [true, false] {
            if let Err(wrong) = all.extend(&mut Known::default(), edits, ascending) {
                bar.suspend(|| eprintln!("{wrong}"));
            }
        }
        bar.suspend(|| {
            let name = format!("every history of {edits} edits: agree");
            let goal = Allowed::Between(count as f64, count as f64);
            report.row(name, whole(count as f64), Some(all.agree as f64), goal, whole);
            if edits == longest {
                let name = format!("every history of {edits} edits: CPU");
                report.row(name, "-", Some(since(started)), Allowed::Anything, cpu);
            }
        });
    }
    bar.finish_and_clear();
}

/// A history as the plain definition has it, and each event's change.
#[derive(Default)]
struct Known {
    plain: Plain,
    changes: Vec<Vec<u8>>,
}

struct All<'a> {
    agree: u64,
    passed: &'a dyn Fn(),
}

impl All<'_> {
    /// Goes through all histories that begin with the known one and have so many more edits. `Err` is the first that the
    /// engine reads otherwise.
    fn extend(&mut self, known: &mut Known, edits: usize, ascending: bool) -> Result<(), String> {
        if edits == 0 {
            agrees(known)?;
            self.agree += 1;
            (self.passed)();
            return Ok(());
        }
        let count = known.changes.len();
        let number = if ascending { count } else { 9 - count };
        let author = agent(number)?;
        for mask in 0..1u32 << count {
            let seen: Vec<bool> = (0..count).map(|at| mask >> at & 1 == 1).collect();
            let is_closed = |event: &Event| event.known.iter().zip(&seen).all(|(needs, has)| has >= needs);
            if !known.plain.events.iter().zip(&seen).all(|(event, has)| !has || is_closed(event)) {
                continue;
            }
            let told = known.changes.iter().zip(&seen).filter(|(_, has)| **has).map(|(change, _)| change);
            let text = read(author.clone(), told).map_err(|wrong| wrong.to_string())?;
            let letter = char::from(b'a' + count as u8);
            let inserts = (0..=text.len()).map(|at| Edit::Insert(at, letter));
            for edit in inserts.chain((0..text.len()).map(Edit::Delete)) {
                let plain = known.plain.clone();
                known.plain.push(Event { name: format!("{number}"), known: seen.clone(), edit });
                known.changes.push(change(&text, edit).map_err(|wrong| wrong.to_string())?);
                self.extend(known, edits - 1, ascending)?;
                known.changes.pop();
                known.plain = plain;
            }
        }
        Ok(())
    }
}

/// Whether a reader has the text of the plain definition, hearing of the events in their order, and of each as late as can be.
fn agrees(known: &Known) -> Result<(), String> {
    let expected = known.plain.text();
    let events = &known.plain.events;
    let mut late: Vec<usize> = Vec::new();
    while late.len() < events.len() {
        let is_ready = |at: &usize| {
            let mut needs = events.get(*at).into_iter().flat_map(|event| &event.known).zip(0..);
            !late.contains(at) && needs.all(|(needs, other)| !needs || late.contains(&other))
        };
        late.extend((0..events.len()).rev().find(is_ready));
    }
    for order in [(0..events.len()).collect(), late] {
        let reader = read(agent(10)?, order.iter().filter_map(|&at: &usize| known.changes.get(at)));
        let text = reader.map_err(|wrong| wrong.to_string())?.to_string();
        if text != expected {
            return Err(format!("{text:?}, not {expected:?}, in the order {order:?}: {events:?}"));
        }
    }
    Ok(())
}

fn agent(number: usize) -> Result<Agent, String> {
    Agent::new(format!("{number:02}")).map_err(|wrong| wrong.to_string())
}

fn read<'a>(agent: Agent, changes: impl Iterator<Item = &'a Vec<u8>>) -> Result<Text, DecodeError> {
    let mut text = Text::new(agent);
    for change in changes {
        text.apply(change)?;
    }
    Ok(text)
}

fn change(text: &Text, edit: Edit) -> Result<Vec<u8>, DecodeError> {
    let mut text = text.clone();
    let before = text.version();
    let done = match edit {
        Edit::Insert(at, letter) => text.insert(at, letter.encode_utf8(&mut [0; 4])),
        Edit::Delete(at) => text.delete(at..at + 1),
    };
    done.map_err(|_| DecodeError::Full)?;
    text.changes_since(&before)
}
