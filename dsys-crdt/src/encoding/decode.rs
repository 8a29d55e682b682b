//! Reading. Nothing here believes a number: lengths are compared with what is there before anything is made for them.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes::{Reader, unzigzag};
use super::resolved::Resolved;
use super::{DecodeError, MAGIC, Packed, RESOLVED, apply, dictionary};
use crate::agent::Agent;
use crate::history::{Content, Head, History, Kind, Limits, MAX_EVENTS, Ops};
use crate::rope::byte_of_char;
use crate::walk::{Characters, Sequence};

/// Events as a file holds them. Numbers are the file's; agents are numbered in the order of `names`.
#[derive(Clone, Debug)]
pub(super) struct Changes<C = String> {
    pub(super) names: Vec<Agent>,
    pub(super) agents: Vec<AgentRun>,
    /// In the order of the events; between two, each event follows the one before it.
    pub(super) graph: Vec<GraphRun>,
    /// The parents of all runs, one run after the other.
    pub(super) parents: Vec<Parent>,
    pub(super) ops: Ops<C>,
    pub(super) events: u32,
}

impl<C: Content> Changes<C> {
    /// Events that do nothing yet.
    pub(super) fn of_events(names: Vec<Agent>, agents: &[u8], graph: &[u8]) -> Result<Self, DecodeError> {
        let (agents, events) = read_agents(agents, names.len())?;
        let (graph, parents) = read_graph(graph, names.len(), events)?;
        Ok(Changes { names, agents, graph, parents, ops: Ops::default(), events })
    }
}

impl<C> Changes<C> {
    /// The parents of an event that lies in a run of the graph.
    pub(super) fn parents_of(&self, run: usize, event: u32) -> impl Iterator<Item = Parent> + '_ {
        let first = self.graph.get(run).is_some_and(|run| run.start == event);
        let from = run.checked_sub(1).and_then(|run| self.graph.get(run)).map_or(0, |run| run.parents_end);
        let to = self.graph.get(run).map_or(0, |run| run.parents_end);
        let (stored, implied) = if first {
            (self.parents.get(from as usize..to as usize), None)
        } else {
            (None, event.checked_sub(1).map(Parent::Here))
        };
        stored.unwrap_or_default().iter().copied().chain(implied)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct AgentRun {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) agent: usize,
    pub(super) seq: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GraphRun {
    pub(super) start: u32,
    /// Where in `parents` the run's end; they begin where the ones of the run before end.
    pub(super) parents_end: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Parent {
    Here(u32),
    Elsewhere { agent: usize, seq: u32 },
}

/// The sections of a file, packed.
pub(super) struct File<'a> {
    pub(super) state: &'a [u8],
    pub(super) names: &'a [u8],
    pub(super) text: &'a [u8],
    content: &'a [u8],
    agents: &'a [u8],
    graph: &'a [u8],
    pub(super) ops: &'a [u8],
    later: &'a [u8],
    /// Whether the operations name characters.
    pub(super) is_resolved: bool,
}

/// Reads changes that are no saved text.
pub(super) fn plain_changes<C: Packed>(bytes: &[u8]) -> Result<Changes<C>, DecodeError> {
    File::read(bytes, &C::MAGIC)?.changes()
}

/// Reads changes, from a saved text too. They are no resolved ones.
pub(super) fn changes(file: &File<'_>, limits: Limits) -> Result<Changes, DecodeError> {
    if file.state.is_empty() {
        return file.changes();
    }
    let mut changes = file.columns()?;
    let mut history = History { limits, ..History::default() };
    apply::append(&mut history, &mut changes)?;
    file.fill(&mut history)?;
    changes.ops = history.ops;
    Ok(changes)
}

/// Whether a saved text has no history but for what came later. A history without events is whole.
pub(super) fn is_trimmed(bytes: &[u8]) -> bool {
    File::read(bytes, MAGIC).is_ok_and(|file| file.agents.is_empty())
}

/// Reads a saved text as far as it takes to go on: what is after the history, the text, and the changes since.
pub(super) fn resume(bytes: &[u8]) -> Result<(History, String, &[u8]), DecodeError> {
    let file = File::read(bytes, MAGIC)?;
    let names = read_names(file.names)?;
    let text = file.text()?;
    let history = read_state(file.state, names)?;
    if text.chars().count() > history.len() as usize {
        return Err(LENGTH);
    }
    Ok((history, text, file.later))
}

/// Reads the past that a history was resumed after.
pub(super) fn past(bytes: &[u8], resumed: &History) -> Result<History, DecodeError> {
    const STATE: DecodeError = DecodeError::Malformed("the state is not that of the history");
    let file = File::read(bytes, MAGIC)?;
    let mut history = History { limits: resumed.limits, ..History::default() };
    // Agents keep the numbers that they have.
    (0..resumed.agents.count() as u32).for_each(|agent| {
        history.agents.number(resumed.agents.name(agent));
    });
    if file.is_resolved {
        Resolved::read(&file)?.fill(&mut history)?;
    } else {
        apply::append(&mut history, &mut file.columns()?)?;
        file.fill(&mut history)?;
    }
    let known = resumed.graph.past();
    let same = |agent: u32| {
        resumed.agents.name(agent) == history.agents.name(agent)
            && resumed.agents.past(agent) == history.agents.events(agent)
    };
    let heads = history.graph.heads().iter();
    if history.len() != known.len
        || history.graph.heads() != known.heads
        || !(0..history.agents.count() as u32).all(same)
        || !heads.copied().all(|head| resumed.agents.id(head) == history.agents.id(head))
    {
        return Err(STATE);
    }
    Ok(history)
}

/// Reads the text alone; none if there are changes to be applied to it.
pub(super) fn text(bytes: &[u8]) -> Result<Option<String>, DecodeError> {
    let file = File::read(bytes, MAGIC)?;
    if file.later.is_empty() { file.text().map(Some) } else { Ok(None) }
}

impl<'a> File<'a> {
    pub(super) fn read(bytes: &'a [u8], expected: &[u8; 8]) -> Result<File<'a>, DecodeError> {
        let is_resolved = expected == MAGIC && bytes.starts_with(RESOLVED);
        let mut reader = Reader(checked(bytes, if is_resolved { RESOLVED } else { expected })?);
        let mut next = || reader.bytes();
        let file = File {
            state: next()?,
            names: next()?,
            text: next()?,
            content: next()?,
            agents: next()?,
            graph: next()?,
            ops: next()?,
            later: next()?,
            is_resolved,
        };
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("bytes are left over"));
        }
        Ok(file)
    }

