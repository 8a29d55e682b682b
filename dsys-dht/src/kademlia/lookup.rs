//! The iterative lookup (§2.3), on one path or several disjoint ones (S/Kademlia §4.4).

use dsys_core::{NodeAddr, NodeId, Time};

use crate::{Distance, Key, QueryReport};

/// Paths are bits of a byte.
pub(super) const MAX_PATHS: u8 = 8;

/// One lookup: the nodes heard of, in the order of their distance, and what became of each.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    me: NodeId,
    key: Key,
    /// So many nearest nodes are wanted.
    want: usize,
    alpha: usize,
    paths: u8,
    /// Whether all that are wanted are asked at once when the nearest has answered.
    hurries: bool,
    candidates: Vec<Candidate>,
    /// Questions on their way on each path, slow ones not counted.
    waiting: [usize; MAX_PATHS as usize],
    started: Time,
    report: QueryReport,
}

#[derive(Clone, Debug)]
struct Candidate {
    distance: Distance,
    addr: NodeAddr,
    /// Bit `i`: a node of path `i` named it.
    paths: u8,
    /// So many nodes led to it, itself included.
    hop: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// Asked by this path. Slow: another was asked since, and the lookup goes on as if it had failed.
    Asked {
        path: u8,
        slow: bool,
    },
    Answered,
    Failed,
}

/// Whom to ask next.
#[derive(Clone, Debug)]
pub(super) struct Next {
    pub(super) peer: NodeAddr,
    pub(super) path: u8,
    pub(super) hop: u32,
}

