//! The tree of Kademlia as the key sees it: each row has the nodes that share so many bits with it, and each row is half as
//! far away as the one above.

use dsys_core::NodeId;
use dsys_dht::Key;

use super::canvas::{Canvas, Look};
use super::face;
use crate::explorer::Explorer;

pub(super) fn draw(
    canvas: &mut Canvas,
    explorer: &Explorer,
    nodes: &[NodeId],
    (left, top, width, height): (usize, usize, usize, usize),
) {
    let Some(shown) = &explorer.shown else { return };
    let key = shown.trace.key;
    let marks = shown.marks();
    let last = height.saturating_sub(3);
    let mut rows: Vec<Vec<NodeId>> = vec![Vec::new(); last + 1];
    let gone = marks.keys().filter(|node| nodes.binary_search(node).is_err());
    for node in nodes.iter().chain(gone) {
        let shared = Key::of_node(*node).common_prefix(key).min(last);
        if let Some(row) = rows.get_mut(shared) {
            row.push(*node);
        }
    }
    canvas.put(left + 1, top, "bits shared with the key", Look::Title);
    let deepest = rows.iter().rposition(|row| !row.is_empty()).unwrap_or(0);
    for (shared, row) in rows.iter_mut().enumerate().take(deepest + 1) {
        let y = top + 1 + shared;
        let stair = format!(
            "{shared:>3} {}{}",
            " ".repeat(shared),
            if shared < deepest { "\u{252c} " } else { "\u{2514} " }
        );
        canvas.put(left, y, &stair, Look::Faint);
        let start = left + stair.chars().count();
        let room = (left + width).saturating_sub(start + 6).max(1);
        // Those that the lookup met stay in sight where not all fit.
        row.sort_by_key(|node| (!marks.contains_key(node) && *node != shown.trace.from, *node));
        let hidden = row.len().saturating_sub(room);
        row.truncate(room);
        row.sort_by_key(|node| Key::of_node(*node).xor(key));
        let apart = if row.len() * 2 <= room { 2 } else { 1 };
        for (at, node) in row.iter().enumerate() {
            let (character, look) = face(explorer, *node, marks.get(node).copied());
            canvas.set(start + at * apart, y, character, look);
        }
        if hidden > 0 {
            canvas.put(start + row.len() * apart + 1, y, &format!("+{hidden}"), Look::Faint);
        }
        if shared < deepest {
            canvas.set(left + 4 + shared, y + 1, '\u{2514}', Look::Faint);
        }
    }
    canvas.put(left + 4 + deepest, top + 2 + deepest, "# the key", Look::Key);
}
