//! `livefile`: see the README.

mod live;
mod merge;
mod smoke;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

const HELP: &str = "\
Keeps a text file in step across machines, with whatever editor people use.

  livefile FILE                 makes it live, and prints what others need
  livefile FILE --join WORD     keeps FILE in step with another's; WORD is what was printed there

  --listen ADDR   where to be reached, such as 0.0.0.0:7000; at first a port of 127.0.0.1, always the same
  --smoke         three files in this process: ends within 10 s, 0 if all went well
  --help          this
";

struct Options {
    file: PathBuf,
    join: Option<live::Word>,
    listen: Option<SocketAddr>,
}

enum Command {
    Help,
    Smoke,
    Live(Options),
}

fn main() -> ExitCode {
    let command = match parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(why) => {
            tell(&format!("livefile: {why}"));
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("livefile: cannot start: {error}"));
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
            Command::Live(options) => live(options).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&format!("livefile: {why}"));
            ExitCode::FAILURE
        }
    }
}

async fn live(options: Options) -> Result<(), String> {
    let name = options.file.display().to_string();
    let mut live = live::Live::open(&options.file, options.listen, options.join).await?;
    say(&format!("{name} is live; others: livefile FILE --join {}", live.word()));
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let done = loop {
        tokio::select! {
            _ = looks.tick() => {
                let (saved, merged) = match live.look() {
                    Ok(looked) => looked,
                    Err(why) => break Err(why),
                };
                if saved > 0 {
                    say(&format!("{name}: {} saved here", edits(saved)));
                }
                if merged > 0 {
                    say(&format!("{name}: {} of others merged in", edits(merged)));
                }
            }
            _ = &mut interrupt => break Ok(()),
        }
    };
    live.end().await;
    done
}

fn edits(count: usize) -> String {
    if count == 1 { "1 edit".into() } else { format!("{count} edits") }
}

fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let text = |error: lexopt::Error| format!("{error}; see --help");
    let (mut file, mut join, mut listen) = (None, None, None);
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("smoke") => return Ok(Command::Smoke),
            Long("join") => {
                let word = parser.value().and_then(ValueExt::string).map_err(text)?;
                join = Some(word.parse().map_err(|why| format!("--join: {why}"))?);
            }
            Long("listen") => {
                let addr = parser.value().and_then(ValueExt::string).map_err(text)?;
                let parsed = addr.parse().map_err(|_| {
                    format!(
                        "--listen {addr:?} is no address: give an IP address and a port, such as 0.0.0.0:7000"
                    )
                })?;
                listen = Some(parsed);
            }
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(text(other.unexpected())),
        }
    }
    let file = file.ok_or("which file? see --help")?;
    Ok(Command::Live(Options { file, join, listen }))
}

/// A reader that has gone is no reason to fail.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
