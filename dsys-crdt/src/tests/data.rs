//! Recorded editing histories, from outside.

use std::io::Read;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    #[serde(default)]
    pub(crate) start_content: String,
    pub(crate) end_content: String,
    pub(crate) txns: Vec<Txn>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Txn {
    pub(crate) patches: Vec<(u32, u32, String)>,
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
    #[serde(default)]
    pub(crate) agent: u32,
}

/// The trace of that name; none, and a word about it, if the data are not there.
pub(crate) fn trace(name: &str) -> Option<Trace> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var("DSYS_DATA").unwrap_or_else(|_| default.into());
    let Ok(file) = std::fs::File::open(format!("{folder}/traces/{name}.json.gz")) else {
        println!("skipped: no data");
        return None;
    };
    let mut json = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut json).unwrap();
    Some(serde_json::from_str(&json).unwrap())
}
