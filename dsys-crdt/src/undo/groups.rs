//! Groups of what one author did, to be taken back and brought back again.

use std::ops::Range;

use super::Undo;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Back,
    Forth,
}

/// The groups that can be taken back, and those that can be brought back, the last to be the first; so many at most.
#[derive(Clone, Debug)]
pub(crate) struct Groups<G> {
    done: Vec<G>,
    undone: Vec<G>,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Groups { done: Vec::new(), undone: Vec::new() }
    }
}

impl<G: Clone> Groups<G> {
    /// Something was done: what was taken back before cannot be brought back any more.
    pub(crate) fn end(&mut self, group: G) {
        self.undone.clear();
        push(&mut self.done, group);
    }

    /// Nothing can be brought back any more.
    pub(crate) fn forget_undone(&mut self) {
        self.undone.clear();
    }

    /// Forgets those that are not wanted.
    #[cfg(feature = "keys")]
    pub(crate) fn retain(&mut self, wanted: impl Fn(&G) -> bool) {
        self.done.retain(&wanted);
        self.undone.retain(&wanted);
    }

    /// How many can be taken back.
    pub(crate) fn len(&self) -> usize {
        self.done.len()
    }

    /// The next one on a way.
    pub(crate) fn next(&self, way: Way) -> Option<G> {
        if way == Way::Back { self.done.last().cloned() } else { self.undone.last().cloned() }
    }

    /// The next one was turned round, by what can be turned round again the other way.
    pub(crate) fn turned(&mut self, way: Way, by: G) {
        let (from, to) = match way {
            Way::Back => (&mut self.done, &mut self.undone),
            Way::Forth => (&mut self.undone, &mut self.done),
        };
        from.pop();
        push(to, by);
    }
}

fn push<G>(groups: &mut Vec<G>, group: G) {
    if groups.len() == Undo::GROUPS {
        groups.remove(0);
    }
    groups.push(group);
}

/// Groups of an agent's events, by their numbers among those.
#[derive(Clone, Debug)]
pub(crate) struct EventGroups {
    pub(crate) agent: u32,
    /// So many of its events are in groups.
    pub(crate) seen: u32,
    pub(crate) groups: Groups<Range<u32>>,
}

impl EventGroups {
    /// What comes behind the agent's first `seen` events.
    pub(crate) fn new(agent: u32, seen: u32) -> EventGroups {
        EventGroups { agent, seen, groups: Groups::default() }
    }

    /// The agent has another number now, and so many events, the first ones.
    #[cfg(feature = "keys")]
    pub(crate) fn revive(&mut self, agent: u32, now: u32) {
        (self.agent, self.seen) = (agent, self.seen.min(now));
        self.groups.retain(|group| group.end <= now);
    }

    /// Ends a group, where the agent has made so many events by now; gives whether there is something in it.
    pub(crate) fn end(&mut self, now: u32) -> bool {
        let some = now > self.seen;
        if some {
            self.groups.end(self.seen..now);
            self.seen = now;
        }
        some
    }

    /// The events to be turned round next, if it is still that agent who edits.
    pub(crate) fn next(&mut self, way: Way, editing: u32, now: u32) -> Option<Range<u32>> {
        self.end(now);
        self.groups.next(way).filter(|_| editing == self.agent)
    }

    /// They were turned round by all events since.
    pub(crate) fn turned(&mut self, way: Way, now: u32) {
        let by = std::mem::replace(&mut self.seen, now)..now;
        self.groups.turned(way, by);
    }
}
