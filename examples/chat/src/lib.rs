//! `chat`: see the README.

pub mod args;
mod output;
mod plain;
mod room;
mod screen;
mod session;
mod smoke;
mod wire;

use std::io::IsTerminal;

pub use args::Command;

/// Does it; the exit code.
pub async fn run(command: Command) -> u8 {
    let done = match command {
        Command::Help => {
            output::say(args::HELP.trim_end());
            Ok(())
        }
        Command::Smoke => smoke::run().await,
        Command::Chat(options) => chat(options).await,
    };
    match done {
        Ok(()) => 0,
        Err(why) => {
            output::tell(&format!("chat: {why}"));
            1
        }
    }
}

async fn chat(options: args::Options) -> Result<(), String> {
    let interactive = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let mut session = session::Session::start(options.listen, &options.nick).await?;
    let entered = session.enter(&options.room, options.join.as_ref()).await;
    let done = match entered {
        Ok(()) if interactive => screen::run(&mut session).await,
        Ok(()) => plain::run(&mut session).await,
        Err(why) => Err(why),
    };
    session.end().await;
    done
}
