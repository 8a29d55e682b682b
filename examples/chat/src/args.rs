//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;

use dsys_core::Ticket;
use lexopt::prelude::{Long, Short, ValueExt};

/// What `--help` says.
pub const HELP: &str = "\
Rooms among terminals, without a server: every line is signed, spread by gossip, and kept for those who come later.

  chat                          opens a chat and prints a ticket for others
  chat --join TICKET            joins by a ticket; anybody's will do

  --nick NAME     what others call you; at first the beginning of your key
  --room NAME     the first room; at first \"lobby\"
  --listen ADDR   where to be reached, such as 0.0.0.0:7000; at first a free port of 127.0.0.1
  --smoke         several nodes in this process, no questions: ends within 10 s, 0 if all went well
  --help          this

In the chat: type a line and press Enter. /room NAME goes to a room, Tab to the next one, /quit or Ctrl-C leaves.
F2 (or /cut) cuts this node's link, F3 (or /heal) heals it. Behind each line stands who has seen it.
Without a terminal, lines are read from standard input and written to standard output.
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show [`HELP`].
    Help,
    /// Try it without a person.
    Smoke,
    /// Chat.
    Chat(Options),
}

/// How to chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// By whom to join.
    pub join: Option<Ticket>,
    /// What others call us.
    pub nick: Option<String>,
    /// The first room.
    pub room: String,
    /// Where we are reached.
    pub listen: SocketAddr,
}

/// Makes sense of the arguments, the program's name left out.
///
/// # Errors
/// A sentence for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut options = Options {
        join: None,
        nick: None,
        room: "lobby".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
    };
    let text = |error: lexopt::Error| format!("{error}; see --help");
    while let Some(arg) = parser.next().map_err(text)? {
        let long = match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("smoke") => return Ok(Command::Smoke),
            Long(long @ ("join" | "nick" | "room" | "listen")) => long.to_owned(),
            other => return Err(text(other.unexpected())),
        };
        let value = parser.value().and_then(ValueExt::string).map_err(text)?;
        match long.as_str() {
            "join" => options.join = Some(value.parse().map_err(|error| format!("--join: {error}"))?),
            "nick" if value.trim().is_empty() || value.chars().any(char::is_control) => {
                return Err("--nick is empty, or cannot be shown; see --help".into());
            }
            "nick" => options.nick = Some(value.chars().take(24).collect()),
            "room" => options.room = value,
            _ => {
                options.listen = value.parse().map_err(|_| {
                    format!("--listen {value:?} is no address: give an IP address and a port, such as 0.0.0.0:7000")
                })?;
            }
        }
    }
    Ok(Command::Chat(options))
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
        let Ok(Command::Chat(options)) = parsed("--nick ana --room den --listen 0.0.0.0:7000") else {
            panic!()
        };
        assert_eq!(
            (options.nick.as_deref(), options.room.as_str(), options.listen.port()),
            (Some("ana"), "den", 7000)
        );
        for (line, word) in [
            ("--join nonsense", "dsys1"),
            ("--listen 7000", "no address"),
            ("--nothing", "--nothing"),
            ("--nick", "--nick"),
            ("stray", "stray"),
        ] {
            assert!(parsed(line).is_err_and(|text| text.contains(word)), "{line}: {:?}", parsed(line));
        }
    }
}
