//! What is seen, as characters on a canvas: no terminal is needed to draw it.

mod canvas;
mod hops;
mod ring;
mod tree;

use dsys_core::NodeId;

pub(crate) use canvas::{Canvas, Look};

use crate::explorer::{Explorer, Mark, short};
use crate::world::Geometry;

/// Columns of the histogram.
const SIDE: usize = 30;

/// Everything, on so many columns and rows.
pub(crate) fn draw(explorer: &Explorer, width: usize, height: usize) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    let nodes = explorer.nodes();
    let kind = if explorer.options.real { "real nodes on QUIC" } else { "simulated nodes" };
    let churn = if explorer.churns { "  churn" } else { "" };
    let paused = if explorer.paused { "  paused" } else { "" };
    let top = format!(
        " {}   {} {kind}{churn}{paused}   {}",
        explorer.options.geometry.name(),
        nodes.len(),
        explorer.note
    );
    canvas.put(0, 0, &format!("{top:width$}"), Look::Bar);
    // The histogram gives way where there is no room for both.
    let side = if width >= 70 { SIDE } else { 0 };
    let (rows, columns) = (height.saturating_sub(4), width - side);
    match explorer.options.geometry {
        Geometry::Kademlia => tree::draw(&mut canvas, explorer, &nodes, (0, 1, columns, rows)),
        Geometry::Chord => ring::draw(&mut canvas, explorer, &nodes, (0, 1, columns, rows)),
    }
    if side > 0 {
        hops::draw(&mut canvas, explorer, nodes.len(), (columns, 1, side, rows));
    }
    canvas.put(0, height.saturating_sub(3), &lookup(explorer), Look::Plain);
    let legend = "@ asks   o asked   1-9 answered, by hop   x no answer   # the key   \u{b7} others";
    canvas.put(0, height.saturating_sub(2), legend, Look::Faint);
    let keys =
        "l look up  Space pause  a add  k kill  x kill a quarter  c churn  + - pace  o other overlay  q quit";
    canvas.put(0, height.saturating_sub(1), keys, Look::Faint);
    canvas
}

/// One line about the lookup that is shown.
fn lookup(explorer: &Explorer) -> String {
    let Some(shown) = &explorer.shown else { return "no lookup yet".into() };
    let key: String = shown.trace.key.to_string().chars().take(6).collect();
    let from = short(shown.trace.from);
    if !shown.is_over() {
        let marks = shown.marks();
        let answered = marks.values().filter(|(mark, _)| *mark == Mark::Answered).count();
        return format!("{from} looks up {key}: {} asked, {answered} answered", marks.len());
    }
    let outcome = shown.outcome;
    let end = match (outcome.found, shown.nearest) {
        (Some(found), nearest) if nearest == Some(found) => format!("{} is responsible", short(found)),
        (Some(found), Some(nearest)) => {
            format!("found {}, but {} is responsible", short(found), short(nearest))
        }
        _ => "nobody answered".into(),
    };
    let dead =
        if outcome.failed > 0 { format!(", {} without an answer", outcome.failed) } else { String::new() };
    format!("{from} looked up {key}: {end}; {} hops, {} asked{dead}", outcome.hops, outcome.asked)
}

/// How a node looks: its character, and how it is set off.
fn face(explorer: &Explorer, node: NodeId, mark: Option<(Mark, u32)>) -> (char, Look) {
    if explorer.shown.as_ref().is_some_and(|shown| shown.trace.from == node) {
        return ('@', Look::Asker);
    }
    match mark {
        Some((Mark::Asked, _)) => ('o', Look::Waiting),
        Some((Mark::Answered, hop)) => (char::from_digit(hop.min(9), 10).unwrap_or('9'), Look::Good),
        Some((Mark::Failed, _)) => ('x', Look::Bad),
        None => ('\u{b7}', Look::Faint),
    }
}
