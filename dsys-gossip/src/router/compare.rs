//! Catching up by cells: the other answer to a question, where names would be many and the difference is small.
//!
//! The giver keeps a sketch of its log, under a key of its own, and answers with as many of its first cells as
//! [`choose`] says. The one who lacks sums up its own log under that key, which takes the time of hashing all its names:
//! so it invites cells from a neighbour at most once in [`Config::compare_every`], and once more if they were too few.
//! Where the difference is too large for cells, names are the answer as before: they take a tenth of what the messages
//! that are lacking take, and ranges would have both sides sort their logs.

use dsys_core::{Context, NodeId, Time};

use super::catch_up::{CatchUp, State, Told};
use super::{Body, Compare, Config, Router};
use crate::MessageId;
use crate::envelope::Timestamp;
use crate::reconcile::{Cell, Key, Peeler, Sketch, Way, choose};
use crate::store::MemoryStore;

/// Cells that came: up to which place of whose log, and under which key.
pub(super) struct Cells {
    pub(super) upto: (u64, u64),
    pub(super) key: (u64, u64),
    pub(super) cells: Vec<Cell>,
}

/// How many cells to answer with; `None`: names are shorter, of which there are so many behind the asker's place.
fn enough(compare: Option<Compare>, held: usize, behind: u64, config: &Config) -> Option<usize> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let theirs = compare?;
    match choose(size(theirs.held), held, theirs.expected.map(size)) {
        Way::Cells(count) if count <= config.max_cells && size(behind).saturating_mul(16) > count * 26 => {
            Some(count)
        }
        _ => None,
    }
}

impl CatchUp {
    /// What a question says of our log, if cells may be the answer.
    pub(super) fn invite(&mut self, peer: NodeId, config: &Config, now: Time) -> Option<Compare> {
        let exchange = self.exchanges.get_mut(&peer)?;
        let expected = exchange.expected.take();
        let due = exchange.compared.is_none_or(|then| now - then >= config.compare_every);
        let may = config.max_cells > 0 && self.held <= config.max_compared && (due || expected.is_some());
        exchange.invited = may.then_some(Compare { held: self.held as u64, expected });
        if may {
            exchange.compared = Some(now);
        }
        exchange.invited
    }

    /// The giver's part. `None` if names are shorter.
    pub(super) fn sum_up(
        &mut self,
        peer: NodeId,
        (compare, behind): (Option<Compare>, u64),
        (store, config): (&mut MemoryStore, &Config),
        cx: &mut Context<'_, Router>,
    ) -> Option<Body> {
        let count = enough(compare, store.count(self.topic), behind, config)?;
        let (_, end) = store.range(self.topic);
        let sketch =
            store.sketch(self.topic, config.max_cells, || Key(cx.rng().next_u64(), cx.rng().next_u64()))?;
        let Key(one, other) = sketch.key();
        let cells = sketch.cells().get(..count)?.to_vec();
        self.stats.cells_sent += count as u64;
        self.exchanges.get_mut(&peer)?.told = Told::All;
        Some(Body::Cells { upto: (self.log, end), key: (one, other), cells })
    }

    /// An answer to our question. `false` if it breaks a bound.
    pub(super) fn cells(
        &mut self,
        peer: NodeId,
        Cells { upto, key, cells }: Cells,
        (store, config, now): (&MemoryStore, &Config, Timestamp),
        seen: impl Fn(MessageId) -> bool,
        cx: &mut Context<'_, Router>,
    ) -> bool {
        if cells.len() > config.max_cells {
            return false;
        }
        let topic = self.topic;
        let asked = |state, invited: Option<Compare>| state == State::Asked && invited.is_some();
        let exchange = self.exchanges.get_mut(&peer).filter(|one| asked(one.state, one.invited));
        let Some(exchange) = exchange else {
            self.stats.uninvited += 1;
            return true;
        };
        let invited = exchange.invited.take();
        let mut ours = Sketch::new(Key(key.0, key.1), cells.len());
        store.from(topic, 0).take(config.max_compared).for_each(|(_, kept)| ours.insert(kept.id));
        self.stats.compared += 1;
        let Some(difference) = Peeler::compare(&ours, &cells) else {
            // Too few for the difference, or no sum of names. Once more with more of them, then by names.
            self.stats.undecided += 1;
            exchange.state = State::Idle;
            let first = invited.is_some_and(|compare| compare.expected.is_none());
            exchange.expected = first.then_some(3 * cells.len() as u64);
            self.ask(peer, config, cx);
            return true;
        };
        exchange.state = State::Fetching;
        (exchange.upto, exchange.tries, exchange.more) = (upto, 0, false);
        exchange.offered = difference.theirs.into_iter().filter(|id| !seen(*id)).collect();
        let lives = |id: &MessageId| store.get(topic, *id).is_some_and(|kept| kept.end > now);
        if difference.ours.iter().any(lives) {
            self.send(peer, Body::News, cx);
        }
        self.want(peer, config, &seen, cx);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_sent_where_they_are_shorter_than_names_and_not_too_many() {
        let config = Config { max_cells: 1_000, ..Config::default() };
        let compare = |held, expected| Some(Compare { held, expected });
        // 100 differences are expected where nothing is known: 190 cells.
        assert_eq!(enough(compare(5_000, None), 5_000, 5_000, &config), Some(190));
        assert_eq!(enough(compare(4_900, Some(200)), 5_000, 5_000, &config), Some(340));
        // Not asked for; few names behind the place; few names at all; a difference that sizes show.
        assert_eq!(enough(None, 5_000, 5_000, &config), None);
        assert_eq!(enough(compare(5_000, None), 5_000, 300, &config), None);
        assert_eq!(enough(compare(200, None), 200, 200, &config), None);
        assert_eq!(enough(compare(0, None), 5_000, 5_000, &config), None);
        // More than we keep; what a liar may say.
        assert_eq!(enough(compare(5_000, Some(641)), 5_000, 5_000, &config), None);
        assert_eq!(enough(compare(u64::MAX, Some(u64::MAX)), 5_000, u64::MAX, &config), None);
    }
}
