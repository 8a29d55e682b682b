//! Reading. Nothing here believes a number: lengths are compared with what is there before anything is made for them.

use super::bytes::{Reader, unzigzag};
use super::{DecodeError, MAGIC};
use crate::agent::Agent;
use crate::history::{Kind, MAX_EVENTS, Ops};
use crate::rope::byte_of_char;

/// Events as a file holds them. Numbers are the file's; agents are numbered in the order of `names`.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) names: Vec<Agent>,
    pub(super) agents: Vec<AgentRun>,
    /// In the order of the events; between two, each event follows the one before it.
    pub(super) graph: Vec<GraphRun>,
    /// The parents of all runs, one run after the other.
    pub(super) parents: Vec<Parent>,
    pub(super) ops: Ops,
    pub(super) events: u32,
}

impl Changes {
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

/// Reads everything; the text is there if the bytes were saved as a document.
pub(super) fn decode(bytes: &[u8]) -> Result<(Changes, Option<String>), DecodeError> {
    let [names, agents, graph, ops, content, text] = sections(bytes)?;
    let names = read_names(names)?;
    let (agents, events) = read_agents(&unpack(agents, &[])?, names.len())?;
    let (graph, parents) = read_graph(&unpack(graph, &[])?, names.len(), events)?;
    let content = utf8(unpack(content, &[])?)?;
    let text = if text.is_empty() { None } else { Some(utf8(unpack(text, content.as_bytes())?)?) };
    let ops = read_ops(&unpack(ops, &[])?, &content, events)?;
    Ok((Changes { names, agents, graph, parents, ops, events }, text))
}

/// Reads the text alone.
pub(super) fn snapshot(bytes: &[u8]) -> Result<String, DecodeError> {
    match sections(bytes)? {
        [.., []] => Err(DecodeError::Malformed("the text is missing: these are changes for a peer")),
        [.., content, text] => utf8(unpack(text, &unpack(content, &[])?)?),
    }
}

fn sections(bytes: &[u8]) -> Result<[&[u8]; 6], DecodeError> {
    let (magic, _) = bytes.split_first_chunk::<8>().ok_or(DecodeError::Truncated)?;
    match (magic, MAGIC) {
        ([name @ .., version], [ours @ .., known]) if name == ours && version != known => {
            return Err(DecodeError::Version(*version));
        }
        _ if magic != MAGIC => return Err(DecodeError::NotText),
        _ => {}
    }
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Truncated)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(DecodeError::Checksum);
    }
    let mut reader = Reader(body.get(MAGIC.len()..).ok_or(DecodeError::Truncated)?);
    let mut sections = [&[][..]; 6];
    for section in &mut sections {
        *section = reader.bytes()?;
    }
    if !reader.is_empty() {
        return Err(DecodeError::Malformed("bytes are left over"));
    }
    Ok(sections)
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

fn read_ops(section: &[u8], content: &str, events: u32) -> Result<Ops, DecodeError> {
    const RANGE: DecodeError = DecodeError::Malformed("an operation's position or length is out of range");
    let mut reader = Reader(section);
    let mut ops = Ops::default();
    let (mut done, mut expected) = (0u32, 0u32);
    let mut rest = content;
    let ascii = content.is_ascii();
    ops.reserve(content.len());
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
        expected = match kind {
            Kind::Insert => {
                let bytes = if ascii { len as usize } else { byte_of_char(rest, len) };
                let (text, later) = rest.split_at_checked(bytes).ok_or(DecodeError::Truncated)?;
                if !ascii && text.chars().count() != len as usize {
                    return Err(DecodeError::Malformed("less text than is inserted"));
                }
                ops.push_run(kind, at, len, text);
                rest = later;
                at.checked_add(len).filter(|&end| end <= MAX_EVENTS).ok_or(RANGE)?
            }
            Kind::Delete => {
                ops.push_run(kind, at, len, "");
                at
            }
            Kind::DeleteBack => {
                ops.push_run(kind, at, len, "");
                at.checked_sub(len).ok_or(RANGE)?
            }
        };
    }
    if done != events || !rest.is_empty() {
        return Err(DecodeError::Malformed("operations, content and events differ in number"));
    }
    Ok(ops)
}

fn unpack(section: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, DecodeError> {
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

fn utf8(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|_| DecodeError::Malformed("a text is not UTF-8"))
}
