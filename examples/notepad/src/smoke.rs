//! Four panes without a person: what the README promises, asserted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::pane::Pane;
use crate::{open_all, say};

pub(crate) async fn run() -> Result<(), String> {
    let began = Instant::now();
    let step = |what: &str| say(&format!("{:5.1} s  {what}", began.elapsed().as_secs_f64()));
    let mut panes = open_all(4, crate::local(), None).await?;
    let [anna, ..] = panes.as_mut_slice() else { return Err("there are four".into()) };
    anna.insert("milk\neggs\n")?;
    until(&panes, "the text is everywhere", |panes| panes.iter().all(|pane| pane.text() == "milk\neggs\n"))
        .await?;
    step("four panes show what was typed in one");

    let [_, ben, _, di] = panes.as_mut_slice() else { return Err("there are four".into()) };
    di.flip();
    di.cursor = 0;
    di.insert("oat ")?;
    ben.cursor = 10;
    ben.insert("bread\n")?;
    until(&panes, "three go on", |panes| {
        panes.iter().take(3).all(|pane| pane.text() == "milk\neggs\nbread\n")
    })
    .await?;
    if panes.get(3).is_none_or(|pane| pane.text() != "oat milk\neggs\n" || pane.is_online()) {
        return Err("something came through a cut".into());
    }
    step("one was off the net, and all went on writing");

    if let Some(di) = panes.get_mut(3) {
        di.flip();
    }
    until(&panes, "all is merged", |panes| {
        panes.iter().all(|pane| pane.text() == "oat milk\neggs\nbread\n") && same_hash(panes)
    })
    .await?;
    let mut authors = BTreeMap::new();
    let colours = panes.first().map(|pane| pane.view(&mut authors).text).unwrap_or_default();
    let mut seen: Vec<usize> = colours.iter().map(|(_, author)| *author).collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != 3 {
        return Err(format!("three have written, and {} are shown", seen.len()));
    }
    step("back again: one text, one hash, and everybody's characters are known");
    // Of each word that Ben has typed, he takes back his own.
    if !panes.get_mut(1).ok_or("there are four")?.take_back(false)? {
        return Err("Ben has nothing to take back".into());
    }
    until(&panes, "Ben's word is gone", |panes| {
        panes.iter().all(|pane| pane.text() == "oat milk\neggs\n") && same_hash(panes)
    })
    .await?;
    step("one takes back what he wrote, and what the others wrote stays");
    for pane in panes {
        pane.end().await;
    }
    Ok(())
}

fn same_hash(panes: &[Pane]) -> bool {
    let hash = |pane: &Pane| pane.view(&mut BTreeMap::new()).hash;
    panes.first().is_some_and(|first| panes.iter().all(|pane| hash(pane) == hash(first)))
}

/// Waits, as long as it takes on the slowest machine.
async fn until(panes: &[Pane], what: &str, done: impl Fn(&[Pane]) -> bool) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(40);
    while !done(panes) {
        if Instant::now() > end {
            return Err(format!("it never came: {what}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
