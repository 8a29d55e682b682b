//! Much over one stream, in chunks of 64 KiB without copies.

use bytes::Bytes;

use super::dsys::{Dsys, DsysInternet, DsysLan};
use super::{KIB, MIB, Mode, Stack};
use super::{iroh::Iroh, quinn::Quinn};
use crate::harness::{Args, Goal, Round, Samples, cost, line, round, take_turns};

const CHUNK: usize = 64 * KIB;

pub(super) async fn run(args: &Args) {
    let size = if args.quick { 64 * MIB } else { 1024 * MIB };
    let contenders = [
        contender::<Dsys>(size).await,
        contender::<DsysLan>(size).await,
        contender::<Quinn>(size).await,
        contender::<Iroh>(size).await,
        contender::<DsysInternet>(size).await,
    ];
    let samples = take_turns(args.rounds(7), &contenders).await;
    let print = |figure: &str, ours: &Samples, peer: &str, theirs: &Samples, goal| {
        let figure = format!("{} MiB over one stream, {figure}", size / MIB);
        let rate = |samples: &Samples| {
            let (wall, cpu) = (samples.median(|cost| cost.wall), samples.median(|cost| cost.cpu));
            format!("{:.0} MiB/s ({:.2} s CPU)", (size / MIB) as f64 / wall, cpu)
        };
        let ratio = ours.ratio(theirs, |cost| 1.0 / cost.wall);
        line(&figure, &rate(ours), peer, &rate(theirs), ratio, goal);
    };
    print("default", &samples[0], Quinn::NAME, &samples[2], Goal::AtLeast(0.97));
    print("lan()", &samples[1], Quinn::NAME, &samples[2], Goal::AtLeast(2.0));
    print("default", &samples[0], Iroh::NAME, &samples[3], Goal::AtLeast(1.3));
    print("packets as over the Internet", &samples[4], Quinn::NAME, &samples[2], Goal::None);
    print("packets as over the Internet", &samples[4], Iroh::NAME, &samples[3], Goal::None);
}

async fn contender<S: Stack>(size: usize) -> Round {
    let (server, client) = (S::server(Mode::Sink).await, S::client().await);
    let link = S::dial(&client, &server).await;
    let ends = std::sync::Arc::new((server, client));
    let chunk = Bytes::from(vec![7; CHUNK]);
    round(move || {
        let (ends, link, chunk) = (ends.clone(), link.clone(), chunk.clone());
        async move {
            let cost = cost(S::send(&link, chunk, size / CHUNK)).await;
            drop(ends);
            cost
        }
    })
}
