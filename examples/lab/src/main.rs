//! `lab`: reproduces the tables of the family, side by side with what is claimed elsewhere, and runs its campaigns.

mod args;
mod machine;
mod report;
mod topics;

use std::process::ExitCode;

use args::{Args, Asked};
use report::Report;

fn main() -> ExitCode {
    let asked = match Args::parse(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => return refuse(&wrong),
    };
    let args = match asked {
        Asked::Help => {
            report::print(&args::help());
            return ExitCode::SUCCESS;
        }
        Asked::Memory(topic, nodes) => {
            let memory =
                if topic == Some("dht") { topics::dht::memory(nodes) } else { topics::sim::memory(nodes) };
            return match memory {
                Some(bytes) => {
                    report::print(&format!("{bytes}\n"));
                    ExitCode::SUCCESS
                }
                None => ExitCode::FAILURE,
            };
        }
        Asked::Run(args) => args,
    };
    if let Some(out) = &args.out
        && let Err(wrong) = report::html::prepare(out)
    {
        return refuse(&wrong);
    }
    let mut report = Report::default();
    for topic in &args.topics {
        report.begin(topic.name);
        (topic.run)(&args, &mut report);
    }
    if let Some(out) = &args.out
        && let Err(wrong) = report.write(out)
    {
        return refuse(&wrong);
    }
    if args.check && report.short() > 0 {
        eprintln!("{} of {} rows fall short", report.short(), report.rows());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn refuse(wrong: &str) -> ExitCode {
    eprintln!("{wrong}");
    ExitCode::from(2)
}
