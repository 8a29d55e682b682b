//! `dht-explorer`: see the README.

pub mod args;
mod explorer;
mod output;
mod plain;
mod real;
mod screen;
mod sim;
mod smoke;
mod view;
mod world;

use std::io::IsTerminal;

pub use args::Command;
pub use world::Geometry;

use explorer::Explorer;

/// Does it; the exit code.
pub async fn run(command: Command) -> u8 {
    let done = match command {
        Command::Help => {
            output::say(args::HELP.trim_end());
            Ok(())
        }
        Command::Smoke => smoke::run().await,
        Command::Explore(options) => explore(options).await,
    };
    match done {
        Ok(()) => 0,
        Err(why) => {
            output::tell(&format!("dht-explorer: {why}"));
            1
        }
    }
}

async fn explore(options: args::Options) -> Result<(), String> {
    let interactive = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let mut explorer = Explorer::new(options).await?;
    let done = if interactive { screen::run(&mut explorer).await } else { plain::run(&mut explorer).await };
    explorer.end().await;
    done
}
