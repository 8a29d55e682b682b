//! The public items of the published crates, one a line, against the list in the repository: a change of the API is
//! seen in the diff of the commit that makes it. With `--bless` the list is written anew. Crates may be named; all are
//! meant where none is.
//!
//! rustdoc's JSON says what is public and where it stands in the source; the text there, up to the body, is the
//! signature. So a change of an alias is not seen where it is used, only where it stands.
// What a `Value` does not have is `Null`: indexing it does not panic.
#![allow(clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde_json::Value;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let bless = args.iter().any(|arg| arg == "--bless");
    // Names of crates; all of them where none is named.
    let named: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut differs = false;
    for name in crates(here)? {
        if !named.is_empty() && !named.contains(&&name) {
            continue;
        }
        let lines = Api::of(&name, here)?.lines();
        let file = here.join(&name).with_extension("txt");
        if bless {
            fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
            println!("public-api: {name}: {} lines written", lines.len());
            continue;
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        let known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        known.difference(&lines).for_each(|line| println!("- {line}"));
        lines.difference(&known).for_each(|line| println!("+ {line}"));
        differs |= known != lines;
        println!(
            "public-api: {name}: {}",
            if known == lines { "as listed" } else { "differs from its list" }
        );
    }
    if differs {
        println!(
            "If the change is meant, run `cargo run -p public-api -- --bless`, commit the lists with it and tell \
             users in CHANGELOG.md; otherwise take it back."
        );
    }
    Ok(ExitCode::from(u8::from(differs)))
}

