//! Failure detectors: how often they are wrong, and that they are right in the end.

use std::time::Duration;

use dsys_core::{NodeId, Rng, Time};
use dsys_gossip::detector::{Deadline, Detector, PhiAccrual, PhiConfig, Watch};

/// Nearly normal: the sum of twelve uniform variables would end at six deviations, so Box and Muller.
fn normal(rng: &mut Rng) -> f64 {
    let (one, other) = (1.0 - rng.unit(), rng.unit());
    (-2.0 * one.ln()).sqrt() * (2.0 * std::f64::consts::PI * other).cos()
}

#[test]
fn phi_is_exceeded_as_often_as_it_says() {
    let config = PhiConfig { least_deviation: Duration::from_millis(1), ..PhiConfig::default() };
    let (mut detector, mut rng) = (PhiAccrual::new(config, Time::ZERO), Rng::from_seed(1));
    let (mut now, mut exceeded, mut count) = (Time::ZERO, [0u32; 3], 0u32);
    for beat in 0..400_000 {
        let interval = Duration::from_secs_f64((1.0 + 0.1 * normal(&mut rng)).max(0.0));
        now += interval;
        if beat > 2_000 {
            count += 1;
            let phi = detector.phi(now);
            for (exceeded, least) in exceeded.iter_mut().zip([1.0, 2.0, 3.0]) {
                *exceeded += u32::from(phi > least);
            }
        }
        detector.heard(beat, now);
    }
    // Hayashibara et al. §III: phi 1 is wrong in 10 % of all cases, 2 in 1 %, 3 in 0.1 %.
    for (exceeded, share) in exceeded.into_iter().zip([0.1, 0.01, 0.001]) {
        let ours = f64::from(exceeded) / f64::from(count);
        assert!((ours / share - 1.0).abs() < 0.2, "{ours} where {share} is expected");
    }
}

#[test]
fn every_detector_is_calm_while_it_hears_and_certain_when_it_does_not() {
    let second = |seconds: f64| Time::ZERO + Duration::from_secs_f64(seconds);
    let mut detectors: [Box<dyn Detector>; 2] = [
        Box::new(Deadline::new(Duration::from_secs(3), Time::ZERO)),
        Box::new(PhiAccrual::new(PhiConfig::default(), Time::ZERO)),
    ];
    for detector in &mut detectors {
        for beat in 0..100u32 {
            // One in ten is a little late.
            let late = if beat % 10 == 3 { 0.3 } else { 0.0 };
            let now = second(f64::from(beat) + late);
            assert!(detector.suspicion(now) < 1.0, "beat {beat}");
            detector.heard(u64::from(beat), now);
            let before = detector.suspicion(second(f64::from(beat) + 0.9));
            // An old one says nothing, and neither does the same again.
            detector.heard(u64::from(beat.saturating_sub(5)), second(f64::from(beat) + 0.8));
            detector.heard(u64::from(beat), second(f64::from(beat) + 0.8));
            assert!((detector.suspicion(second(f64::from(beat) + 0.9)) - before).abs() < 1e-12);
        }
        assert_eq!(detector.beat(), Some(99));
        let suspicions: Vec<f64> = (99..110).map(|at| detector.suspicion(second(f64::from(at)))).collect();
        assert!(suspicions.windows(2).all(|two| two[0] < two[1]), "it only grows: {suspicions:?}");
        assert!(suspicions[10] > 1.0 && suspicions[0] < 0.1);
    }
}

#[test]
fn a_detector_of_few_or_odd_intervals_judges_all_the_same() {
    let config = || PhiConfig { window: 2, ..PhiConfig::default() };
    let mut detector = PhiAccrual::new(config(), Time::ZERO);
    assert!(detector.phi(Time::ZERO) < 0.1 && detector.phi(Time::ZERO + Duration::from_secs(5)) > 8.0);
    for (beat, now) in [Time::ZERO, Time::MAX, Time::MAX, Time::MAX].into_iter().enumerate() {
        detector.heard(beat as u64, now);
        assert!(detector.phi(Time::MAX).is_finite());
    }
    // All at once: the least deviation holds.
    let mut detector = PhiAccrual::new(config(), Time::ZERO);
    (0..9).for_each(|beat| detector.heard(beat, Time::ZERO));
    assert!(detector.phi(Time::ZERO) < 0.4 && detector.phi(Time::ZERO + Duration::from_millis(100)) > 8.0);
}

#[test]
fn heartbeats_by_gossip_show_who_is_dead_to_all() {
    let ids: Vec<NodeId> = (0..20).map(NodeId::from_number).collect();
    let mut rng = Rng::from_seed(3);
    let mut watches: Vec<Watch<Deadline>> = ids.iter().map(|id| Watch::new(*id, 19)).collect();
    let at = |second: u64| Time::ZERO + Duration::from_secs(second);
    for second in 0..60 {
        // The last one dies after half a minute.
        let living = if second < 30 { 20 } else { 19 };
        for from in 0..living {
            watches[from].beat();
            let beats: Vec<(NodeId, u64)> = watches[from].beats().collect();
            let to = rng.index(living);
            for (node, beat) in beats {
                watches[to]
                    .hear(node, beat, at(second), || Deadline::new(Duration::from_secs(15), at(second)));
            }
        }
        let wrong = watches[..19].iter().flat_map(|watch| watch.suspicions(at(second)));
        assert_eq!(
            wrong.filter(|(id, suspicion)| *suspicion >= 1.0 && *id != ids[19]).count(),
            0,
            "{second}"
        );
    }
    for watch in &mut watches[..19] {
        let suspects: Vec<NodeId> =
            watch.suspicions(at(60)).filter(|(_, suspicion)| *suspicion >= 1.0).map(|(id, _)| id).collect();
        assert_eq!(suspects, [ids[19]]);
        watch.forget(1.0, at(60));
        assert_eq!(watch.suspicions(at(60)).count(), 18);
        let full = |watch: &mut Watch<Deadline>, number| {
            watch.hear(NodeId::from_number(number), 1, at(60), || {
                Deadline::new(Duration::from_secs(1), at(60))
            })
        };
        assert!(full(watch, 30) && !full(watch, 31));
        assert_eq!(watch.refused(), 1);
    }
}
