//! A dial and the first request. Each round has a fresh client, live already, which dials one live server after the
//! other, each for the first time, so that every handshake is a full one. The CPU time is that of all that the dials set
//! off, and ends some time after the last; closing is not in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{KIB, Mode, Stack, dsys::Dsys, iroh::Iroh, quinn::Quinn};
use crate::harness::{Args, Cost, Goal, Round, Samples, cost, line, median, round, take_turns};

const SERVERS: usize = 32;
const AFTERMATH: Duration = Duration::from_millis(250);

pub(super) async fn run(args: &Args) {
    let contenders = [contender::<Dsys>().await, contender::<Quinn>().await, contender::<Iroh>().await];
    let samples = take_turns(args.rounds(21), &contenders).await;
    let wall = |samples: &Samples| format!("{:.0} us", samples.median(|cost| cost.wall) * 1e6);
    let cpu = |samples: &Samples| format!("{:.0} us CPU", samples.median(|cost| cost.cpu) * 1e6);
    let (ours, quinn, iroh) = (&samples[0], &samples[1], &samples[2]);
    let print = |name: &str, theirs: &Samples, wall_goal, cpu_goal| {
        let ratio = ours.ratio(theirs, |cost| cost.wall);
        line("dial and first request: wall", &wall(ours), name, &wall(theirs), ratio, wall_goal);
        let ratio = ours.ratio(theirs, |cost| cost.cpu);
        line("dial and first request: CPU", &cpu(ours), name, &cpu(theirs), ratio, cpu_goal);
    };
    print(Quinn::NAME, quinn, Goal::AtMost(1.05), Goal::None);
    print(Iroh::NAME, iroh, Goal::None, Goal::AtMost(0.35));
}

pub(super) async fn contender<S: Stack>() -> Round {
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(S::server(Mode::Echo).await);
    }
    let servers = Arc::new(servers);
    round(move || {
        let servers = servers.clone();
        async move {
            let client = S::client().await;
            // What it does to become live is over by then.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (cost, links) = dials::<S>(&client, &servers).await;
            drop(links);
            S::close(client).await;
            cost
        }
    })
}

/// The median wall time of the dials, and the mean of their CPU time.
async fn dials<S: Stack>(client: &S::Client, servers: &[S::Server]) -> (Cost, Vec<S::Link>) {
    let request = Bytes::from(vec![7; KIB]);
    let (mut walls, mut links) = (Vec::new(), Vec::new());
    let all = cost(async {
        for server in servers {
            let start = Instant::now();
            let (link, answer) = S::dial_and_call(client, server, request.clone()).await;
            assert_eq!(answer.len(), KIB);
            walls.push(start.elapsed().as_secs_f64());
            links.push(link);
        }
        tokio::time::sleep(AFTERMATH).await;
    })
    .await;
    (Cost { wall: median(walls), cpu: all.cpu / servers.len() as f64 }, links)
}