    fn text(&self) -> Result<String, DecodeError> {
        if self.state.is_empty() {
            return Err(DecodeError::Malformed("the text is missing: these are changes for a peer"));
        }
        self.unpacked_text()
    }

    pub(super) fn unpacked_text(&self) -> Result<String, DecodeError> {
        utf8(unpack(self.text, &[])?)
    }

    /// Gives the events of a saved history their content.
    fn fill(&self, history: &mut History) -> Result<(), DecodeError> {
        let text = self.text()?;
        fill(history, &Sequence::of(history)?, &text, &self.deleted(&text)?)
    }

    fn changes<C: Packed>(&self) -> Result<Changes<C>, DecodeError> {
        let mut changes = self.columns()?;
        changes.ops.fill(C::read(unpack(self.content, &[])?)?).ok_or(LENGTH)?;
        Ok(changes)
    }

    /// Everything but the content.
    fn columns<C: Content>(&self) -> Result<Changes<C>, DecodeError> {
        if self.agents.is_empty() {
            return Err(DecodeError::Trimmed);
        }
        let changes = self.events()?;
        let ops = read_ops(&unpack(self.ops, &[])?, changes.events)?;
        Ok(Changes { ops, ..changes })
    }

    /// Who made which events, and what they knew; not yet what those do.
    pub(super) fn events<C: Content>(&self) -> Result<Changes<C>, DecodeError> {
        let (agents, graph) = (unpack(self.agents, &[])?, unpack(self.graph, &[])?);
        Changes::of_events(read_names(self.names)?, &agents, &graph)
    }

    /// The deleted characters of a file that has the text, in the order of the events that inserted them.
    pub(super) fn deleted(&self, text: &str) -> Result<String, DecodeError> {
        utf8(unpack(self.content, dictionary(text.as_bytes()))?)
    }
}

/// Gives the events of a history their content: all of its characters in order say where in the text each is.
pub(super) fn fill(
    history: &mut History,
    all: &Sequence,
    text: &str,
    deleted: &str,
) -> Result<(), DecodeError> {
    let mut all = all.characters();
    let mut parts = Vec::with_capacity(all.len());
    parts.extend(cut(text, all.iter().filter(|each| !each.deleted))?);
    all.retain(|each| each.deleted);
    all.sort_unstable_by_key(|each| each.event);
    parts.extend(cut(deleted, all.iter())?);
    parts.sort_unstable_by_key(|part| part.0);
    history.ops.fill(parts.into_iter().map(|part| part.1).collect()).ok_or(LENGTH)
}

