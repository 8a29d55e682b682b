//! Everything that keys do, without a person, for both overlays, simulated and real.

use std::time::{Duration, Instant};

use crate::args::Options;
use crate::explorer::Explorer;
use crate::output::say;
use crate::view;
use crate::world::Geometry;

pub(crate) async fn run() -> Result<(), String> {
    let began = Instant::now();
    let step = |what: String| say(&format!("{:5.1} s  {what}", began.elapsed().as_secs_f64()));
    for geometry in [Geometry::Kademlia, Geometry::Chord] {
        let options = Options { geometry, nodes: 64, real: false, seed: 1, lookups: 0 };
        let mut explorer = Explorer::new(options).await?;
        lookups(&mut explorer, 40, true).await?;
        let (name, mean) = (geometry.name(), explorer.mean_hops().unwrap_or(0.0));
        // A lookup of either takes no more than the paper says, and seldom less than half of it for Chord.
        let expected = geometry.expected_hops(64);
        if !(1.0..=expected + 0.75).contains(&mean) {
            return Err(format!("{name}: {mean:.2} hops on average, where {expected:.2} are expected"));
        }
        step(format!(
            "{name}, 64 simulated nodes: 40 lookups found who is responsible, {mean:.2} hops on average"
        ));
        drawn(&mut explorer)?;

        explorer.kill(16);
        lookups(&mut explorer, 20, false).await?;
        let failed: u64 = explorer.lookups() - explorer.right;
        if explorer.nodes().len() != 48 || failed > 5 {
            return Err(format!("{name}: {failed} of 20 lookups went wrong right after a quarter had died"));
        }
        explorer.rest(Duration::from_secs(120)).await;
        lookups(&mut explorer, 20, true).await?;
        step(format!("{name}: 16 died; at once {failed} of 20 lookups went wrong, two minutes later none"));

        for _ in 0..8 {
            explorer.add().await;
        }
        explorer.rest(Duration::from_secs(60)).await;
        lookups(&mut explorer, 20, true).await?;
        explorer.churns = true;
        for _ in 0..100 {
            explorer.tick().await;
        }
        drawn(&mut explorer)?;
        step(format!("{name}: 8 joined and are found; with churn on, {} are up", explorer.nodes().len()));
        explorer.end().await;
    }
    for geometry in [Geometry::Kademlia, Geometry::Chord] {
        let options = Options { geometry, nodes: 8, real: true, seed: 1, lookups: 0 };
        let mut explorer = Explorer::new(options).await?;
        settle(&mut explorer).await?;
        step(format!("{}, 8 real nodes: 8 lookups in a row found who is responsible", geometry.name()));
        drawn(&mut explorer)?;
        explorer.end().await;
    }
    Ok(())
}

/// So many lookups; all right, if that is asked.
async fn lookups(explorer: &mut Explorer, count: u64, all_right: bool) -> Result<(), String> {
    let before = explorer.right;
    for _ in 0..count {
        explorer.finish_lookup().await.ok_or("a lookup did not end")?;
    }
    let right = explorer.right - before;
    if all_right && right != count {
        return Err(format!(
            "{}: {right} of {count} lookups found who is responsible",
            explorer.options.geometry.name()
        ));
    }
    Ok(())
}

/// Real nodes take a while to know each other.
async fn settle(explorer: &mut Explorer) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(60);
    while lookups(explorer, 8, true).await.is_err() {
        if Instant::now() > end {
            return Err("real nodes still do not find each other after a minute".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The picture has the asker, the key, who answered, and the histogram.
fn drawn(explorer: &mut Explorer) -> Result<(), String> {
    let shown = explorer.shown.as_mut().ok_or("no lookup is shown")?;
    shown.steps = shown.trace.steps.len();
    let text = view::draw(explorer, 100, 30).text();
    for part in ["@", "#", "1", "hops of", "log2 N", "right:"] {
        if !text.contains(part) {
            return Err(format!("{part:?} is missing in the picture:\n{text}"));
        }
    }
    Ok(())
}
