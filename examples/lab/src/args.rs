//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;

use crate::topics::{self, Topic};

/// What to run and how.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    /// One, or all of them for `--smoke` without a topic.
    pub(crate) topics: Vec<&'static Topic>,
    /// How often each measurement or campaign is repeated; each topic has a default.
    pub(crate) seeds: Option<u64>,
    pub(crate) check: bool,
    pub(crate) out: Option<PathBuf>,
    /// Which part of the sweep, from 0, of how many.
    shard: (usize, usize),
    /// Small sizes only and no speed judged, for a first look and for CI. Implies `check`.
    pub(crate) smoke: bool,
}

#[derive(Debug)]
pub(crate) enum Asked {
    Help,
    /// The memory of one simulation of this topic, measured in a process of its own.
    Memory(Option<&'static str>, u32),
    Run(Args),
}

impl Args {
    /// `Err` is one sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
        parse(lexopt::Parser::from_args(words))
            .map_err(|wrong| format!("{wrong}; run it without arguments for help"))
    }

    /// Whether this item of a sweep belongs to our shard.
    pub(crate) fn mine(&self, item: usize) -> bool {
        item % self.shard.1 == self.shard.0
    }
}

pub(crate) fn help() -> String {
    let mut help = String::from(
        "Reproduces tables and runs campaigns. Prints: table row | theirs | ours | allowed | ok or short\n\n  \
         cargo run --release -p lab -- TOPIC [--seeds N] [--check] [--out DIR] [--shard I/N] [--smoke]\n\n\
         Topics:\n",
    );
    for topic in topics::ALL {
        help.push_str(&format!("  {:<10} {}\n", topic.name, topic.about));
    }
    help.push_str(
        "\nOptions:\n  \
         --seeds N    repeat everything N times with N seeds\n  \
         --check      fail when a row falls short\n  \
         --out DIR    write the plots and report.html there\n  \
         --shard I/N  only the I-th of N parts of the sweep, I from 1\n  \
         --smoke      small sizes only, a few seconds; all topics if none is named\n",
    );
    help
}

fn parse(mut words: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    let (mut topic, mut memory) = (None, None);
    let (mut seeds, mut check, mut out, mut shard, mut smoke) = (None, false, None, (0, 1), false);
    while let Some(word) = words.next()? {
        match word {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long("seeds") => seeds = Some(number(&text(&mut words)?, "--seeds")?),
            Arg::Long("check") => check = true,
            Arg::Long("smoke") => smoke = true,
            Arg::Long("out") => out = Some(PathBuf::from(words.value()?)),
            Arg::Long("shard") => shard = part(&text(&mut words)?)?,
            Arg::Long("memory-of") => memory = Some(number(&text(&mut words)?, "--memory-of")?),
            Arg::Value(name) if topic.is_none() => {
                let name = name.to_string_lossy().into_owned();
                let known = topics::ALL.iter().find(|topic| topic.name == name);
                topic = Some(known.ok_or_else(|| {
                    let names: Vec<&str> = topics::ALL.iter().map(|topic| topic.name).collect();
                    format!("there is no topic `{name}`, but there are: {}", names.join(", "))
                })?);
            }
            other => return Err(other.unexpected()),
        }
    }
    if let Some(nodes) = memory {
        let topic = topic.map(|topic: &Topic| topic.name);
        return Ok(Asked::Memory(topic, u32::try_from(nodes).unwrap_or(u32::MAX)));
    }
    let topics: Vec<&Topic> = match topic {
        Some(topic) => vec![topic],
        None if smoke => topics::ALL.iter().collect(),
        None => return Ok(Asked::Help),
    };
    Ok(Asked::Run(Args { topics, seeds, check: check || smoke, out, shard, smoke }))
}

fn text(words: &mut lexopt::Parser) -> Result<String, lexopt::Error> {
    Ok(words.value()?.to_string_lossy().into_owned())
}

fn number(text: &str, flag: &str) -> Result<u64, lexopt::Error> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{flag} needs a number of at least 1, not `{text}`").into())
}

fn part(text: &str) -> Result<(usize, usize), lexopt::Error> {
    let numbers: Option<(usize, usize)> =
        text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match numbers {
        Some((part, parts)) if 1 <= part && part <= parts => Ok((part - 1, parts)),
        _ => Err(format!("--shard needs I/N with I from 1 to N, such as 1/2, not `{text}`").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        Args::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_full_line_is_understood() {
        let Ok(Asked::Run(args)) = parsed("sim --seeds 3 --check --out there --shard 2/3") else { panic!() };
        assert_eq!((args.topics.len(), args.seeds, args.check, args.smoke), (1, Some(3), true, false));
        assert_eq!(args.out, Some(PathBuf::from("there")));
        assert_eq!((0..6).filter(|item| args.mine(*item)).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn no_argument_is_a_question_and_each_mistake_gets_a_sentence() {
        assert!(matches!(parsed(""), Ok(Asked::Help)));
        assert!(help().contains("sim"));
        for (line, word) in [
            ("simm", "simm"),
            ("sim --seeds 0", "at least 1"),
            ("sim --shard 3/2", "from 1 to N"),
            ("sim --shard x", "such as 1/2"),
            ("sim --frobnicate", "frobnicate"),
            ("sim sim", "sim"),
        ] {
            let wrong = parsed(line).unwrap_err();
            assert!(wrong.contains(word) && !wrong.contains('\n'), "{wrong}");
        }
    }
}
