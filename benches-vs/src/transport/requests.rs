//! 64 callers at once, each a request of 1 KiB after the other, echoed.

use bytes::Bytes;
use tokio::task::JoinSet;

use super::dsys::{Dsys, DsysInternet};
use super::{KIB, Mode, Stack, quinn::Quinn};
use crate::harness::{Args, Cost, Goal, Round, cost, line, round, take_turns};

const CALLERS: usize = 64;

pub(super) async fn run(args: &Args) {
    let each = if args.quick { 50 } else { 400 };
    let contenders = [
        contender::<Dsys>(each).await,
        contender::<Quinn>(each).await,
        contender::<DsysInternet>(each).await,
    ];
    let samples = take_turns(args.rounds(31), &contenders).await;
    let (ours, theirs, internet) = (&samples[0], &samples[1], &samples[2]);
    let micros = |seconds: f64| format!("{:.2} us CPU", seconds * 1e6);
    line(
        "request 1 KiB, 64 at once: CPU",
        &micros(ours.median(|cost| cost.cpu)),
        Quinn::NAME,
        &micros(theirs.median(|cost| cost.cpu)),
        ours.ratio(theirs, |cost| cost.cpu),
        Goal::AtMost(1.05),
    );
    line(
        "request 1 KiB, 64 at once, packets as over the Internet: CPU",
        &micros(internet.median(|cost| cost.cpu)),
        Quinn::NAME,
        &micros(theirs.median(|cost| cost.cpu)),
        internet.ratio(theirs, |cost| cost.cpu),
        Goal::None,
    );
    let rate = |seconds: f64| format!("{:.0}/s", 1.0 / seconds);
    line(
        "request 1 KiB, 64 at once: rate",
        &rate(ours.median(|cost| cost.wall)),
        Quinn::NAME,
        &rate(theirs.median(|cost| cost.wall)),
        ours.ratio(theirs, |cost| 1.0 / cost.wall),
        Goal::None,
    );
}

pub(super) async fn contender<S: Stack>(each: usize) -> Round {
    let (server, client) = (S::server(Mode::Echo).await, S::client().await);
    let link = S::dial(&client, &server).await;
    let ends = std::sync::Arc::new((server, client));
    round(move || {
        let (ends, link) = (ends.clone(), link.clone());
        async move {
            let cost = calls::<S>(&link, each).await;
            drop(ends);
            cost
        }
    })
}

async fn calls<S: Stack>(link: &S::Link, each: usize) -> Cost {
    let request = Bytes::from(vec![7; KIB]);
    let work = async {
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (link, request) = (link.clone(), request.clone());
            callers.spawn(async move {
                for _ in 0..each {
                    assert_eq!(S::call(&link, request.clone()).await.len(), KIB);
                }
            });
        }
        callers.join_all().await;
    };
    cost(work).await.per(CALLERS * each)
}
