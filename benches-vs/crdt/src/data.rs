//! The recorded traces; see `shared/data/README.md`.

use std::io::Read;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    #[serde(default)]
    pub start_content: String,
    pub end_content: String,
    pub txns: Vec<Txn>,
    /// None: edits by one author, one after the other.
    pub kind: Option<String>,
}

#[derive(serde::Deserialize)]
pub struct Txn {
    pub patches: Vec<(usize, usize, String)>,
    #[serde(default)]
    pub parents: Vec<usize>,
    #[serde(default)]
    pub agent: usize,
}

impl Trace {
    /// The trace of that name, or none if the data are not there.
    pub fn read(name: &str) -> Option<Trace> {
        let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
        let folder = std::env::var("DSYS_DATA").unwrap_or_else(|_| default.into());
        let file = std::fs::File::open(format!("{folder}/traces/{name}.json.gz")).ok()?;
        let mut json = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut json).expect("the trace is gzip");
        Some(serde_json::from_str(&json).expect("the trace is as its README says"))
    }

    /// Every patch in the recorded order.
    pub fn patches(&self) -> impl Iterator<Item = &(usize, usize, String)> {
        self.txns.iter().flat_map(|txn| &txn.patches)
    }

    /// Replays the trace on one replica for each author: `hear` gives a replica the change that a transaction was, `edit`
    /// makes a transaction and gives the change. Gives the replicas, the last of which has heard everything.
    pub fn by_authors<R, C>(
        &self,
        new: impl Fn(usize) -> R,
        hear: impl Fn(&mut R, &C),
        edit: impl Fn(&mut R, &Txn) -> C,
    ) -> R {
        let authors = 1 + self.txns.iter().map(|txn| txn.agent).max().unwrap_or(0);
        let mut replicas: Vec<R> = (0..=authors).map(new).collect();
        let mut known = vec![vec![false; self.txns.len()]; authors];
        let mut changes: Vec<C> = Vec::new();
        for (at, txn) in self.txns.iter().enumerate() {
            let (mut missing, mut queue) = (Vec::new(), txn.parents.clone());
            while let Some(parent) = queue.pop() {
                if !std::mem::replace(&mut known[txn.agent][parent], true) {
                    missing.push(parent);
                    queue.extend(&self.txns[parent].parents);
                }
            }
            missing.sort_unstable();
            for parent in missing {
                hear(&mut replicas[txn.agent], &changes[parent]);
            }
            known[txn.agent][at] = true;
            changes.push(edit(&mut replicas[txn.agent], txn));
        }
        let mut last = replicas.pop().expect("there is one more than authors");
        changes.iter().for_each(|change| hear(&mut last, change));
        last
    }
}
