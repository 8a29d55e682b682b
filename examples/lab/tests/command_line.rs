//! The program as a user meets it.

#![allow(clippy::panic)] // clippy.toml's leave is for test functions, not their helpers

use std::process::{Command, Output};

fn lab(words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_lab");
    Command::new(program)
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}"))
}

#[test]
fn without_arguments_it_lists_the_topics() {
    let output = lab(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success()
            && text.contains("Topics:")
            && text.contains("sim")
            && text.contains("--shard")
    );
}

#[test]
fn mistakes_give_one_sentence_and_code_2() {
    let file = env!("CARGO_BIN_EXE_lab");
    for words in
        [&["simm"][..], &["sim", "--seeds", "many"], &["sim", "--shard", "0/2"], &["sim", "--out", file]]
    {
        let output = lab(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    }
}

#[test]
fn a_sweep_is_split_without_gap_or_overlap_and_written_down() {
    let out = std::env::temp_dir().join(format!("lab-test-{}", std::process::id()));
    let rows = |words: &[&str]| -> Vec<String> {
        let output = lab(words);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "no progress where there is no terminal");
        String::from_utf8_lossy(&output.stdout).lines().skip(1).map(String::from).collect()
    };
    let there = out.to_string_lossy().into_owned();
    let mut whole = rows(&["rumor", "--seeds", "2", "--out", &there]);
    let mut parts = rows(&["rumor", "--seeds", "2", "--shard", "1/2"]);
    parts.extend(rows(&["rumor", "--seeds", "2", "--shard", "2/2"]));
    whole.sort();
    parts.sort();
    assert_eq!(whole, parts);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap_or_default();
    assert!(page.contains("<svg") && page.contains("k = 5"));
    assert!(out.join("rumor-residue.svg").exists());
    assert!(std::fs::remove_dir_all(&out).is_ok());
}
