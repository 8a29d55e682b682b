//! Reconciliation: the difference is found, what it costs, and what a liar can do.

use std::collections::BTreeSet;

use dsys_core::Rng;
use dsys_gossip::MessageId;
use dsys_gossip::reconcile::{
    Answer, Cell, Difference, Key, Peeler, Range, Ranges, RangesConfig, Sketch, Way, choose,
};
use proptest::prelude::*;

fn name(rng: &mut Rng) -> MessageId {
    let mut id = [0; 16];
    rng.fill(&mut id);
    MessageId(id)
}

fn names(rng: &mut Rng, count: usize) -> Vec<MessageId> {
    (0..count).map(|_| name(rng)).collect()
}

fn key(rng: &mut Rng) -> Key {
    Key(rng.next_u64(), rng.next_u64())
}

/// How many cells it takes until so many differences are known, fed one at a time.
fn cells_for(differences: usize, rng: &mut Rng) -> usize {
    let key = key(rng);
    let mut theirs = Sketch::new(key, 2 * differences + 100);
    let mut peeler = Peeler::new(key);
    for number in 0..differences {
        let id = name(rng);
        if number % 2 == 0 { theirs.insert(id) } else { peeler.insert(id) }
    }
    let mut cells = theirs.cells().iter();
    loop {
        let cell = cells.next().unwrap();
        if let Some(found) = peeler.peel(std::slice::from_ref(cell)) {
            assert_eq!(found.ours.len() + found.theirs.len(), differences);
            return peeler.cells();
        }
    }
}

#[test]
fn each_difference_takes_as_many_cells_as_the_paper_says() {
    // Yang, Gilad, Alizadeh 2024, figure 4. The runs of the larger ones are few, and vary little.
    let mut rng = Rng::from_seed(1);
    for (differences, theirs, runs) in
        [(64, 1.49, 150), (128, 1.445, 100), (256, 1.41, 60), (1_000, 1.379, 12)]
    {
        let cells: usize = (0..runs).map(|_| cells_for(differences, &mut rng)).sum();
        let ours = cells as f64 / f64::from(runs) / differences as f64;
        assert!((ours / theirs - 1.0).abs() < 0.03, "{differences}: {ours} where {theirs} is expected");
    }
}

#[test]
fn a_hundred_differences_among_many_names_take_few_bytes_and_one_answer() {
    let mut rng = Rng::from_seed(2);
    let key = key(&mut rng);
    let all = names(&mut rng, 50_000);
    let Way::Cells(cells) = choose(50_000, 50_000, None) else { panic!("cells are best") };
    let (mut theirs, mut ours) = (Sketch::new(key, cells), Peeler::new(key));
    let mut expected = Difference::default();
    for (at, id) in all.iter().enumerate() {
        match at % 1_000 {
            0 => expected.theirs.push(*id),
            500 => expected.ours.push(*id),
            _ => {}
        }
        if at % 1_000 != 500 {
            theirs.insert(*id);
        }
        if at % 1_000 != 0 {
            ours.insert(*id);
        }
    }
    expected.ours.sort();
    expected.theirs.sort();
    assert_eq!(expected.ours.len() + expected.theirs.len(), 100);
    let bytes = postcard::to_allocvec(theirs.cells()).unwrap();
    assert!(bytes.len() <= 6_500, "{}", bytes.len());
    assert_eq!(ours.peel(&postcard::from_bytes::<Vec<Cell>>(&bytes).unwrap()), Some(expected));
}

#[test]
fn a_sketch_is_what_is_in_it_now_and_equal_sets_take_one_cell() {
    let mut rng = Rng::from_seed(3);
    let (key, kept, gone) = (key(&mut rng), names(&mut rng, 100), names(&mut rng, 50));
    let (mut one, mut other, mut peeler) = (Sketch::new(key, 64), Sketch::new(key, 64), Peeler::new(key));
    gone.iter().chain(&kept).for_each(|id| one.insert(*id));
    gone.iter().for_each(|id| one.remove(*id));
    kept.iter().for_each(|id| {
        other.insert(*id);
        peeler.insert(*id);
    });
    assert_eq!((one.cells(), one.len()), (other.cells(), 100));
    assert_eq!(peeler.peel(&one.cells()[..1]), Some(Difference::default()));
}

#[test]
fn whoever_lies_in_cells_costs_their_size_and_no_more() {
    let mut rng = Rng::from_seed(4);
    for lie in 0..200 {
        let key = key(&mut rng);
        let mut theirs = Sketch::new(key, 100);
        names(&mut rng, 30).into_iter().for_each(|id| theirs.insert(id));
        let mut cells = theirs.cells().to_vec();
        // One wrong, or all, or the same name in each.
        match lie % 3 {
            0 => cells[rng.index(100)].count += 1,
            1 => cells.iter_mut().for_each(|cell| {
                rng.fill(&mut cell.names);
                cell.hashes = rng.next_u64();
                cell.count = rng.below(3) as i64 - 1;
            }),
            _ => {
                let mut alone = Sketch::new(key, 1);
                alone.insert(name(&mut rng));
                cells.fill(alone.cells()[0]);
            }
        }
        let mut peeler = Peeler::new(key);
        names(&mut rng, 30).into_iter().for_each(|id| peeler.insert(id));
        if let Some(found) = peeler.peel(&cells) {
            assert!(found.ours.len() + found.theirs.len() <= 100);
        }
        assert_eq!(peeler.cells(), 100);
    }
}

