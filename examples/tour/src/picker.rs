//! Which chunk is asked of whom: a rare one among some random ones that the peer has.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dsys_core::{NodeId, Rng};

/// So many random chunks are compared, and the one that the fewest peers have is asked for.
const DRAWS: usize = 4;
/// When nothing else is left to ask of a peer, it is asked for what another has not delivered in this time.
const SLOW: Duration = Duration::from_secs(3);

/// Who has which chunk, and which are under way.
#[derive(Debug)]
pub(crate) struct Picker {
    have: Vec<bool>,
    missing: usize,
    holders: Vec<u16>,
    under_way: HashMap<u32, (NodeId, Instant)>,
    peers: HashMap<NodeId, Peer>,
    rng: Rng,
}

#[derive(Debug)]
struct Peer {
    has: Vec<bool>,
    /// What may be asked of it; entries that have come meanwhile are dropped when they are drawn.
    open: Vec<u32>,
    /// How many chunks it has, and how many of them were asked of it and have not come.
    count: usize,
    asked: usize,
}

impl Picker {
    /// A copy of so many chunks, of which these runs are here.
    pub(crate) fn new(chunks: u32, here: &[(u32, u32)], rng: Rng) -> Self {
        let mut have = vec![false; chunks as usize];
        for index in runs(here, chunks) {
            if let Some(have) = have.get_mut(index as usize) {
                *have = true;
            }
        }
        let missing = have.iter().filter(|have| !**have).count();
        let holders = vec![0; have.len()];
        Picker { have, missing, holders, under_way: HashMap::new(), peers: HashMap::new(), rng }
    }

    /// How many chunks are not here.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// Whether somebody has something that is missing.
    pub(crate) fn hopeful(&self) -> bool {
        self.have.iter().zip(&self.holders).any(|(have, holders)| !have && *holders > 0)
    }

    /// The peer says that it has these. What lies beyond the folder, or was said before, counts for nothing.
    pub(crate) fn learn(&mut self, peer: NodeId, said: &[(u32, u32)]) {
        let chunks = self.have.len();
        let entry = self.peers.entry(peer).or_insert_with(|| Peer {
            has: vec![false; chunks],
            open: Vec::new(),
            count: 0,
            asked: 0,
        });
        for index in runs(said, chunks as u32) {
            let at = index as usize;
            match (entry.has.get_mut(at), self.have.get(at), self.holders.get_mut(at)) {
                (Some(has), Some(have), Some(holders)) if !*has => {
                    *has = true;
                    entry.count += 1;
                    *holders = holders.saturating_add(1);
                    if !have {
                        entry.open.push(index);
                    }
                }
                _ => {}
            }
        }
    }

    /// The peer is gone, or is not to be asked again.
    pub(crate) fn forget(&mut self, peer: &NodeId) {
        let Some(gone) = self.peers.remove(peer) else { return };
        for (holders, has) in self.holders.iter_mut().zip(gone.has) {
            *holders -= u16::from(has && *holders > 0);
        }
        let theirs: Vec<u32> =
            self.under_way.iter().filter(|(_, (who, _))| who == peer).map(|(index, _)| *index).collect();
        for index in theirs {
            self.release(*peer, index);
        }
    }

    /// A chunk to ask of `peer` now; it is under way until it is had or released.
    pub(crate) fn pick(&mut self, peer: NodeId, now: Instant) -> Option<u32> {
        let mut drawn: Vec<u32> = Vec::with_capacity(DRAWS);
        let entry = self.peers.get_mut(&peer)?;
        while drawn.len() < DRAWS && !entry.open.is_empty() {
            let index = entry.open.swap_remove(self.rng.index(entry.open.len()));
            let here = self.have.get(index as usize).is_none_or(|have| *have);
            if !here && !self.under_way.contains_key(&index) {
                drawn.push(index);
            }
        }
        let holders = |index: &u32| self.holders.get(*index as usize).copied().unwrap_or(u16::MAX);
        let rarest = drawn.iter().copied().min_by_key(holders);
        // Whoever has everything is kept for what only few have: the others can give the rest.
        let spare = entry.count == entry.has.len() && entry.asked > 0;
        let picked = match rarest {
            Some(index) if spare && holders(&index) > 1 => None,
            Some(index) => Some(index),
            None => self.slow(peer, now),
        };
        let entry = self.peers.get_mut(&peer)?;
        entry.open.extend(drawn.into_iter().filter(|index| Some(*index) != picked));
        let index = picked?;
        entry.asked += 1;
        if let Some((before, _)) = self.under_way.insert(index, (peer, now)) {
            self.done(before);
        }
        Some(index)
    }

