//! A compressor for LZ4 blocks that looks for the smallest one, for what is written once and read often.
//!
//! Any LZ4 decoder reads the block, and as fast as any other. Each place's longest match is found through chains of
//! places that begin with the same four bytes; then the cheapest way from the end to the beginning is computed. About a
//! quarter smaller than what the usual fast compressor makes of text, and ten to twenty times slower to make.
#![allow(clippy::indexing_slicing)] // Places are below the length of the input, lengths of matches end before its end.

/// The format's rules: the shortest match, the farthest, the literals at the end, and where the last match may begin.
const MIN: usize = 4;
const FAR: usize = 65_535;
const LAST_LITERALS: usize = 5;
const LAST_MATCH: usize = 12;

/// So many candidates are compared at a place.
const DEPTH: usize = 16;
/// A match as long as this is taken as it is; nothing is searched within it.
const LONG: usize = 128;

#[derive(Clone, Copy, Default)]
struct Match {
    len: u32,
    back: u16,
}

/// An LZ4 block of the bytes from `from` on. What is before them, 64 KiB at most, the decoder needs as a dictionary.
pub(super) fn compress(input: &[u8], from: usize) -> Vec<u8> {
    let matches = matches(input, from);
    let steps = cheapest(&matches);
    let mut out = Vec::with_capacity(input.len() / 2 + 16);
    let (mut literals, mut at) = (from, from);
    while at < input.len() {
        let len = steps[at] as usize;
        if len > 1 {
            sequence(&mut out, &input[literals..at], Some((len, matches[at].back)));
            literals = at + len;
        }
        at += len;
    }
    sequence(&mut out, &input[literals..], None);
    out
}

/// The longest match at each place.
fn matches(input: &[u8], from: usize) -> Vec<Match> {
    let mut found = vec![Match::default(); input.len()];
    let Some(last) = input.len().checked_sub(LAST_MATCH) else { return found };
    let mut newest = vec![u32::MAX; 1 << 15];
    let mut older = vec![u32::MAX; input.len()];
    let mut skip_to = from;
    for at in 0..=last {
        let four = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]]);
        let newest = &mut newest[(four.wrapping_mul(2_654_435_761) >> 17) as usize];
        let mut candidate = std::mem::replace(newest, at as u32);
        older[at] = candidate;
        if at < skip_to {
            continue;
        }
        let (here, most) = (&input[at..], input.len() - LAST_LITERALS - at);
        let mut best = Match::default();
        for _ in 0..DEPTH {
            let place = candidate as usize;
            if place >= at || at - place > FAR {
                break;
            }
            let there = &input[place..];
            let longer = best.len as usize;
            if there[longer] == here[longer] {
                let len = here[..most].iter().zip(there).take_while(|(a, b)| a == b).count();
                if len >= MIN && len > longer {
                    best = Match { len: len as u32, back: (at - place) as u16 };
                    if len == most {
                        break;
                    }
                }
            }
            candidate = older[place];
        }
        found[at] = best;
        if best.len as usize >= LONG {
            skip_to = at + best.len as usize;
        }
    }
    found
}

/// By place: how far the cheapest way goes there; 1 is a literal.
fn cheapest(matches: &[Match]) -> Vec<u32> {
    let mut steps = vec![1; matches.len()];
    let mut cost = vec![0u32; matches.len() + 1];
    let mut literals = 0;
    for at in (0..matches.len()).rev() {
        literals += 1;
        let mut best = cost[at + 1] + 1 + u32::from(literals >= 15 && (literals - 15) % 255 == 0);
        let longest = matches[at].len as usize;
        let shorter = if longest < LONG { MIN..longest } else { 0..0 };
        for len in shorter.chain((longest > 0).then_some(longest)) {
            let with = cost[at + len] + 3 + extra(len - MIN) as u32;
            if with < best || (with == best && len > steps[at] as usize) {
                (best, steps[at]) = (with, len as u32);
                literals = 0;
            }
        }
        cost[at] = best;
    }
    steps
}

/// The bytes that a length needs beyond its four bits.
fn extra(len: usize) -> usize {
    if len < 15 { 0 } else { (len - 15) / 255 + 1 }
}

/// Literals, and the match that follows them: how long, how far back.
fn sequence(out: &mut Vec<u8>, literals: &[u8], copy: Option<(usize, u16)>) {
    let len = copy.map_or(0, |(len, _)| len - MIN);
    out.push((literals.len().min(15) << 4 | len.min(15)) as u8);
    put_extra(out, literals.len());
    out.extend_from_slice(literals);
    if let Some((_, back)) = copy {
        out.extend_from_slice(&back.to_le_bytes());
        put_extra(out, len);
    }
}

fn put_extra(out: &mut Vec<u8>, len: usize) {
    if let Some(mut left) = len.checked_sub(15) {
        while left >= 255 {
            out.push(255);
            left -= 255;
        }
        out.push(left as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::compress;
    use proptest::prelude::*;

    fn unpacked(input: &[u8]) -> Vec<u8> {
        lz4_flex::block::decompress(&compress(input, 0), input.len()).unwrap()
    }

    proptest! {
        #[test]
        fn another_decoder_reads_it(
            parts in prop::collection::vec((prop::collection::vec(97u8..101, 1..40), 1usize..60), 0..60)
        ) {
            let input: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            prop_assert_eq!(unpacked(&input), input);
        }

        #[test]
        fn noise_too(input in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unpacked(&input), input);
        }
    }

    #[test]
    fn with_a_dictionary() {
        for from in [1, 5, 100, 1_000] {
            let input: Vec<u8> = (0..from as u32 + 900).map(|at| (at * at / 7 % 13) as u8).collect();
            let (before, after) = input.split_at(from);
            let block = compress(&input, from);
            let unpacked = lz4_flex::block::decompress_with_dict(&block, after.len(), before).unwrap();
            assert_eq!(unpacked, after);
            assert!(from < 100 || block.len() < compress(after, 0).len());
        }
    }

    #[test]
    fn edges_of_lengths_and_distances() {
        // Literal runs and matches around 15 and 15 + 255, and a repetition just within and just out of reach.
        for len in (0..40).chain(260..300).chain(520..560) {
            let mut input: Vec<u8> =
                (0..len).map(|at: u32| (at * at % 251) as u8 ^ (at >> 3) as u8).collect();
            assert_eq!(unpacked(&input), input);
            input.extend_from_slice(&vec![b'x'; len as usize]);
            assert_eq!(unpacked(&input), input);
        }
        for gap in 65_520..65_540 {
            let mut input = b"a repetition".to_vec();
            input.resize(gap, 0);
            input.extend_from_slice(b"a repetition and an end");
            assert_eq!(unpacked(&input), input);
        }
    }

    #[test]
    fn smaller_than_the_fast_one() {
        let text = include_str!("../../README.md").as_bytes();
        let (ours, fast) = (compress(text, 0).len(), lz4_flex::block::compress(text).len());
        assert!(ours * 100 < fast * 95, "{ours} bytes, where the fast compressor needs {fast}");
    }
}
