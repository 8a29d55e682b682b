//! Taking events that were read into a history.

use super::DecodeError;
use super::decode::{AgentRun, Changes, Parent};
use crate::history::{Content, History};

/// Appends the events that are new. On an error some may have been appended: the caller truncates.
pub(super) fn append<C: Content>(
    history: &mut History<C>,
    changes: &mut Changes<C>,
) -> Result<(), DecodeError> {
    if !history.has_room(changes.events as usize, changes.ops.content_size()) {
        return Err(DecodeError::Full);
    }
    let numbers: Vec<u32> = changes.names.iter().map(|name| history.agents.number(name)).collect();
    // A history that begins here keeps the numbers of the file: an event that is there twice is found in the end.
    let whole = history.len() == 0;
    let mut graph_at = 0;
    let mut parents = Vec::new();
    for run in &changes.agents {
        let Some(&agent) = numbers.get(run.agent) else { continue };
        let known = history.agents.events(agent);
        if run.seq > known {
            return Err(DecodeError::Missing);
        }
        let end = run.start + run.len;
        let mut from = run.start + (known - run.seq).min(run.len);
        if from < end {
            history.agents.push(agent, history.len(), end - from);
        }
        while from < end {
            while changes.graph.get(graph_at + 1).is_some_and(|next| next.start <= from) {
                graph_at += 1;
            }
            let next = changes.graph.get(graph_at + 1).map_or(end, |next| next.start.min(end));
            parents.clear();
            for parent in changes.parents_of(graph_at, from) {
                parents.push(match parent {
                    Parent::Here(event) if whole => event,
                    _ => local(history, changes, &numbers, parent)?,
                });
            }
            parents.sort_unstable();
            parents.dedup();
            // Its own number may be in the table of agents already, but not in the graph.
            if parents.last().is_some_and(|&last| last >= history.len()) {
                return Err(DecodeError::Malformed("an event that follows itself"));
            }
            history.graph.push(&parents, next - from);
            if history.graph.heads().len() > history.limits.branches as usize {
                return Err(DecodeError::Limit("branches"));
            }
            if !whole {
                for op in changes.ops.slices(from, next) {
                    history.ops.push_run(op.kind, op.at, op.len, changes.ops.content(&op));
                }
            }
            from = next;
        }
    }
    if whole {
        if history.len() != changes.events {
            return Err(DecodeError::Malformed("an event that is there twice"));
        }
        history.ops = std::mem::take(&mut changes.ops);
    }
    Ok(())
}

/// The local number of a parent. One in the past that is not here has none ([`DecodeError::Past`]).
fn local<C: Content>(
    history: &History<C>,
    changes: &Changes<C>,
    numbers: &[u32],
    parent: Parent,
) -> Result<u32, DecodeError> {
    let (agent, seq) = match parent {
        Parent::Elsewhere { agent, seq } => (agent, seq),
        Parent::Here(event) => {
            let at = changes.agents.partition_point(|run| run.start <= event).checked_sub(1);
            let run: &AgentRun = at.and_then(|at| changes.agents.get(at)).ok_or(DecodeError::Missing)?;
            (run.agent, run.seq + (event - run.start))
        }
    };
    let &agent = numbers.get(agent).ok_or(DecodeError::Missing)?;
    let missing = if seq < history.agents.past(agent) { DecodeError::Past } else { DecodeError::Missing };
    history.agents.local(agent, seq).ok_or(missing)
}
