//! How many hops lookups took, against the logarithm of the number of nodes.

use super::canvas::{Canvas, Look};
use crate::explorer::Explorer;
use crate::world::Geometry;

pub(super) fn draw(
    canvas: &mut Canvas,
    explorer: &Explorer,
    nodes: usize,
    (left, top, width, height): (usize, usize, usize, usize),
) {
    let log = (nodes.max(1) as f64).log2();
    canvas.put(left, top, &format!("hops of {} lookups", explorer.lookups()), Look::Title);
    let most = explorer.hops.keys().max().copied().unwrap_or(0).max(log.ceil() as u32);
    let tallest = explorer.hops.values().max().copied().unwrap_or(0).max(1);
    let room = width.saturating_sub(12);
    for (row, hops) in (0..=most).enumerate().take(height.saturating_sub(8)) {
        let count = explorer.hops.get(&hops).copied().unwrap_or(0);
        let bar = (count as f64 / tallest as f64 * room as f64).ceil() as usize;
        let is_log = hops == log.round() as u32;
        let end = if is_log { "\u{25c2} log2 N" } else { "" };
        let y = top + 1 + row;
        canvas.put(left, y, &format!("{hops:>3} "), Look::Faint);
        canvas.put(left + 4, y, &"\u{2588}".repeat(bar), Look::Good);
        let count = if count > 0 { format!(" {count}") } else { String::new() };
        canvas.put(
            left + 4 + bar,
            y,
            &format!("{count} {end}"),
            if is_log { Look::Key } else { Look::Faint },
        );
    }
    let y = top + height.saturating_sub(6);
    let mean = explorer.mean_hops().map_or("-".into(), |mean| format!("{mean:.2}"));
    canvas.put(left, y, &format!("mean {mean}"), Look::Plain);
    let half = match explorer.options.geometry {
        Geometry::Chord => format!("half of log2 N = {:.2}", log / 2.0),
        Geometry::Kademlia => format!("log2 N = {log:.2}"),
    };
    canvas.put(left, y + 1, &half, Look::Faint);
    let lookups = explorer.lookups();
    let (right, look) = (explorer.right, if explorer.right == lookups { Look::Good } else { Look::Bad });
    canvas.put(left, y + 3, &format!("right: {right} of {lookups}"), look);
}