impl Lookup {
    /// `urgent`: somebody waits for it.
    pub(super) fn new(me: NodeId, key: Key, config: &super::Config, urgent: bool, now: Time) -> Self {
        Lookup {
            me,
            key,
            want: config.k,
            alpha: config.alpha,
            paths: config.paths,
            // Not on several paths: together they ask many at once anyway, and liars, whose nearest is nearest until a path
            // meets the honest, would have all their own asked.
            hurries: urgent && config.paths == 1,
            candidates: Vec::new(),
            waiting: [0; MAX_PATHS as usize],
            started: now,
            report: QueryReport::default(),
        }
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// The nodes to begin with, dealt to the paths in turn. Says whether any was new.
    pub(super) fn begin(&mut self, seeds: Vec<NodeAddr>) -> bool {
        let mut new = false;
        for (at, seed) in seeds.into_iter().enumerate() {
            new |= self.add(seed, 1 << (at % usize::from(self.paths)), 1);
        }
        new
    }

    /// Whether nobody has answered, and nobody is left who may.
    pub(super) fn is_lost(&self) -> bool {
        self.report.answers == 0 && self.is_done()
    }

    /// Whom to ask next: the nearest node that its path has not asked, while the path has fewer than `alpha` questions
    /// on their way. Without lock-step: each answer makes room for the next question. §2.3: once the nearest of all has
    /// answered, nobody nearer is known, and all those that are wanted are asked at once, if it hurries.
    pub(super) fn next(&mut self) -> Option<Next> {
        let lost = self.lost();
        for (path, waiting) in (0..self.paths).zip(&mut self.waiting) {
            let first = self.candidates.iter().find(|candidate| candidate.counts_on(path));
            let arrived = self.hurries && first.is_some_and(|first| first.state == State::Answered);
            // As many more as will not answer, if it goes on as it went.
            let spare = if arrived { (*waiting as f64 * lost) as usize } else { 0 };
            let most = if arrived { self.want.max(self.alpha) + spare } else { self.alpha };
            if *waiting >= most {
                continue;
            }
            let counting = self.candidates.iter_mut().filter(|c| c.counts_on(path));
            let mut nearest = counting.take(self.want + spare);
            // S/Kademlia §4.4: a node is asked by one path only.
            let Some(candidate) = nearest.find(|candidate| candidate.state == State::New) else { continue };
            candidate.state = State::Asked { path, slow: false };
            *waiting += 1;
            let next = Next { peer: candidate.addr.clone(), path, hop: candidate.hop };
            self.report.requests += 1;
            return Some(next);
        }
        None
    }

    /// Whether all that is to be known is known: on each path the nearest nodes have answered. With fewer than are
    /// wanted, slow ones are waited for; there is nobody else.
    pub(super) fn is_done(&self) -> bool {
        (0..self.paths).all(|path| {
            let (mut answered, mut others) = (0, 0);
            for candidate in self.candidates.iter().filter(|c| c.counts_on(path)).take(self.want) {
                match candidate.state {
                    State::Answered => answered += 1,
                    _ => others += 1,
                }
            }
            let slow = |c: &Candidate| c.is_on(path) && matches!(c.state, State::Asked { slow: true, .. });
            others == 0 && (answered == self.want || !self.candidates.iter().any(slow))
        })
    }

    /// A node answered. Returns how many of those it named were new; `None` if it was not being asked.
    pub(super) fn answered(&mut self, peer: NodeId, nodes: Vec<NodeAddr>) -> Option<u32> {
        let candidate = self.find(peer)?;
        let State::Asked { path, slow } = candidate.state else { return None };
        candidate.state = State::Answered;
        let hop = candidate.hop.saturating_add(1);
        self.waits_no_more(path, slow);
        self.report.answers += 1;
        Some(nodes.into_iter().map(|node| u32::from(self.add(node, 1 << path, hop))).sum())
    }

    /// A node takes longer than answers do. `false` if it was not being asked.
    pub(super) fn slow(&mut self, peer: NodeId) -> bool {
        let Some(candidate) = self.find(peer) else { return false };
        let State::Asked { path, slow: false } = candidate.state else { return false };
        candidate.state = State::Asked { path, slow: true };
        self.waits_no_more(path, false);
        self.report.hedges += 1;
        true
    }

    /// A node did not answer.
    pub(super) fn failed(&mut self, peer: NodeId) {
        let Some(candidate) = self.find(peer) else { return };
        let State::Asked { path, slow } = candidate.state else { return };
        candidate.state = State::Failed;
        self.waits_no_more(path, slow);
        self.report.failures += 1;
    }

    /// The nearest nodes that answered, the nearest first, over all paths; and what it cost.
    pub(super) fn finish(self, now: Time) -> (Vec<NodeAddr>, QueryReport) {
        let mut report = self.report;
        report.elapsed = now - self.started;
        let answered = self.candidates.into_iter().filter(|c| matches!(c.state, State::Answered));
        let nearest: Vec<Candidate> = answered.take(self.want).collect();
        report.hops = nearest.first().map_or(0, |candidate| candidate.hop);
        (nearest.into_iter().map(|candidate| candidate.addr).collect(), report)
    }

    /// Takes in a node. `true` if it was not heard of before.
    fn add(&mut self, addr: NodeAddr, path: u8, hop: u32) -> bool {
        if addr.id == self.me {
            return false;
        }
        let distance = Key::of_node(addr.id).xor(self.key);
        let at = match self.candidates.binary_search_by_key(&distance, |candidate| candidate.distance) {
            Ok(at) => {
                if let Some(candidate) = self.candidates.get_mut(at) {
                    candidate.paths |= path;
                }
                return false;
            }
            Err(at) => at,
        };
        // The farthest gives way. Those asked stay, or their answers would find nobody; they are bounded by the calls.
        let most = self.want.saturating_mul(2 + 2 * usize::from(self.paths));
        if self.candidates.len() >= most {
            if at >= self.candidates.len() {
                return false;
            }
            if self.candidates.last().is_some_and(|last| last.state == State::New) {
                self.candidates.pop();
            }
        }
        self.candidates.insert(at, Candidate { distance, addr, paths: path, hop, state: State::New });
        true
    }

    /// A question of this path has ended, or, if it was not slow yet, is so now.
    fn waits_no_more(&mut self, path: u8, slow: bool) {
        if let (false, Some(waiting)) = (slow, self.waiting.get_mut(usize::from(path))) {
            *waiting -= 1;
        }
    }

    /// The share of questions so far that were not answered in time.
    fn lost(&self) -> f64 {
        let lost = f64::from(self.report.hedges.max(self.report.failures));
        if lost > 0.0 { lost / (lost + f64::from(self.report.answers)) } else { 0.0 }
    }

    fn find(&mut self, peer: NodeId) -> Option<&mut Candidate> {
        let distance = Key::of_node(peer).xor(self.key);
        let at = self.candidates.binary_search_by_key(&distance, |candidate| candidate.distance).ok()?;
        self.candidates.get_mut(at)
    }
}

impl Candidate {
    fn is_on(&self, path: u8) -> bool {
        self.paths & (1 << path) != 0
    }

    /// Whether it may still be among the nearest that answer on this path.
    fn counts_on(&self, path: u8) -> bool {
        self.is_on(path) && !matches!(self.state, State::Failed | State::Asked { slow: true, .. })
    }
}
