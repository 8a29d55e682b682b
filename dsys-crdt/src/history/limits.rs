//! What a history that others made may cost.

/// Bounds on histories, so that a few hostile bytes cannot cost hours or gigabytes. Changes that would exceed one are
/// refused whole ([`DecodeError::Limit`](crate::DecodeError::Limit)); raise it and apply them again.
///
/// The bounds are far from what people do: the busiest of the recorded histories that the crate is tested with shifts 1.3
/// runs for each edit, and has two branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Versions without a common successor at one time, that is, authors who have not heard of each other. 65,536.
    pub branches: u32,
    /// Events (characters inserted or deleted) between two versions on which all agree: a walk of them needs up to ten
    /// bytes for each. 2²⁶. To save a text takes a walk of everything.
    pub events_in_walk: u32,
    /// How many runs of characters a walk may take back, put forward or pass by, for each run of edits that it walks. Two
    /// long branches whose merges go back and forth between them would otherwise cost the square of their length. 64, and
    /// a million free.
    pub steps_per_edit: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { branches: 65_536, events_in_walk: 1 << 26, steps_per_edit: 64 }
    }
}