#[test]
fn the_way_is_chosen_by_what_it_costs() {
    assert_eq!(choose(1_000_000, 1_000_000, None), Way::Cells(190));
    assert_eq!(choose(0, 20, None), Way::Names);
    assert_eq!(choose(10, 10_000, None), Way::Names, "nearly all of it is lacking");
    assert_eq!(choose(1_000_000, 1_000_000, Some(100_000)), Way::Ranges);
    assert_eq!(choose(1_000_000, 998_000, None), Way::Cells(3_040), "the sizes tell");
}

/// Lets the two talk until they are done: what each found, the messages and the bytes.
fn talk(one: &Ranges, other: &Ranges, config: &RangesConfig) -> ([Answer; 2], usize, usize) {
    let mut found = [Answer::default(), Answer::default()];
    let (mut message, mut count, mut bytes) = (one.begin(config), 0, 0);
    while !message.is_empty() {
        count += 1;
        assert!(count < 40, "it does not end");
        let encoded = postcard::to_allocvec(&message).unwrap();
        bytes += encoded.len();
        message = postcard::from_bytes::<Vec<Range>>(&encoded).unwrap();
        let (set, found) = if count % 2 == 1 { (other, &mut found[1]) } else { (one, &mut found[0]) };
        let answer = set.answer(&message, config);
        found.ours.extend(answer.ours);
        found.theirs.extend(answer.theirs);
        message = answer.ranges;
    }
    (found, count, bytes)
}

#[test]
fn ranges_find_few_differences_among_many_names_in_few_messages() {
    let mut rng = Rng::from_seed(5);
    let key = key(&mut rng);
    let all = names(&mut rng, 20_000);
    let one = Ranges::new(key, all.iter().copied().skip(50));
    let other = Ranges::new(key, all.iter().copied().take(20_000 - 50));
    let ([ours, theirs], messages, bytes) = talk(&one, &other, &RangesConfig::default());
    assert_eq!((ours.theirs.len() + ours.ours.len()).max(theirs.theirs.len() + theirs.ours.len()), 100);
    assert!(messages <= 6 && bytes < 150_000, "{messages} messages, {bytes} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_ways_find_exactly_the_difference(
        seed in any::<u64>(), common in 0usize..300, ours in 0usize..60, theirs in 0usize..60,
    ) {
        let mut rng = Rng::from_seed(seed);
        let key = key(&mut rng);
        let (common, ours, theirs) = (names(&mut rng, common), names(&mut rng, ours), names(&mut rng, theirs));
        let all = |more: &[MessageId]| common.iter().chain(more).copied().collect::<Vec<_>>();
        let set = |names: &[MessageId]| names.iter().copied().collect::<BTreeSet<_>>();

        let (mut sketch, mut peeler) = (Sketch::new(key, 400), Peeler::new(key));
        all(&theirs).into_iter().for_each(|id| sketch.insert(id));
        all(&ours).into_iter().for_each(|id| peeler.insert(id));
        let found = sketch.cells().chunks(7).find_map(|cells| peeler.peel(cells)).unwrap();
        prop_assert_eq!((set(&found.ours), set(&found.theirs)), (set(&ours), set(&theirs)));

        let config = RangesConfig { split: 3, names: 4, max_ranges: 10_000 };
        let (one, other) = (Ranges::new(key, all(&ours)), Ranges::new(key, all(&theirs)));
        let ([here, there], _, _) = talk(&one, &other, &config);
        // Each name lacking is known to the one who lacks it.
        prop_assert_eq!((set(&here.theirs), set(&there.theirs)), (set(&theirs), set(&ours)));
        prop_assert!(set(&here.ours).is_subset(&set(&ours)) && set(&there.ours).is_subset(&set(&theirs)));
    }

    #[test]
    fn any_ranges_are_answered_within_bounds(bytes in proptest::collection::vec(0u8..8, 0..300), seed in any::<u64>()) {
        let mut rng = Rng::from_seed(seed);
        let config = RangesConfig { max_ranges: 20, ..RangesConfig::default() };
        let set = Ranges::new(key(&mut rng), names(&mut rng, 500));
        if let Ok((ranges, _)) = postcard::take_from_bytes::<Vec<Range>>(&bytes) {
            let answer = set.answer(&ranges, &config);
            prop_assert!(answer.ranges.len() <= 20 && answer.ours.len() <= 500);
        }
    }
}