    /// The chunk has come.
    pub(crate) fn had(&mut self, index: u32) {
        if let Some((who, _)) = self.under_way.remove(&index) {
            self.done(who);
        }
        if let Some(have) = self.have.get_mut(index as usize)
            && !*have
        {
            *have = true;
            self.missing -= 1;
        }
    }

    /// The chunk did not come from `peer`: whoever has it may be asked.
    pub(crate) fn release(&mut self, peer: NodeId, index: u32) {
        if self.under_way.get(&index).is_none_or(|(who, _)| *who != peer) {
            return;
        }
        self.under_way.remove(&index);
        self.done(peer);
        for entry in self.peers.values_mut() {
            if entry.has.get(index as usize).is_some_and(|has| *has) {
                entry.open.push(index);
            }
        }
    }

    /// The peer has said that it cannot give this chunk.
    pub(crate) fn refused(&mut self, peer: NodeId, index: u32) {
        if let Some(has) = self.peers.get_mut(&peer).and_then(|entry| entry.has.get_mut(index as usize))
            && std::mem::take(has)
            && let Some(holders) = self.holders.get_mut(index as usize)
        {
            *holders = holders.saturating_sub(1);
        }
        self.release(peer, index);
    }

    fn done(&mut self, peer: NodeId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.asked = entry.asked.saturating_sub(1);
        }
    }

    fn slow(&self, peer: NodeId, now: Instant) -> Option<u32> {
        let has = &self.peers.get(&peer)?.has;
        let late = |since: &Instant| now.saturating_duration_since(*since) >= SLOW;
        self.under_way
            .iter()
            .filter(|(index, (who, since))| {
                *who != peer && late(since) && has.get(**index as usize).is_some_and(|has| *has)
            })
            .min_by_key(|(_, (_, since))| *since)
            .map(|(index, _)| *index)
    }
}

/// The chunks of some runs, as far as they exist.
fn runs(said: &[(u32, u32)], chunks: u32) -> impl Iterator<Item = u32> + '_ {
    said.iter().flat_map(move |(first, count)| *first..first.saturating_add(*count).min(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_number(1);
    const B: NodeId = NodeId::from_number(2);

    fn picker(chunks: u32) -> Picker {
        Picker::new(chunks, &[], Rng::from_seed(7))
    }

    #[test]
    fn every_chunk_is_asked_for_once() {
        let (mut picker, now) = (picker(50), Instant::now());
        picker.learn(A, &[(0, 50)]);
        picker.learn(B, &[(10, 20)]);
        let mut asked = Vec::new();
        while let Some(index) = picker.pick(B, now).or_else(|| picker.pick(A, now)) {
            asked.push(index);
        }
        asked.sort_unstable();
        assert_eq!(asked, (0..50).collect::<Vec<_>>());
        asked.into_iter().for_each(|index| picker.had(index));
        assert_eq!(picker.missing(), 0);
    }

    #[test]
    fn what_a_peer_took_along_is_asked_of_another() {
        let (mut picker, now) = (picker(1), Instant::now());
        picker.learn(A, &[(0, 1)]);
        picker.learn(B, &[(0, 1)]);
        assert_eq!(picker.pick(A, now), Some(0));
        assert_eq!(picker.pick(B, now), None);
        picker.forget(&A);
        assert_eq!(picker.pick(B, now), Some(0));
        picker.refused(B, 0);
        assert_eq!(picker.pick(B, now), None);
        assert!(!picker.hopeful());
    }

    #[test]
    fn a_slow_chunk_is_asked_of_a_second_peer() {
        let (mut picker, now) = (picker(1), Instant::now());
        picker.learn(A, &[(0, 1)]);
        picker.learn(B, &[(0, 1)]);
        assert_eq!(picker.pick(A, now), Some(0));
        assert_eq!(picker.pick(B, now + SLOW / 2), None);
        assert_eq!(picker.pick(B, now + SLOW), Some(0));
        // The first one's failure does not take it from the second.
        picker.release(A, 0);
        assert_eq!(picker.pick(A, now + SLOW), None);
    }

    #[test]
    fn claims_beyond_the_folder_count_for_nothing() {
        let mut picker = picker(4);
        picker.learn(A, &[(2, u32::MAX), (u32::MAX, u32::MAX), (9, 3), (2, 2)]);
        let mut asked: Vec<_> = std::iter::from_fn(|| picker.pick(A, Instant::now())).collect();
        asked.sort_unstable();
        assert_eq!(asked, [2, 3]);
    }
}
