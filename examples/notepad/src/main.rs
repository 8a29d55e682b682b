//! `notepad`: see the README.

mod pane;
mod screen;
mod smoke;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, ValueExt};
use pane::{Pane, Word};

const HELP: &str = "\
One text in several panes, each a node of its own: offline and back, and always the same in the end.

  notepad                       two panes
  notepad --panes 4             up to four
  notepad --panes 1 --join WORD   on another machine; F5 shows the WORD there

  --listen ADDR   where the first pane is to be reached, such as 0.0.0.0:7000; at first a free port of 127.0.0.1
  --smoke         four panes without a person: ends within 10 s, 0 if all went well
  --help          this

Tab goes to the next pane, Ctrl-Z takes back what was typed in this one and Ctrl-Y brings it back, F2 takes it off the net and puts it back, F5 shows what others need, Ctrl-C ends.
";

const NAMES: [&str; 4] = ["anna", "ben", "cleo", "di"];

struct Options {
    panes: usize,
    join: Option<Word>,
    listen: SocketAddr,
}

enum Command {
    Help,
    Smoke,
    Open(Options),
}

fn main() -> ExitCode {
    let command = match parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(why) => {
            tell(&format!("notepad: {why}"));
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("notepad: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match command {
            Command::Help => {
                say(HELP.trim_end());
                Ok(())
            }
            Command::Smoke => smoke::run().await,
            Command::Open(options) => open(options).await,
        }
    });
    // A read of the keyboard cannot be called off.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&format!("notepad: {why}"));
            ExitCode::FAILURE
        }
    }
}

async fn open(options: Options) -> Result<(), String> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err("a notepad needs a terminal; --smoke does without".into());
    }
    let mut panes = open_all(options.panes, options.listen, options.join.as_ref()).await?;
    let word = panes.first().map(Pane::word);
    let done = screen::run(&mut panes).await;
    for pane in panes {
        pane.end().await;
    }
    if let Some(word) = word {
        say(&format!("others were to join by: notepad --panes 1 --join {word}"));
    }
    done
}

/// Panes that all know each other.
async fn open_all(count: usize, listen: SocketAddr, join: Option<&Word>) -> Result<Vec<Pane>, String> {
    let mut panes: Vec<Pane> = Vec::new();
    for name in NAMES.iter().take(count) {
        let word = panes.first().map(Pane::word).or(join.cloned());
        let listen = if panes.is_empty() { listen } else { local() };
        let mut pane = Pane::open(name, listen, word.as_ref()).await?;
        for other in &panes {
            pane.meet(other).await?;
        }
        panes.push(pane);
    }
    Ok(panes)
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let text = |error: lexopt::Error| format!("{error}; see --help");
    let mut options = Options { panes: 2, join: None, listen: local() };
    while let Some(arg) = parser.next().map_err(text)? {
        let long = match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("smoke") => return Ok(Command::Smoke),
            Long(long @ ("panes" | "join" | "listen")) => long.to_owned(),
            other => return Err(text(other.unexpected())),
        };
        let value = parser.value().and_then(ValueExt::string).map_err(text)?;
        match long.as_str() {
            "panes" => {
                let count = value.parse().ok().filter(|count| (1..=4).contains(count));
                options.panes = count.ok_or("--panes is 1 to 4")?;
            }
            "join" => options.join = Some(value.parse().map_err(|why| format!("--join: {why}"))?),
            _ => {
                options.listen = value.parse().map_err(|_| {
                    format!("--listen {value:?} is no address: give an IP address and a port, such as 0.0.0.0:7000")
                })?;
            }
        }
    }
    Ok(Command::Open(options))
}

/// A reader that has gone is no reason to fail.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
