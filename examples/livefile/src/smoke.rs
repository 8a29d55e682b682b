//! Three files in one process, without a person: what the README promises, asserted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::live::{Live, Word};
use crate::say;

pub(crate) async fn run() -> Result<(), String> {
    let began = Instant::now();
    let step = |what: &str| say(&format!("{:5.1} s  {what}", began.elapsed().as_secs_f64()));
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name);
    let paths = [path("ana.txt"), path("bo.txt"), path("cy.txt")];
    let [ana_path, bo_path, cy_path] = &paths;
    save(ana_path, "milk\neggs\n")?;

    let ana = Live::open(ana_path, None, None).await?;
    let word: Word = ana.word().to_string().parse()?;
    let mut all = vec![ana];
    for path in [bo_path, cy_path] {
        all.push(Live::open(path, None, Some(word.clone())).await?);
    }
    until(&mut all, "the file is everywhere", || paths.iter().all(|path| has(path, "milk\neggs\n"))).await?;
    step("a file was live on three nodes");

    save(ana_path, "oat milk\neggs\n")?;
    save(bo_path, "milk\neggs\nbread\n")?;
    until(&mut all, "both saves", || paths.iter().all(|path| has(path, "oat milk\neggs\nbread\n"))).await?;
    step("two saved at once, and nobody's work was lost");

    let Some(cy) = all.pop() else { return Err("there are three".into()) };
    cy.end().await;
    save(cy_path, "oat milk\nsix eggs\nbread\n")?;
    save(ana_path, "oat milk\neggs\nbread\nbutter\n")?;
    until(&mut all, "the others go on", || has(bo_path, "oat milk\neggs\nbread\nbutter\n")).await?;
    all.push(Live::open(cy_path, None, Some(word)).await?);
    let last = "oat milk\nsix eggs\nbread\nbutter\n";
    until(&mut all, "what was saved offline", || paths.iter().all(|path| has(path, last))).await?;
    step("one was away, saved meanwhile, and all was merged");
    for live in all.drain(..) {
        live.end().await;
    }
    save(bo_path, "oat milk\n")?;
    for path in &paths {
        all.push(Live::open(path, None, None).await?);
    }
    until(&mut all, "all again, without a word", || paths.iter().all(|path| has(path, "oat milk\n"))).await?;
    step("all had been away, and found each other again");
    for live in all {
        live.end().await;
    }
    Ok(())
}

fn save(path: &PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| error.to_string())
}

fn has(path: &PathBuf, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|file| file == text)
}

/// Waits, as long as it takes on the slowest machine.
async fn until(all: &mut [Live], what: &str, done: impl Fn() -> bool) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(40);
    while !done() {
        if Instant::now() > end {
            return Err(format!("it never came: {what}"));
        }
        for live in all.iter_mut() {
            live.look()?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
