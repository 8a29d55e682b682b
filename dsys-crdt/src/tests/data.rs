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

fn folder() -> String {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let data = std::env::var("DSYS_DATA").unwrap_or_else(|_| default.into());
    format!("{data}/traces")
}

/// The names of the traces that are there, but for these.
pub(crate) fn traces_beside(known: &[&str]) -> Vec<String> {
    let files = std::fs::read_dir(folder()).into_iter().flatten();
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".json.gz")?.to_string())).collect();
    names.retain(|name| !known.contains(&name.as_str()));
    names.sort();
    names
}

/// The trace of that name; none, and a word about it, if the data are not there.
pub(crate) fn trace(name: &str) -> Option<Trace> {
    let Ok(file) = std::fs::File::open(format!("{}/{name}.json.gz", folder())) else {
        println!("skipped: no data");
        return None;
    };
    let mut json = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut json).unwrap();
    Some(serde_json::from_str(&json).unwrap())
}
