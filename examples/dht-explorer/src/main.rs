//! `dht-explorer`: see the README.

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let command = match dht_explorer::args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(why) => return end(&why, 2),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&format!("cannot start: {error}"), 1),
    };
    let code = runtime.block_on(dht_explorer::run(command));
    // A read of standard input cannot be called off.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code.into()
}

fn end(why: &str, code: u8) -> ExitCode {
    eprintln!("dht-explorer: {why}");
    code.into()
}