/// Cuts a text into the parts that characters in a row inserted, each with the event that inserted the first.
fn cut<'t, 'c>(
    text: &'t str,
    all: impl Iterator<Item = &'c Characters>,
) -> Result<Vec<(u32, &'t str)>, DecodeError> {
    let (mut rest, ascii) = (text, text.is_ascii());
    let mut parts = Vec::new();
    for each in all {
        let bytes = if ascii { each.len as usize } else { byte_of_char(rest, each.len) };
        let (part, later) = rest.split_at_checked(bytes).ok_or(LENGTH)?;
        parts.push((each.event, part));
        rest = later;
    }
    if rest.is_empty() { Ok(parts) } else { Err(LENGTH) }
}

pub(super) const LENGTH: DecodeError =
    DecodeError::Malformed("there is more text, or less, than was inserted");

/// Reads what is after a history.
fn read_state(section: &[u8], names: Vec<Agent>) -> Result<History, DecodeError> {
    const STATE: DecodeError = DecodeError::Malformed("the state contradicts itself");
    let mut reader = Reader(section);
    let len = reader.small()?;
    let mut left = len;
    let mut agents = Vec::new();
    for name in names {
        let events = reader.small()?;
        left = left.checked_sub(events).filter(|_| events > 0).ok_or(STATE)?;
        agents.push((name, events));
    }
    let mut back = Vec::new();
    while !reader.is_empty() {
        back.push((reader.small()?, reader.small()?, reader.small()?));
    }
    // An agent has several heads only if it did not know what it did itself; its later events have later numbers even so.
    let (mut later, mut after, mut heads) = (len, BTreeMap::new(), Vec::new());
    for (distance, agent, behind) in back.into_iter().rev() {
        let lv = later.checked_sub(distance).filter(|_| distance > 0).ok_or(STATE)?;
        let &(_, events) = agents.get(agent as usize).ok_or(STATE)?;
        let seq = events.checked_sub(behind).and_then(|events| events.checked_sub(1)).ok_or(STATE)?;
        if after.insert(agent, seq).is_some_and(|after| after <= seq) {
            return Err(STATE);
        }
        heads.push(Head { lv, agent, seq });
        later = lv;
    }
    heads.reverse();
    let last = heads.last().map_or(0, |head| head.lv + 1);
    let distinct = agents.iter().map(|agent| &agent.0).collect::<BTreeSet<_>>().len() == agents.len();
    if left > 0 || last != len || !distinct {
        return Err(STATE);
    }
    Ok(History::resume(agents, &heads, len))
}

fn read_names(section: &[u8]) -> Result<Vec<Agent>, DecodeError> {
    let mut reader = Reader(section);
    let mut names = Vec::new();
    while !reader.is_empty() {
        let name = Agent::new(reader.bytes()?);
        names.push(name.map_err(|_| DecodeError::Malformed("an agent's name is empty or too long"))?);
    }
    Ok(names)
}

fn read_agents(section: &[u8], names: usize) -> Result<(Vec<AgentRun>, u32), DecodeError> {
    let mut reader = Reader(section);
    let (mut runs, mut start) = (Vec::new(), 0u32);
    let mut next = vec![0; names];
    while !reader.is_empty() {
        let (head, len) = (reader.small()?, reader.small()?);
        let agent = (head / 2) as usize;
        let seq = if head % 2 == 1 { reader.small()? } else { next.get(agent).copied().unwrap_or(0) };
        if agent >= names || len == 0 || seq + len > MAX_EVENTS {
            return Err(DecodeError::Malformed(
                "an agent that is not named, or a run without or with too many events",
            ));
        }
        if let Some(next) = next.get_mut(agent) {
            *next = seq + len;
        }
        runs.push(AgentRun { start, len, agent, seq });
        start = start.checked_add(len).filter(|&end| end <= MAX_EVENTS).ok_or(DecodeError::Full)?;
    }
    Ok((runs, start))
}

