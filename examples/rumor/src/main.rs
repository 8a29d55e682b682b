//! A rumour among a thousand nodes: who heard it when.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::Time;
use dsys_sim::measure::Spread;
use dsys_sim::{Connections, Network};
use lexopt::Arg;
use rumor::{Command, Config, Event, Message, Rumor};

const HELP: &str = "\
A rumour spreads among simulated nodes; a table shows who heard it when.

  --nodes N   how many nodes, 2 to 1000000 (1000)
  --seed S    another seed, another course (1)
  --smoke     fail unless the outcome is as expected
  --help      this text
";

struct Args {
    nodes: u32,
    seed: u64,
    smoke: bool,
}

fn main() -> ExitCode {
    let args = match parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}; see --help");
            return ExitCode::from(2);
        }
    };
    let mut ok = true;
    print(&format!(
        "One rumour, {} nodes, seed {}; latency 10 to 100 ms, a round 100 ms.\n\n",
        args.nodes, args.seed
    ));
    print("                       t_avg     t_95   t_last   residue   traffic   hops\n");
    for (label, k, loss, exchange) in [
        ("k = 1", 1, 0.0, false),
        ("k = 2", 2, 0.0, false),
        ("k = 4", 4, 0.0, false),
        ("k = 2, 20 % loss", 2, 0.2, false),
        ("  and anti-entropy", 2, 0.2, true),
    ] {
        let Some((spread, messages)) = spread(&args, k, loss, exchange) else {
            eprintln!("the simulator does not hold that many nodes; take fewer");
            return ExitCode::FAILURE;
        };
        print(&row(label, &spread, messages));
        ok &= spread.residue() <= if exchange { 0.0 } else { 0.35 };
    }
    print(
        "\nt: seconds until the average, 95 % and the last of those who heard it did. residue: never heard it.\n",
    );
    print("traffic: messages per node, feedback included; anti-entropy's go on for ever, here for 30 s.\n");
    if args.smoke && !ok {
        eprintln!("more nodes never heard the rumour than should be possible");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn spread(args: &Args, k: u32, loss: f64, exchange: bool) -> Option<(Spread, u64)> {
    let mut config = dsys_sim::Config { connections: Connections::None, ..dsys_sim::Config::new(args.seed) };
    config.faults.loss = loss;
    let mut network = Network::new(config);
    network.set_size(Message::size);
    let peers: std::sync::Arc<[_]> = (0..args.nodes).map(|index| network.id(index)).collect();
    let anti_entropy = exchange.then(|| Duration::from_secs(5));
    let config = std::sync::Arc::new(Config { k, anti_entropy, ..Config::default() });
    for &id in peers.iter() {
        network.add(Rumor::new(id, peers.clone(), config.clone())).ok()?;
    }
    let publisher = *peers.first()?;
    network.command(publisher, Command::Publish(Bytes::from_static(b"they say it is small")));
    network.run_until(Time::ZERO + Duration::from_secs(30));

    let mut spread = Spread::new(peers.len(), Time::ZERO);
    for emitted in network.events() {
        if let Event::Heard { hops, .. } = emitted.event {
            spread.heard(emitted.time, hops);
        }
    }
    Some((spread, network.stats().sent))
}

fn row(label: &str, spread: &Spread, messages: u64) -> String {
    let seconds = |time: Option<f64>| time.map_or("-".into(), |time| format!("{time:.2} s"));
    format!(
        "{label:<20} {:>7} {:>8} {:>8} {:>8.2} % {:>8.1} {:>6.1}\n",
        seconds(spread.t_avg()),
        seconds(spread.t_95()),
        seconds(spread.t_last()),
        100.0 * spread.residue(),
        spread.traffic(messages),
        spread.hops().mean().unwrap_or(0.0),
    )
}

fn parse() -> Result<Option<Args>, lexopt::Error> {
    let mut args = Args { nodes: 1_000, seed: 1, smoke: false };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Arg::Long("nodes") => args.nodes = number(&mut words, 2, 1_000_000)? as u32,
            Arg::Long("seed") => args.seed = number(&mut words, 0, u64::MAX)?,
            Arg::Long("smoke") => args.smoke = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(args))
}

fn number(words: &mut lexopt::Parser, least: u64, most: u64) -> Result<u64, lexopt::Error> {
    let word = words.value()?.to_string_lossy().into_owned();
    let number = word.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("`{word}` is not a number from {least} to {most}").into())
}

/// To standard output; whoever closed it does not want the rest.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
