//! Marks of texts: how an operation names the characters that they are anchored to.

use dsys_core::NodeId;

use super::container::{Id, Kind};
use super::op::{Edge, Mark, Name};
use super::state::State;
use super::text_field::TextField;
use crate::change::graph::Graph;
use crate::change::{Log, Policy};
use crate::rich::field::Marking;
use crate::{Agent, Anchor, Expand, MarkLimits, Side};

impl State {
    /// What an operation of a change marks. None if it makes no sense: that depends on what its author had seen alone.
    pub(super) fn marking<P: Policy>(
        &mut self,
        log: &Log<P>,
        number: u32,
        agents: &[Agent],
        text: &Id,
        mark: Mark,
    ) -> Option<Marking> {
        let Mark { start, end, expand, key, value } = mark;
        let limits = MarkLimits::default();
        let too_long = key.len() > limits.key_bytes as usize
            || value.as_ref().is_some_and(|value| value.len() > limits.value_bytes as usize);
        if too_long {
            return None;
        }
        let expand = match expand {
            0 => Expand::After,
            1 => Expand::Neither,
            2 => Expand::Before,
            3 => Expand::Both,
            _ => return None,
        };
        let mut anchor = |edge| {
            let (name, at, side) = match edge {
                Edge::Start => return Some(Anchor::Start),
                Edge::End => return Some(Anchor::End),
                Edge::Behind(name, at) => (name, at, Side::Left),
                Edge::Before(name, at) => (name, at, Side::Right),
            };
            let change = self.change_of(log, number, agents, name)?;
            let field = self.text_mut(text)?;
            let event = field.event(log.graph(), change, at)?;
            let character = field.character(event);
            let broken = field.broken;
            self.broken |= broken;
            let (agent, seq) = character?;
            Some(Anchor::Beside { agent, seq, side })
        };
        Some(Marking { start: anchor(start)?, end: anchor(end)?, expand, key, value })
    }

    /// The change in which an operation of that name stands, among those that a change has seen, and itself.
    fn change_of<P: Policy>(&self, log: &Log<P>, number: u32, agents: &[Agent], name: Name) -> Option<u32> {
        let (agent, time) = match name {
            Name::Root => return None,
            Name::Here(_) => return Some(number),
            Name::Other(agent, time) => (agents.get(agent as usize)?, time),
        };
        let author = NodeId::from_bytes(agent.as_bytes().first_chunk().copied()?);
        let end = |change: &u32| self.ends.get(*change as usize).copied().unwrap_or(0);
        let mut found = log.graph().lines_by(&author).filter_map(|line| {
            let line = line.get(..line.partition_point(|change| *change < number))?;
            let counting = line.partition_point(|change| log.counts_at(*change));
            let line = line.get(..counting)?;
            let change = *line.get(line.partition_point(|change| end(change) <= time))?;
            let has = self.start(log.graph().parents(change)) <= time && log.graph().has_seen(number, change);
            has.then_some(change)
        });
        let first = found.next()?;
        // An author that has forked has several lines; then the name is that of one of them.
        let others = std::iter::once(first).chain(found);
        let mut named = others.filter(|change| self.branches.get(change).is_none_or(|known| known == agent));
        Some(named.next().unwrap_or(first))
    }

    /// How an operation of a new change names an anchor in a text.
    pub(super) fn edge(
        &self,
        graph: &Graph,
        field: &TextField,
        anchor: &Anchor,
        name: &mut dyn FnMut(&Agent, u64) -> Name,
    ) -> Option<Edge> {
        let Anchor::Beside { side, .. } = anchor else {
            return Some(if *anchor == Anchor::Start { Edge::Start } else { Edge::End });
        };
        let event = field.event_beside(anchor)?;
        let (name, at) = match field.owner(graph, event) {
            (None, at) => (Name::Here(0), at),
            (Some(change), at) => {
                let of_key = || Agent::new(graph.author(change).as_bytes()).ok();
                let agent = self.branches.get(&change).cloned().or_else(of_key)?;
                (name(&agent, self.start(graph.parents(change))), at)
            }
        };
        Some(if *side == Side::Left { Edge::Behind(name, at) } else { Edge::Before(name, at) })
    }

    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut TextField> {
        self.containers.values_mut().filter_map(|container| match &mut container.kind {
            Kind::Text(field) => Some(&mut **field),
            _ => None,
        })
    }

    pub(super) fn text_mut(&mut self, id: &Id) -> Option<&mut TextField> {
        match self.containers.get_mut(id).map(|it| &mut it.kind) {
            Some(Kind::Text(field)) => Some(field),
            _ => None,
        }
    }
}

/// As an operation says it.
pub(super) fn number(expand: Expand) -> u8 {
    match expand {
        Expand::After => 0,
        Expand::Neither => 1,
        Expand::Before => 2,
        Expand::Both => 3,
    }
}