fn read_graph(
    section: &[u8],
    names: usize,
    events: u32,
) -> Result<(Vec<GraphRun>, Vec<Parent>), DecodeError> {
    let mut reader = Reader(section);
    let (mut runs, mut parents, mut start) = (Vec::new(), Vec::new(), 0u32);
    while !reader.is_empty() {
        let distance = reader.small()?;
        start = start.checked_add(distance).filter(|&start| start < events).unwrap_or(events);
        if start == events || (distance == 0) != runs.is_empty() {
            return Err(DecodeError::Malformed(
                "a run of the graph begins outside the events, or where another does",
            ));
        }
        loop {
            let parent = reader.number()?;
            match parent >> 1 {
                0 => break,
                1 => {
                    let (agent, seq) = (reader.small()? as usize, reader.small()?);
                    if agent >= names {
                        return Err(DecodeError::Malformed("a parent by an agent that is not named"));
                    }
                    parents.push(Parent::Elsewhere { agent, seq });
                }
                back => {
                    let back = u32::try_from(back - 1).ok().and_then(|back| start.checked_sub(back));
                    parents.push(Parent::Here(
                        back.ok_or(DecodeError::Malformed("a parent before the first event"))?,
                    ));
                }
            }
            if parent & 1 == 0 {
                break;
            }
        }
        runs.push(GraphRun { start, parents_end: parents.len() as u32 });
    }
    if runs.is_empty() && events > 0 {
        return Err(DecodeError::Malformed("the first event has no place in the graph"));
    }
    Ok((runs, parents))
}

fn read_ops<C: Content>(section: &[u8], events: u32) -> Result<Ops<C>, DecodeError> {
    const RANGE: DecodeError = DecodeError::Malformed("an operation's position or length is out of range");
    let mut reader = Reader(section);
    let mut ops = Ops::default();
    let (mut done, mut expected) = (0u32, 0u32);
    while !reader.is_empty() {
        let head = reader.number()?;
        let kind = match head % 3 {
            0 => Kind::Insert,
            1 => Kind::Delete,
            _ => Kind::DeleteBack,
        };
        let len = if (head / 3) & 1 == 1 { reader.small()? } else { 1 };
        let at = i64::from(expected).checked_add(unzigzag(head / 6)).ok_or(RANGE)?;
        let at = u32::try_from(at).ok().filter(|&at| at <= MAX_EVENTS).ok_or(RANGE)?;
        done = done.checked_add(len).filter(|&done| done <= events && len > 0).ok_or(RANGE)?;
        ops.push_empty(kind, at, len);
        expected = match kind {
            Kind::Insert => at.checked_add(len).filter(|&end| end <= MAX_EVENTS).ok_or(RANGE)?,
            Kind::Delete => at,
            Kind::DeleteBack => at.checked_sub(len).ok_or(RANGE)?,
        };
    }
    if done != events {
        return Err(DecodeError::Malformed("operations and events differ in number"));
    }
    Ok(ops)
}

/// What stands between the magic, whose last byte is the version, and a checksum that fits.
pub(super) fn checked<'a>(bytes: &'a [u8], expected: &[u8; 8]) -> Result<&'a [u8], DecodeError> {
    let (magic, _) = bytes.split_first_chunk::<8>().ok_or(DecodeError::Truncated)?;
    match (magic, expected) {
        ([name @ .., version], [ours @ .., known]) if name == ours && version != known => {
            return Err(DecodeError::Version(*version));
        }
        _ if magic != expected => return Err(DecodeError::NotText),
        _ => {}
    }
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Truncated)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(DecodeError::Checksum);
    }
    body.get(expected.len()..).ok_or(DecodeError::Truncated)
}

pub(super) fn unpack(section: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader(section);
    let length = reader.small()? as usize;
    let packed = reader.0;
    // An LZ4 block grows by 255 times at most.
    if length > packed.len().saturating_mul(255).saturating_add(64) {
        return Err(DecodeError::Malformed(
            "a section that claims to be longer than its packed form can give",
        ));
    }
    if packed.len() == length {
        return Ok(packed.to_vec());
    }
    let bytes = if dictionary.is_empty() {
        lz4_flex::block::decompress(packed, length)
    } else {
        lz4_flex::block::decompress_with_dict(packed, length, dictionary)
    };
    bytes
        .ok()
        .filter(|bytes| bytes.len() == length)
        .ok_or(DecodeError::Malformed("a packed section does not unpack"))
}

pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|_| DecodeError::Malformed("a text is not UTF-8"))
}
