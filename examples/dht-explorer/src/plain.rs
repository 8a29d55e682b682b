//! Without a terminal: a line for each lookup, and what they come to.

use crate::explorer::{Explorer, short};
use crate::output::say;

pub(crate) async fn run(explorer: &mut Explorer) -> Result<(), String> {
    let options = explorer.options;
    say(&format!("{}: {} nodes have joined", options.geometry.name(), explorer.nodes().len()));
    for _ in 0..options.lookups {
        tokio::select! {
            _ = explorer.finish_lookup() => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let Some(shown) = &explorer.shown else { return Err("a lookup did not end".into()) };
        let outcome = shown.outcome;
        let found = outcome.found.map_or("nobody".into(), short);
        let right = if outcome.found == shown.nearest { "" } else { ", which is not the nearest" };
        say(&format!(
            "{} looks up {:.6}: {found} after {} hops, {} asked, {} without an answer{right}",
            short(shown.trace.from),
            shown.trace.key.to_string(),
            outcome.hops,
            outcome.asked,
            outcome.failed
        ));
    }
    summary(explorer);
    Ok(())
}

/// How many lookups took how many hops.
pub(crate) fn summary(explorer: &Explorer) {
    let nodes = explorer.nodes().len();
    for (hops, count) in &explorer.hops {
        say(&format!("{hops:>3} hops: {count}"));
    }
    let (mean, log) = (explorer.mean_hops().unwrap_or(0.0), (nodes.max(1) as f64).log2());
    let (right, lookups) = (explorer.right, explorer.lookups());
    say(&format!("mean {mean:.2}, log2 of {nodes} is {log:.2}; right: {right} of {lookups}"));
}
