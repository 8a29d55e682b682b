//! The ring of Chord: places go around clockwise from the top, and a lookup's way is drawn across.

use std::f64::consts::TAU;

use dsys_core::NodeId;
use dsys_dht::Key;

use super::canvas::{Canvas, Look};
use super::face;
use crate::explorer::{Explorer, Mark};

pub(super) fn draw(
    canvas: &mut Canvas,
    explorer: &Explorer,
    nodes: &[NodeId],
    (left, top, width, height): (usize, usize, usize, usize),
) {
    // A character is twice as high as it is wide.
    let radius = (height as f64 / 2.0 - 1.5).min(width as f64 / 4.0 - 2.0).max(1.0);
    let middle = (left as f64 + width as f64 / 2.0, top as f64 + height as f64 / 2.0 - 0.5);
    let at = |key: Key, part: f64| {
        let angle = around(key) * TAU;
        let (x, y) = (middle.0 + angle.sin() * radius * 2.0 * part, middle.1 - angle.cos() * radius * part);
        (x.round().max(0.0) as usize, y.round().max(0.0) as usize)
    };
    let marks = explorer.shown.as_ref().map(|shown| shown.marks()).unwrap_or_default();
    // Those that the lookup met are drawn last, and so stay in sight.
    let (met, others): (Vec<NodeId>, Vec<NodeId>) = nodes.iter().partition(|node| marks.contains_key(*node));
    let gone = marks.keys().filter(|node| !nodes.contains(node));
    for node in others.iter().chain(&met).chain(gone) {
        let (x, y) = at(Key::of_node(*node), 1.0);
        let (character, look) = face(explorer, *node, marks.get(node).copied());
        canvas.set(x, y, character, look);
    }
    let Some(shown) = &explorer.shown else { return };
    let (x, y) = at(Key::of_node(shown.trace.from), 1.0);
    canvas.set(x, y, '@', Look::Asker);
    let (x, y) = at(shown.trace.key, 1.16);
    canvas.set(x, y, '#', Look::Key);
    // The way: the first of each hop that answered.
    let mut from = at(Key::of_node(shown.trace.from), 1.0);
    for hop in 1.. {
        let next = marks.iter().find(|(_, (mark, at))| *mark == Mark::Answered && *at == hop);
        let Some((node, _)) = next else { break };
        let to = at(Key::of_node(*node), 1.0);
        line(canvas, from, to);
        from = to;
    }
}

/// Where on the ring a place is: 0 at the top, 1 once around.
fn around(key: Key) -> f64 {
    let first = key.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    first as f64 / 2.0_f64.powi(64)
}

fn line(canvas: &mut Canvas, from: (usize, usize), to: (usize, usize)) {
    let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    for step in 1..steps {
        let part = step as f64 / steps as f64;
        let between = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * part).round() as usize;
        let (x, y) = (between(from.0, to.0), between(from.1, to.1));
        if canvas.is_free(x, y) {
            canvas.set(x, y, '\u{2219}', Look::Key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_space_is_a_quarter_of_the_ring() {
        let at =
            |first: u8| around(Key::from_bytes(std::array::from_fn(|at| if at == 0 { first } else { 0 })));
        assert_eq!((at(0), at(0x40), at(0x80), at(0xc0)), (0.0, 0.25, 0.5, 0.75));
    }
}
