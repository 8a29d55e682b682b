//! The figures of dsys-transport.

use benches_vs::{harness, transport};

fn main() {
    let args = harness::Args::parse();
    let runtime = harness::runtime();
    // In a task, so that it runs on the two workers and not beside them.
    let done = runtime.block_on(async { tokio::spawn(transport::run(args)).await });
    if done.is_err() {
        std::process::exit(1);
    }
}