/// The published crates are the folders `dsys-*` at the root.
fn crates(here: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(here.join("../.."))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("dsys-") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What rustdoc says of a crate, and what was made of it so far.
struct Api {
    json: Value,
    root: std::path::PathBuf,
    lines: BTreeSet<String>,
    seen: HashSet<u64>,
}

impl Api {
    fn of(name: &str, here: &Path) -> Result<Api, Box<dyn Error>> {
        let root = here.join("../..").canonicalize()?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
        let args = ["rustdoc", "--quiet", "--locked", "--lib", "--all-features", "-p", name];
        let status = Command::new("cargo")
            .args(args)
            .args(["--", "-Z", "unstable-options", "--output-format", "json"])
            .env("RUSTDOC", here.join("rustdoc"))
            .current_dir(&root)
            .status()?;
        if !status.success() {
            return Err(format!("rustdoc failed for {name}").into());
        }
        let file = target.join("doc").join(name.replace('-', "_")).with_extension("json");
        let json = serde_json::from_slice(&fs::read(file)?)?;
        Ok(Api { json, root, lines: BTreeSet::new(), seen: HashSet::new() })
    }

    fn lines(mut self) -> BTreeSet<String> {
        let root = self.json["root"].clone();
        if let Some(name) = self.item(&root)["name"].as_str().map(str::to_owned) {
            self.items(&self.item(&root)["inner"]["module"]["items"].clone(), &name);
            self.impls_for_others(&name);
        }
        self.lines
    }

    fn item(&self, id: &Value) -> &Value {
        &self.json["index"][id.to_string()]
    }

    fn items(&mut self, ids: &Value, path: &str) {
        for id in ids.as_array().into_iter().flatten() {
            self.one(id, path);
        }
    }

    /// The item and what is inside it, below `path`.
    fn one(&mut self, id: &Value, path: &str) {
        let item = self.item(id).clone();
        let Some((kind, inner)) = item["inner"].as_object().and_then(|inner| inner.iter().next()) else {
            return;
        };
        if kind == "impl" {
            return self.one_impl(&item, inner, path);
        }
        if kind == "use" {
            return self.one_use(inner, path);
        }
        let path = format!("{path}::{}", item["name"].as_str().unwrap_or_default());
        let flags: String = ["non_exhaustive", "must_use"]
            .into_iter()
            .filter(|flag| item["attrs"].to_string().contains(flag))
            .map(|flag| format!("#[{flag}] "))
            .collect();
        let ends: &[char] =
            if matches!(&kind[..], "struct" | "variant") { &['{', ';', '('] } else { &['{', ';'] };
        let signature = match &kind[..] {
            "module" => "pub mod".to_owned(),
            _ => head(&self.source(&item), ends),
        };
        self.lines.insert(format!("{path}: {flags}{signature}"));
        // Whichever of these the kind has: contents of modules and traits, then of types and variants.
        for inside in [
            &inner["items"],
            &inner["variants"],
            &inner["impls"],
            &inner["kind"]["plain"]["fields"],
            &inner["kind"]["tuple"],
            &inner["kind"]["struct"]["fields"],
        ] {
            self.items(inside, &path);
        }
    }

    fn one_use(&mut self, inner: &Value, path: &str) {
        let target = self.item(&inner["id"]).clone();
        let name = inner["name"].as_str().unwrap_or_default();
        if target.is_null() || target["name"] != *name {
            // Of another crate, or under another name.
            self.lines
                .insert(format!("{path}::{name}: pub use {}", inner["source"].as_str().unwrap_or_default()));
        }
        if !target.is_null() {
            self.one(&inner["id"], path);
        }
    }

    fn one_impl(&mut self, item: &Value, inner: &Value, path: &str) {
        self.seen.extend(item["id"].as_u64());
        if !inner["blanket_impl"].is_null() {
            return;
        }
        let Some(of) = inner["trait"]["path"].as_str() else {
            return self.items(&inner["items"], path);
        };
        if inner["is_synthetic"] == true {
            // The other automatic traits follow from the fields, and nobody asks for them.
            if matches!(of, "Send" | "Sync") {
                let not = if inner["is_negative"] == true { "!" } else { "" };
                self.lines.insert(format!("{path}: {not}{of}"));
            }
            return;
        }
        let source = self.source(item);
        if of == "StructuralPartialEq" {
            return;
        }
        // A derive stands where its name does; what it writes is nobody's text.
        let signature = if source.starts_with("impl") { head(&source, &['{']) } else { derived(of, inner) };
        self.lines.insert(format!("{path}: {signature}"));
        for id in inner["items"].as_array().into_iter().flatten() {
            if self.item(id)["inner"].get("assoc_type").is_some() && source.starts_with("impl") {
                self.lines
                    .insert(format!("{path}: {signature}: {}", head(&self.source(self.item(id)), &[';'])));
            }
        }
    }

    /// `impl OurTrait for TheirType` is with no type of ours.
    fn impls_for_others(&mut self, path: &str) {
        for item in self.json["index"].clone().as_object().into_iter().flat_map(|index| index.values()) {
            let inner = &item["inner"]["impl"];
            let ours = item["crate_id"] == 0 && inner["is_synthetic"] == false;
            if ours
                && !item["id"].as_u64().is_some_and(|id| self.seen.contains(&id))
                && !inner["trait"].is_null()
            {
                self.one_impl(item, inner, path);
            }
        }
    }

    /// The text of the item, its comments left out.
    fn source(&self, item: &Value) -> String {
        let span = &item["span"];
        let at = |end: &str, part: usize| span[end][part].as_u64().map(|number| number as usize);
        let text = span["filename"].as_str().and_then(|name| fs::read_to_string(self.root.join(name)).ok());
        let (Some(text), Some(first), Some(column), Some(last), Some(end)) =
            (text, at("begin", 0), at("begin", 1), at("end", 0), at("end", 1))
        else {
            return String::new();
        };
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(number, _)| (first..=last).contains(number)) {
            let line = if number == last { line.get(..end - 1).unwrap_or(line) } else { line };
            let line = if number == first { line.get(column - 1..).unwrap_or(line) } else { line };
            lines.push(line.split("//").next().unwrap_or_default().trim());
        }
        lines.join(" ")
    }
}

/// `impl Trait<Argument> for Type`, as far as derives need it.
fn derived(of: &str, inner: &Value) -> String {
    let path = |of_type: &Value| of_type["resolved_path"]["path"].as_str().unwrap_or("_").to_owned();
    let args = inner["trait"]["args"]["angle_bracketed"]["args"].as_array();
    let args: Vec<String> = args.into_iter().flatten().map(|arg| path(&arg["type"])).collect();
    let args = if args.is_empty() { String::new() } else { format!("<{}>", args.join(", ")) };
    format!("impl {of}{args} for {} (derived)", path(&inner["for"]))
}

/// The text up to the first of `ends` outside brackets.
fn head(source: &str, ends: &[char]) -> String {
    let mut depth = 0;
    let end = source.find(|character| {
        let found = depth == 0 && ends.contains(&character);
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        found
    });
    let head = source.get(..end.unwrap_or(source.len())).unwrap_or_default();
    head.trim().trim_end_matches(',').to_owned()
}
