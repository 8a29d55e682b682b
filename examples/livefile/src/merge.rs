//! What was changed in a text, and the same changes made to a text that was changed otherwise meanwhile.

use std::ops::Range;

use similar::{DiffOp, TextDiff};

/// Characters (code points) of the old text that are replaced by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) old: Range<usize>,
    pub(crate) new: String,
}

/// What makes `new` of `old`: by lines, and within them without what is the same at both ends.
pub(crate) fn edits(old: &str, new: &str) -> Vec<Edit> {
    let diff = TextDiff::from_lines(old, new);
    let (olds, news) = (diff.old_slices(), diff.new_slices());
    let mut starts = vec![0];
    for line in olds {
        starts.push(starts.last().copied().unwrap_or(0) + line.chars().count());
    }
    let changed = diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    changed
        .filter_map(|op| {
            edit(olds.get(op.old_range())?, news.get(op.new_range())?, starts.get(op.old_range().start)?)
        })
        .collect()
}

fn edit(old: &[&str], new: &[&str], start: &usize) -> Option<Edit> {
    let (old, new): (Vec<char>, Vec<char>) = (old.concat().chars().collect(), new.concat().chars().collect());
    let most = old.len().min(new.len());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let behind =
        old.iter().rev().zip(new.iter().rev()).take(most - before).take_while(|(a, b)| a == b).count();
    let kept = new.get(before..new.len() - behind)?;
    Some(Edit { old: start + before..start + old.len() - behind, new: kept.iter().collect() })
}

/// Edits of `old`, for a text that `others` have made of `old`: in the order in which they are to be made, the last first.
pub(crate) fn rebased(edits: &[Edit], others: &[Edit]) -> Vec<Edit> {
    let mut rebased = Vec::new();
    for edit in edits.iter().rev() {
        // What others have deleted is not deleted again: what is left of the range lies around their edits.
        let mut pieces = Vec::new();
        let mut from = edit.old.start;
        let touches = |other: &&Edit| other.old.end > edit.old.start && other.old.start < edit.old.end;
        for other in others.iter().filter(touches) {
            pieces.push(from..other.old.start.max(from));
            from = other.old.end.min(edit.old.end);
        }
        pieces.push(from..edit.old.end);
        let mut new = edit.new.as_str();
        for piece in pieces.iter().rev() {
            let first = piece.start == edit.old.start || pieces.len() == 1;
            let start = moved(piece.start, others);
            let insert = if first { std::mem::take(&mut new) } else { "" };
            if !piece.is_empty() || !insert.is_empty() {
                rebased.push(Edit { old: start..start + piece.len(), new: insert.into() });
            }
        }
        if !new.is_empty() {
            let start = moved(edit.old.start, others);
            rebased.push(Edit { old: start..start, new: new.into() });
        }
    }
    rebased
}

/// Where a position is after others' edits; behind what they have put there.
fn moved(position: usize, others: &[Edit]) -> usize {
    let mut at = position;
    for other in others.iter().rev().filter(|other| other.old.start <= position) {
        let deleted = other.old.end.min(position) - other.old.start;
        at = at - deleted + other.new.chars().count();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str, edits: &[Edit]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for edit in edits {
            chars.splice(edit.old.clone(), edit.new.chars());
        }
        chars.into_iter().collect()
    }

    fn last_first(mut edits: Vec<Edit>) -> Vec<Edit> {
        edits.reverse();
        edits
    }

    #[test]
    fn edits_make_the_new_of_the_old() {
        for (old, new) in [
            ("", "a\nb\n"),
            ("one\ntwo\nthree\n", "one\n2\nthree\nfour"),
            ("äöü\n", "äü\n"),
            ("aaaa", "aaaaa"),
            ("a\nb\nc\n", ""),
        ] {
            assert_eq!(made(old, &last_first(edits(old, new))), new);
        }
        assert_eq!(edits("one word\n", "one nice word\n"), [Edit { old: 4..4, new: "nice ".into() }]);
    }

    #[test]
    fn both_sides_work_is_kept() {
        let old = "one\ntwo\nthree\n";
        for (ours, theirs, both) in [
            ("one\ntwo!\nthree\n", "zero\none\ntwo\nthree\n", "zero\none\ntwo!\nthree\n"),
            ("one\nthree\n", "one\ntwo\nthree\nfour\n", "one\nthree\nfour\n"),
            ("one\ntwo\nthree\nours\n", "one\ntwo\nthree\ntheirs\n", "one\ntwo\nthree\ntheirs\nours\n"),
            ("", "one\ntwo, new\nthree\n", ", new"),
            ("one\nthree\n", "one\nthree\n", "one\nthree\n"),
        ] {
            let (ours, theirs_edits) = (edits(old, ours), edits(old, theirs));
            assert_eq!(made(theirs, &rebased(&ours, &theirs_edits)), both);
        }
    }

    #[test]
    fn random_edits_stay_in_range_and_lose_nothing_that_was_inserted() {
        let mut state = 7u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..3_000 {
            let old: String = (0..random(12)).map(|_| ['a', 'b', '\n'][random(3)]).collect();
            let mut change = |mark: char| {
                let mut chars: Vec<char> = old.chars().collect();
                for _ in 0..random(4) {
                    let at = random(chars.len() + 1);
                    let end = (at + random(4)).min(chars.len());
                    chars.splice(at..end, [mark]);
                }
                chars.into_iter().collect::<String>()
            };
            let (ours, theirs) = (change('O'), change('T'));
            let both = made(&theirs, &rebased(&edits(&old, &ours), &edits(&old, &theirs)));
            let count = |text: &str, mark| text.chars().filter(|it| *it == mark).count();
            assert_eq!(
                (count(&both, 'O'), count(&both, 'T')),
                (count(&ours, 'O'), count(&theirs, 'T')),
                "{old:?} {ours:?} {theirs:?}"
            );
        }
    }
}
