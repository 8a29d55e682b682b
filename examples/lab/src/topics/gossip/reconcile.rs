//! Reconciliation and failure detectors against their papers' figures.

use std::time::Duration;

use dsys_core::{Rng, Time};
use dsys_gossip::MessageId;
use dsys_gossip::detector::{Detector, PhiAccrual, PhiConfig};
use dsys_gossip::reconcile::{Key, Peeler, Ranges, RangesConfig, Sketch, Way, choose};
use dsys_sim::measure::Summary;

use crate::args::Args;
use crate::report::{Allowed, Report};

pub(super) fn run(args: &Args, report: &mut Report) {
    if args.mine(6) {
        let table = [
            (64, 1.49, 1_000),
            (128, 1.445, 1_000),
            (256, 1.41, 500),
            (1_000, 1.379, 100),
            (100_000, 1.358, 3),
        ];
        for (differences, theirs, runs) in table {
            if !args.smoke || differences < 1_000 {
                cells(differences, theirs, if args.smoke { runs / 10 } else { runs }, report);
            }
        }
        spread(if args.smoke { 20_000 } else { 1_000_000 }, args.smoke, report);
    }
    if args.mine(7) {
        phi(if args.smoke { 200_000 } else { 2_000_000 }, report);
    }
}

fn name(rng: &mut Rng) -> MessageId {
    let mut id = [0; 16];
    rng.fill(&mut id);
    MessageId(id)
}

/// Cells for each difference, fed one at a time until all are known; the last ones in small lots where they are many.
fn cells(differences: usize, theirs: f64, runs: usize, report: &mut Report) {
    let mut summary = Summary::default();
    let mut rng = Rng::from_seed(differences as u64);
    let lot = (differences / 1_000).max(1);
    for _ in 0..runs {
        let key = Key(rng.next_u64(), rng.next_u64());
        let mut sketch = Sketch::new(key, 2 * differences + 100);
        let mut peeler = Peeler::new(key);
        for number in 0..differences {
            let id = name(&mut rng);
            if number % 2 == 0 { sketch.insert(id) } else { peeler.insert(id) }
        }
        if sketch.cells().chunks(lot).any(|cells| peeler.peel(cells).is_some()) {
            summary.add(peeler.cells() as f64 / differences as f64);
        }
    }
    let name = format!("IBLT, {differences} differences: cells for each");
    let allowed = Allowed::Between(theirs * 0.97, theirs * 1.03);
    report.row(name, format!("{theirs}"), summary.mean(), allowed, |value| format!("{value:.3}"));
}

/// Two large sets with 100 differences, spread over all of them.
fn spread(size: usize, smoke: bool, report: &mut Report) {
    let mut rng = Rng::from_seed(1);
    let key = Key(rng.next_u64(), rng.next_u64());
    let Way::Cells(count) = choose(size, size, None) else { return };
    let (mut sketch, mut peeler) = (Sketch::new(key, count), Peeler::new(key));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let every = size / 100;
    for at in 0..size {
        let id = name(&mut rng);
        if at % every != 0 || (at / every).is_multiple_of(2) {
            sketch.insert(id);
            one.push(id);
        }
        if at % every != 0 || at / every % 2 == 1 {
            peeler.insert(id);
            other.push(id);
        }
    }
    let answer = postcard::to_allocvec(sketch.cells()).map_or(0, |bytes| bytes.len());
    let found = peeler.peel(sketch.cells()).map(|found| found.ours.len() + found.theirs.len());
    let bytes = found.filter(|found| *found == 100).map(|_| answer as f64);
    let kilo = |value: f64| format!("{:.2} KB", value / 1e3);
    let most = if smoke { Allowed::Anything } else { Allowed::AtMost(6_500.0) };
    report.row(format!("IBLT, {size} names, 100 differ, 1 answer"), "163 KB", bytes, most, kilo);

    let (config, mut total, mut messages) = (RangesConfig::default(), 0, 0);
    let sets = [Ranges::new(key, one), Ranges::new(key, other)];
    let mut message = sets.first().map(|set| set.begin(&config)).unwrap_or_default();
    while !message.is_empty() {
        messages += 1;
        total += postcard::to_allocvec(&message).map_or(0, |bytes| bytes.len());
        let Some(set) = sets.get(messages % 2) else { return };
        message = set.answer(&message, &config).ranges;
    }
    let name = format!("ranges, {size} names, 100 differ");
    report.row(name, "163 KB", Some(total as f64), Allowed::Anything, kilo);
    let name = format!("ranges, {size} names, 100 differ: messages");
    report.row(name, "6", Some(messages as f64), Allowed::Anything, |value| format!("{value:.0}"));
}

/// How often a heartbeat comes later than phi allows.
fn phi(beats: u64, report: &mut Report) {
    let config = PhiConfig { least_deviation: Duration::from_millis(1), ..PhiConfig::default() };
    let (mut detector, mut rng) = (PhiAccrual::new(config, Time::ZERO), Rng::from_seed(1));
    let (mut now, mut exceeded, mut count) = (Time::ZERO, [0u32; 3], 0u32);
    for beat in 0..beats {
        // Box and Muller's normal variable.
        let (one, other) = (1.0 - rng.unit(), rng.unit());
        let normal = (-2.0 * one.ln()).sqrt() * (2.0 * std::f64::consts::PI * other).cos();
        now += Duration::from_secs_f64((1.0 + 0.1 * normal).max(0.0));
        if beat > 2_000 {
            count += 1;
            let phi = detector.phi(now);
            for (exceeded, least) in exceeded.iter_mut().zip([1.0, 2.0, 3.0]) {
                *exceeded += u32::from(phi > least);
            }
        }
        detector.heard(beat, now);
    }
    for ((exceeded, level), theirs) in exceeded.into_iter().zip(1..).zip([0.1, 0.01, 0.001]) {
        let ours = f64::from(exceeded) / f64::from(count.max(1));
        let allowed = Allowed::Between(theirs * 0.8, theirs * 1.2);
        let show = |value: f64| format!("{:.3} %", value * 100.0);
        report.row(
            format!("phi accrual: intervals beyond phi {level}"),
            show(theirs),
            Some(ours),
            allowed,
            show,
        );
    }
}
