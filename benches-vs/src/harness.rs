//! Rounds that take turns, medians, CPU time, and the table of figures.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Args {
    only: Vec<String>,
    rounds: Option<usize>,
    /// Fewer rounds and smaller ones, to see whether it works.
    pub quick: bool,
    /// What stands before the options.
    pub words: Vec<String>,
}

impl Args {
    /// Reads the command line; on a mistake says so and exits.
    pub fn parse() -> Args {
        fn read() -> Result<Args, lexopt::Error> {
            use lexopt::prelude::*;
            let mut args = Args::default();
            let mut parser = lexopt::Parser::from_env();
            while let Some(arg) = parser.next()? {
                match arg {
                    Long("only") => args.only.push(parser.value()?.string()?),
                    Long("rounds") => args.rounds = Some(parser.value()?.parse()?),
                    Long("quick") => args.quick = true,
                    Value(word) => args.words.push(word.string()?),
                    other => return Err(other.unexpected()),
                }
            }
            Ok(args)
        }
        read().unwrap_or_else(|error| {
            eprintln!("{error}\nusage: [--only NAME]... [--rounds N] [--quick]");
            std::process::exit(2)
        })
    }

    /// Whether the group `name` is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
    }

    /// How many rounds each contender gets.
    pub fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { usual }).max(1)
    }
}

/// What a piece of work took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// By the clock on the wall.
    pub wall: f64,
    /// User and system time of the whole process: both ends of the connection are in it.
    pub cpu: f64,
}

impl Cost {
    /// The cost of one of `count` equal parts.
    pub fn per(self, count: usize) -> Cost {
        Cost { wall: self.wall / count as f64, cpu: self.cpu / count as f64 }
    }
}

/// Does `work` and measures it.
pub async fn cost(work: impl Future<Output = ()>) -> Cost {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    work.await;
    Cost { wall: wall.elapsed().as_secs_f64(), cpu: cpu.elapsed().as_secs_f64() }
}

/// One round of one contender.
pub type Round = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Cost> + Send>> + Send + Sync>;

/// Makes a round of a closure that returns a future.
pub fn round<F: Future<Output = Cost> + Send + 'static>(
    work: impl Fn() -> F + Send + Sync + 'static,
) -> Round {
    Box::new(move || Box::pin(work()))
}

/// The costs of `rounds` rounds of each contender, which take turns, forwards and backwards, so that what else the
/// machine does hits all alike. The first round of each warms up and is not counted.
pub async fn take_turns(rounds: usize, contenders: &[Round]) -> Vec<Samples> {
    let mut all = vec![Samples(Vec::new()); contenders.len()];
    for number in 0..=rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let cost = contenders[at]().await;
            if number > 0 {
                all[at].0.push(cost);
            }
            // Leftovers of a round, such as closing connections, are not the next one's.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    all
}

/// The rounds of one contender.
#[derive(Clone, Debug)]
pub struct Samples(pub Vec<Cost>);

/// Which half of a cost.
pub type Part = fn(&Cost) -> f64;

impl Samples {
    /// The median over the rounds.
    pub fn median(&self, part: Part) -> f64 {
        median(self.0.iter().map(part).collect())
    }

    /// The median over the rounds of ours divided by theirs. Each pair ran one after the other, under the same load.
    pub fn ratio(&self, peer: &Samples, part: Part) -> f64 {
        median(self.0.iter().zip(&peer.0).map(|(ours, theirs)| part(ours) / part(theirs)).collect())
    }
}

/// The middle one; of an even number the mean of both middle ones.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// What a ratio of ours to theirs is meant to be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// A cost.
    AtMost(f64),
    /// A rate.
    AtLeast(f64),
    /// Our own value, and what it may be at most, whatever the peer's is.
    Itself(f64, f64),
    /// Printed beside another figure.
    None,
}

/// Prints the head of the table.
pub fn head() {
    println!("figure | ours | peer and version | ratio | goal | met or short");
}

/// Prints a figure.
pub fn line(figure: &str, ours: &str, peer: &str, theirs: &str, ratio: f64, goal: Goal) {
    let (goal, verdict) = match goal {
        Goal::AtMost(limit) => (format!("at most {limit:.2}"), if ratio <= limit { "met" } else { "short" }),
        Goal::AtLeast(limit) => {
            (format!("at least {limit:.2}"), if ratio >= limit { "met" } else { "short" })
        }
        Goal::Itself(value, most) => {
            (format!("ours at most {most}"), if value <= most { "met" } else { "short" })
        }
        Goal::None => ("-".into(), "-"),
    };
    println!("{figure} | {ours} | {peer}: {theirs} | {ratio:.3} | {goal} | {verdict}");
}

/// What the machine does besides, as `uptime` says it.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The same runtime for all: two worker threads.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system gives two threads")
}
