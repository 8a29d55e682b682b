//! The command line.

use std::ffi::OsString;

use lexopt::prelude::{Long, Short, ValueExt};

use crate::world::Geometry;

/// What `--help` says.
pub const HELP: &str = "\
A DHT in the terminal: its nodes, a lookup step by step, how many hops lookups take, and what dying nodes do to them.

  dht-explorer                    64 simulated nodes of Kademlia, as the tree of distances to a key
  dht-explorer --overlay chord    the same for Chord, as a ring

  --overlay NAME   kademlia or chord; at first kademlia
  --nodes N        so many to begin with: 2 to 2000, with --real 2 to 100; at first 64, with --real 20
  --real           real nodes on QUIC and 127.0.0.1 in this process, instead of simulated ones
  --seed N         of the simulation and of what is looked up; at first 1
  --lookups N      without a terminal: end after so many; at first 30
  --smoke          tries everything without a person: ends within 10 s, 0 if all went well
  --help           this

Keys: l looks up, Space pauses, a adds a node, k kills one, x kills a quarter, c switches churn on and off, + and - set the
pace, o goes to the other overlay, q or Ctrl-C leaves. Without a terminal it writes a line for each lookup.
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show [`HELP`].
    Help,
    /// Try it without a person.
    Smoke,
    /// Explore.
    Explore(Options),
}

/// What to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which overlay.
    pub geometry: Geometry,
    /// Nodes to begin with.
    pub nodes: usize,
    /// Real ones.
    pub real: bool,
    /// Of the simulation, and of what is looked up.
    pub seed: u64,
    /// Lookups without a terminal.
    pub lookups: u64,
}

/// Makes sense of the arguments, the program's name left out.
///
/// # Errors
/// A sentence for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut options = Options { geometry: Geometry::Kademlia, nodes: 0, real: false, seed: 1, lookups: 30 };
    let mut nodes = None;
    let text = |error: lexopt::Error| format!("{error}; see --help");
    while let Some(arg) = parser.next().map_err(text)? {
        let long = match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("smoke") => return Ok(Command::Smoke),
            Long("real") => {
                options.real = true;
                continue;
            }
            Long(long @ ("overlay" | "nodes" | "seed" | "lookups")) => long.to_owned(),
            other => return Err(text(other.unexpected())),
        };
        let value = parser.value().and_then(ValueExt::string).map_err(text)?;
        let number = || value.parse::<u64>().map_err(|_| format!("--{long} {value:?} is no number"));
        match long.as_str() {
            "overlay" => options.geometry = geometry(&value)?,
            "nodes" => nodes = Some(number()?),
            "seed" => options.seed = number()?,
            _ => options.lookups = number()?.max(1),
        }
    }
    let (usual, most) = if options.real { (20, 100) } else { (64, 2_000) };
    let nodes = nodes.unwrap_or(usual);
    if !(2..=most).contains(&nodes) {
        let kind = if options.real { "real" } else { "simulated" };
        return Err(format!("--nodes {nodes}: 2 to {most} {kind} nodes fit; see --help"));
    }
    options.nodes = nodes as usize;
    Ok(Command::Explore(options))
}

fn geometry(name: &str) -> Result<Geometry, String> {
    match name.to_lowercase().as_str() {
        "kademlia" => Ok(Geometry::Kademlia),
        "chord" => Ok(Geometry::Chord),
        _ => Err(format!("--overlay {name:?} is none: there are kademlia and chord")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_lines_of_the_help_are_understood_and_nonsense_is_refused_with_a_sentence() {
        assert_eq!((parsed("--help"), parsed("--smoke")), (Ok(Command::Help), Ok(Command::Smoke)));
        let Ok(Command::Explore(options)) = parsed("--overlay Chord --nodes 40 --real --seed 7") else {
            panic!()
        };
        let expected = Options { geometry: Geometry::Chord, nodes: 40, real: true, seed: 7, lookups: 30 };
        assert_eq!(options, expected);
        assert!(matches!(parsed("--real"), Ok(Command::Explore(Options { nodes: 20, .. }))));
        for (line, word) in [
            ("--overlay pastry", "kademlia and chord"),
            ("--nodes 1", "2 to 2000"),
            ("--real --nodes 500", "2 to 100 real"),
            ("--nodes many", "no number"),
            ("--nodes", "--nodes"),
            ("--nothing", "--nothing"),
            ("stray", "stray"),
        ] {
            assert!(parsed(line).is_err_and(|text| text.contains(word)), "{line}: {:?}", parsed(line));
        }
    }
}
