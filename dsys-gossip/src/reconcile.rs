//! Which messages does one have that the other lacks? Two answers, and which of them when.
//!
//! | way | source | bytes | round trips | work |
//! |---|---|---|---|---|
//! | [`Sketch`], [`Peeler`] | Yang, Gilad, Alizadeh 2024: rateless invertible Bloom lookup tables | about 1.4 cells of some 26 bytes for each difference, whatever the size of the sets | 1, if the first answer is large enough | each name enters a few cells |
//! | [`Ranges`] | Meyer 2023: range-based set reconciliation | grows with differences times the logarithm of the size | as many as the logarithm | names must be in order |
//!
//! [`choose`] says which: cells win unless the sets differ in much of what they have, when it is best to send names outright.

mod cell;
mod peel;
mod ranges;
mod siphash;
mod sketch;

pub use cell::Cell;
pub use peel::{Difference, Peeler};
pub use ranges::{Answer, Fingerprint, Range, Ranges, RangesConfig};
pub use siphash::Key;
pub use sketch::Sketch;

/// How two sets are best compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// Send so many cells at first.
    Cells(usize),
    /// Compare ranges.
    Ranges,
    /// Send all names.
    Names,
}

/// Chooses by the sizes of the two sets and by how many differences are expected, if anything is known of that.
///
/// - As many differences as there are must show in the sizes. If all names take less than the cells for these, they are sent.
/// - Where nothing is expected beyond that, cells for as many as 100 differences go first: 5 KB.
/// - More than [`MOST_CELLS`] cells at once would be 100 KB and a guess; ranges find out.
pub fn choose(ours: usize, theirs: usize, expected: Option<usize>) -> Way {
    let differences = expected.unwrap_or(100).max(ours.abs_diff(theirs));
    // Yang et al. §5: 1.35 cells for each of many differences, more for few; and a margin.
    let cells = differences.saturating_add(differences / 2).saturating_add(40);
    if theirs.saturating_mul(16) <= cells.saturating_mul(26) {
        Way::Names
    } else if cells > MOST_CELLS {
        Way::Ranges
    } else {
        Way::Cells(cells)
    }
}

/// No more cells are sent at first.
pub const MOST_CELLS: usize = 4_096;
