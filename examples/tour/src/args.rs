//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use dsys_core::Ticket;
use lexopt::prelude::{Long, Short, Value, ValueExt};

/// What `--help` says.
pub const HELP: &str = "\
Five nodes spread the news of a folder and fetch it from one another; or one node among machines.

  tour [DIR] [--out FOLDER]                     five nodes on this machine
  tour --listen ADDR DIR                        share DIR until Ctrl-C; prints a ticket
  tour --join TICKET [--listen ADDR] [--out FOLDER] [--once]
                                                fetch what is shared, then serve it until Ctrl-C

  DIR            what is shared; five nodes without it share the project's own examples/
  --out FOLDER   keep the copies here (five nodes: one sub-folder each; with --join: ./tour-out)
  --listen ADDR  where to be reached, such as 0.0.0.0:7000
  --join TICKET  the text that a node with --listen or --join prints
  --once         end when everything is fetched
  --key FILE     a lasting identity; made if it does not exist
  --smoke        five nodes, a small folder, no questions: ends within 10 s, 0 if all went well
  --help         this

Files already in FOLDER that are right are kept, others are never overwritten. Bounds: 100,000 files, 256 GiB,
paths of 1,024 bytes. Symlinks and special files are left out with a note.
Exit codes: 0 done, 1 it failed, 2 wrong arguments, 130 interrupted before the end.
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show [`HELP`].
    Help,
    /// Five nodes in this process.
    Five {
        /// What is shared.
        folder: Option<PathBuf>,
        /// Where the copies are kept.
        out: Option<PathBuf>,
        /// Without a person before it.
        smoke: bool,
    },
    /// One node that shares a folder.
    Share {
        /// Which.
        folder: PathBuf,
        /// Where it is reached.
        listen: SocketAddr,
        /// Its identity.
        key: Option<PathBuf>,
    },
    /// One node that fetches.
    Join {
        /// From whom it hears the news.
        ticket: Ticket,
        /// Where it is reached; a free port if not given.
        listen: Option<SocketAddr>,
        /// Where the copy goes.
        out: PathBuf,
        /// End with the fetch.
        once: bool,
        /// Its identity.
        key: Option<PathBuf>,
    },
}

/// Makes sense of the arguments, the program's name left out.
///
/// # Errors
/// A sentence for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let (mut folder, mut out, mut listen, mut ticket, mut key) = (None, None, None, None, None);
    let (mut once, mut smoke) = (false, false);
    let text = |error: lexopt::Error| format!("{error}; see --help");
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("once") => once = true,
            Long("smoke") => smoke = true,
            Long("out") => out = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("key") => key = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("listen") => {
                let given = parser.value().and_then(ValueExt::string).map_err(text)?;
                listen = Some(given.parse::<SocketAddr>().map_err(|_| {
                    format!("--listen {given:?} is no address: give an IP address and a port, such as 0.0.0.0:7000")
                })?);
            }
            Long("join") => {
                let given = parser.value().and_then(ValueExt::string).map_err(text)?;
                ticket = Some(given.parse::<Ticket>().map_err(|error| format!("--join: {error}"))?);
            }
            Value(value) if folder.is_none() && !value.is_empty() => folder = Some(PathBuf::from(value)),
            Value(value) if value.is_empty() => return Err("DIR is empty; see --help".into()),
            Value(value) => {
                return Err(format!("one folder at a time: {value:?} is one too many; see --help"));
            }
            other => return Err(text(other.unexpected())),
        }
    }
    let refuse = |given: bool, name: &str, why: &str| match given {
        true => Err(format!("{name} {why}; see --help")),
        false => Ok(()),
    };
    if smoke {
        refuse(ticket.is_some() || listen.is_some(), "--smoke", "is for five nodes, not --listen or --join")?;
    }
    if let Some(ticket) = ticket {
        refuse(folder.is_some(), "--join", "fetches a folder, so it takes no DIR: did you mean --out?")?;
        let out = out.unwrap_or_else(|| "tour-out".into());
        return Ok(Command::Join { ticket, listen, out, once, key });
    }
    refuse(once, "--once", "goes with --join")?;
    if let Some(listen) = listen {
        refuse(out.is_some(), "--out", "goes with --join or with five nodes")?;
        let folder = folder.ok_or("--listen shares a folder: name it, or --join somebody; see --help")?;
        return Ok(Command::Share { folder, listen, key });
    }
    refuse(key.is_some(), "--key", "goes with --listen or --join")?;
    Ok(Command::Five { folder, out, smoke })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_lines_of_the_help_are_understood() {
        assert_eq!(parsed("--help"), Ok(Command::Help));
        assert_eq!(parsed(""), Ok(Command::Five { folder: None, out: None, smoke: false }));
        let share = Command::Share {
            folder: "dir".into(),
            listen: SocketAddr::from(([0, 0, 0, 0], 7000)),
            key: None,
        };
        assert_eq!(parsed("--listen 0.0.0.0:7000 dir"), Ok(share));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        for (line, word) in [
            ("a b", "one too many"),
            ("--listen 7000 dir", "no address"),
            ("--listen 0.0.0.0:1", "shares a folder"),
            ("--join nonsense", "dsys1"),
            ("--once", "--join"),
            ("--key k dir", "--listen"),
            ("--nothing", "--nothing"),
            ("--out", "--out"),
        ] {
            assert!(parsed(line).is_err_and(|text| text.contains(word)), "{line}: {:?}", parsed(line));
        }
    }
}
