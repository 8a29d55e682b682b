//! Writing resolved changes.

use super::super::bytes::{put, put_bytes};
use super::super::decode::Changes;
use super::super::{RESOLVED, encode};
use super::chains;
use crate::history::{BEGINNING, History, Kind, Limits, Named};
use crate::rope::Rope;
use crate::walk::{AGENTS, Sequence, allowed, check, named};

/// A whole history and its text, whose characters may be known in order already. None if there are many agents, one of them
/// wrote on several branches at once, or finding the positions may cost more than receivers allow.
pub(in super::super) fn write(history: &History, rope: &Rope, known: Option<&Sequence>) -> Option<Vec<u8>> {
    let writers = (0..history.agents.count() as u32).filter(|&agent| history.agents.events(agent) > 0);
    if writers.count() > AGENTS || history.len() > Limits::default().events_in_walk {
        return None;
    }
    let (names, agents, graph) = encode::events(history);
    let chains = chains(&Changes::of_events(names.agents(history), &agents, &graph).ok()?).ok()?;
    let walked;
    let all = match known {
        Some(all) => all,
        None => {
            walked = Sequence::of(history).ok()?;
            &walked
        }
    };
    let named = named(&history.ops, &chains, all);
    if check(&named, &chains)?.steps > allowed(named.runs.len(), Limits::default()) {
        return None;
    }
    let pack = |column: &[u8]| encode::packed(column, encode::QUICKLY(column, 0));
    let [text, deleted] = encode::texts(history, rope, all, encode::QUICKLY);
    let mut out = RESOLVED.to_vec();
    put_bytes(&mut out, &[]);
    put_bytes(&mut out, &names.section(history));
    for section in [text, deleted, pack(&agents), pack(&graph), pack(&ops(&named)), Vec::new()] {
        put_bytes(&mut out, &section);
    }
    Some(encode::sealed(out))
}

fn ops(named: &Named) -> Vec<u8> {
    let mut out = Vec::new();
    for run in &named.runs {
        let kind = match run.kind {
            Kind::Insert => 0,
            Kind::Delete => 1,
            Kind::DeleteBack => 2,
        };
        let distance = if run.character == BEGINNING { 0 } else { run.start - run.character };
        put(&mut out, u64::from(distance) << 3 | u64::from(run.len > 1) << 2 | kind);
        if run.len > 1 {
            put(&mut out, u64::from(run.len));
        }
    }
    out
}
