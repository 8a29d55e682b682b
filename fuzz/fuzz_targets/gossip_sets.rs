//! Cells and ranges that a peer made up: comparing them ends, and finds no more than there is room for.
#![no_main]

use dsys_gossip::MessageId;
use dsys_gossip::reconcile::{Cell, Key, Peeler, Range, Ranges, RangesConfig, Sketch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let key = Key(1, 2);
    let names = || (0..which / 2).map(|byte| MessageId([byte; 16]));
    if which % 2 == 0 {
        let Ok((cells, _)) = postcard::take_from_bytes::<Vec<Cell>>(bytes) else { return };
        let mut ours = Sketch::new(key, cells.len());
        let mut peeler = Peeler::new(key);
        names().for_each(|id| ours.insert(id));
        names().for_each(|id| peeler.insert(id));
        let found = Peeler::compare(&ours, &cells);
        assert_eq!(peeler.peel(&cells), found, "at once and one after the other");
        if let Some(found) = found {
            assert!(found.ours.len() + found.theirs.len() <= cells.len());
        }
        // What we have is never a difference from ourselves.
        let same = Peeler::compare(&ours, ours.cells());
        assert!(ours.cells().is_empty() || same == Some(Default::default()));
    } else {
        let Ok((ranges, _)) = postcard::take_from_bytes::<Vec<Range>>(bytes) else { return };
        let config = RangesConfig { split: 2, names: 2, max_ranges: 16 };
        let ours = Ranges::new(key, names());
        let answer = ours.answer(&ranges, &config);
        assert!(answer.ranges.len() <= 16);
        assert!(answer.ours.iter().all(|id| names().any(|own| own == *id)));
        assert!(answer.theirs.iter().all(|id| names().all(|own| own != *id)));
    }
});
