//! Who is there, and where.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::Agent;
use crate::edit::Side;
use crate::encoding::bytes::{Reader, put, put_bytes};
use crate::encoding::{self, DecodeError};
use crate::places::Anchor;

/// What an agent shows of itself: where its cursors are, and whatever an app adds. Nothing of it is kept in a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Present {
    /// In which text, where there are several: a name, or a pointer into a document.
    pub field: String,
    /// Cursors and selections.
    pub selections: Vec<Selection>,
    /// A name, a colour: the app's own.
    pub data: Vec<u8>,
}

/// A stretch of text that somebody has selected; a cursor, if it begins where it ends. To draw it, ask
/// [`Places::position`](crate::Places::position).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Where it was begun.
    pub from: Anchor,
    /// Where it is continued: the cursor.
    pub to: Anchor,
}

/// How long presence lasts, and how much of it there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceConfig {
    /// Who has not been heard of for so long is gone. 30 s.
    pub expire: Duration,
    /// After so long without a change we say again that we are there. 10 s.
    pub renew: Duration,
    /// Others that are shown at once. 256; who comes later is not shown until one goes.
    pub others: usize,
    /// Bytes of a message. 4,096.
    pub bytes: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        PresenceConfig {
            expire: Duration::from_secs(30),
            renew: Duration::from_secs(10),
            others: 256,
            bytes: 4_096,
        }
    }
}

/// Who is there right now, and where their cursors are. It forgets who has not been heard of for a while, and needs
/// neither order nor reliability of what carries its messages.
///
/// It has no clock and no network: times are given, as durations since any moment that stays the same, and messages are
/// bytes for everybody who has the document open. An agent here is one start of one program, for its messages are counted
/// from 1 ([`Agent`] asks for that anyway). A message speaks for one agent, and nothing in it proves that it comes from
/// there: who knows the sender asks [`Presence::author`] first.
///
/// ```
/// use std::time::Duration;
/// use dsys_crdt::{Agent, Anchor, Presence, PresenceConfig, Present, Selection};
///
/// let (anna, ben) = (Agent::new("anna")?, Agent::new("ben")?);
/// let mut ours = Presence::new(anna.clone(), PresenceConfig::default());
/// let mut theirs = Presence::new(ben, PresenceConfig::default());
/// let cursor = Selection { from: Anchor::End, to: Anchor::End };
/// let message = ours.set(Present { selections: vec![cursor], ..Present::default() }, Duration::ZERO)?;
/// theirs.receive(&message, Duration::ZERO)?;
/// assert_eq!(theirs.others().next().map(|other| other.0), Some(&anna));
/// let (_, gone) = theirs.tick(Duration::from_secs(31));
/// assert_eq!(gone, [anna]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Presence {
    config: PresenceConfig,
    agent: Agent,
    /// What we show, and when we said so last.
    ours: Option<(Present, Duration)>,
    /// The number of our last message.
    count: u64,
    others: BTreeMap<Agent, Other>,
    refused: u64,
}

#[derive(Clone, Debug)]
struct Other {
    count: u64,
    heard: Duration,
    /// None: it has left. That is remembered as long, so that a late message does not bring it back.
    present: Option<Present>,
}

const MAGIC: &[u8; 8] = b"dsysprs\x01";

impl Presence {
    /// Nobody is there yet; `agent` is us.
    pub fn new(agent: Agent, config: PresenceConfig) -> Presence {
        Presence { config, agent, ours: None, count: 0, others: BTreeMap::new(), refused: 0 }
    }

    /// Shows something else of us; gives the message that says so.
    ///
    /// # Errors
    /// [`DecodeError::Limit`] if the message were larger than others take. Nothing changed.
    pub fn set(&mut self, present: Present, now: Duration) -> Result<Vec<u8>, DecodeError> {
        let message = write(&self.agent, self.count + 1, Some(&present));
        if message.len() > self.config.bytes {
            return Err(DecodeError::Limit("bytes"));
        }
        self.count += 1;
        self.ours = Some((present, now));
        Ok(message)
    }

    /// We go: gives the message that says so.
    pub fn leave(&mut self) -> Vec<u8> {
        self.ours = None;
        self.count += 1;
        write(&self.agent, self.count, None)
    }

    /// For whom a message speaks.
    ///
    /// # Errors
    /// If it is none.
    pub fn author(message: &[u8]) -> Result<Agent, DecodeError> {
        read(message).map(|(agent, ..)| agent)
    }

    /// Takes in a message; says whether it changed what is shown. Late ones, repeated ones and our own change nothing.
    ///
    /// # Errors
    /// If the message makes no sense, or is too large. Nothing changed.
    pub fn receive(&mut self, message: &[u8], now: Duration) -> Result<bool, DecodeError> {
        if message.len() > self.config.bytes {
            return Err(DecodeError::Limit("bytes"));
        }
        let (agent, count, present) = read(message)?;
        let known = self.others.get(&agent);
        if agent == self.agent || known.is_some_and(|known| known.count >= count) {
            return Ok(false);
        }
        if known.is_none() && self.others.len() >= self.config.others {
            self.refused += 1;
            return Ok(false);
        }
        let other = Other { count, heard: now, present };
        let changed = known.and_then(|known| known.present.as_ref()) != other.present.as_ref();
        self.others.insert(agent, other);
        Ok(changed)
    }

    /// Time has passed: gives the message that is due, if one is, and who is not shown any more.
    pub fn tick(&mut self, now: Duration) -> (Option<Vec<u8>>, Vec<Agent>) {
        let mut gone = Vec::new();
        self.others.retain(|agent, other| {
            let here = now.saturating_sub(other.heard) < self.config.expire;
            if !here && other.present.is_some() {
                gone.push(agent.clone());
            }
            here
        });
        let due = self.ours.as_mut().filter(|(_, said)| now.saturating_sub(*said) >= self.config.renew);
        let message = due.map(|(present, said)| {
            *said = now;
            self.count += 1;
            write(&self.agent, self.count, Some(present))
        });
        (message, gone)
    }

    /// When [`Presence::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Duration> {
        let renew = self.ours.as_ref().map(|(_, said)| said.saturating_add(self.config.renew));
        let expire = self.others.values().map(|other| other.heard.saturating_add(self.config.expire));
        expire.chain(renew).min()
    }

    /// What we show of ourselves.
    pub fn ours(&self) -> Option<&Present> {
        self.ours.as_ref().map(|ours| &ours.0)
    }

    /// Who else is there.
    pub fn others(&self) -> impl Iterator<Item = (&Agent, &Present)> {
        self.others.iter().filter_map(|(agent, other)| Some((agent, other.present.as_ref()?)))
    }

    /// How many messages were not taken because too many others were there.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Magic and version; the agent's name; the number of the message; 0 if it leaves, or 1, the field, the data, how many
/// selections, and of each both anchors; CRC-32.
fn write(agent: &Agent, count: u64, present: Option<&Present>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, agent.as_bytes());
    put(&mut out, count);
    put(&mut out, u64::from(present.is_some()));
    if let Some(present) = present {
        put_bytes(&mut out, present.field.as_bytes());
        put_bytes(&mut out, &present.data);
        put(&mut out, present.selections.len() as u64);
        for anchor in present.selections.iter().flat_map(|each| [&each.from, &each.to]) {
            put_anchor(&mut out, anchor);
        }
    }
    encoding::sealed(out)
}

/// 0 for the start, 1 for the end; 2 behind a character, 3 in front of one, whose agent and number follow.
fn put_anchor(out: &mut Vec<u8>, anchor: &Anchor) {
    match anchor {
        Anchor::Start => put(out, 0),
        Anchor::End => put(out, 1),
        Anchor::Beside { agent, seq, side } => {
            put(out, if *side == Side::Left { 2 } else { 3 });
            put_bytes(out, agent.as_bytes());
            put(out, u64::from(*seq));
        }
    }
}

fn read(message: &[u8]) -> Result<(Agent, u64, Option<Present>), DecodeError> {
    let mut reader = Reader(encoding::checked(message, MAGIC)?);
    let (agent, count) = (read_agent(&mut reader)?, reader.number()?);
    let present = match reader.number()? {
        0 => None,
        1 => {
            let field = String::from_utf8(reader.bytes()?.to_vec());
            let field = field.map_err(|_| DecodeError::Malformed("a field is not UTF-8"))?;
            let data = reader.bytes()?.to_vec();
            let selections = (0..reader.small()?)
                .map(|_| Ok(Selection { from: read_anchor(&mut reader)?, to: read_anchor(&mut reader)? }));
            let selections = selections.collect::<Result<_, DecodeError>>()?;
            Some(Present { field, selections, data })
        }
        _ => return Err(DecodeError::Malformed("presence of a kind that is not known")),
    };
    if !reader.is_empty() {
        return Err(DecodeError::Malformed("bytes are left over"));
    }
    Ok((agent, count, present))
}

fn read_agent(reader: &mut Reader<'_>) -> Result<Agent, DecodeError> {
    let agent = Agent::new(reader.bytes()?);
    agent.map_err(|_| DecodeError::Malformed("an agent's name is empty or too long"))
}

fn read_anchor(reader: &mut Reader<'_>) -> Result<Anchor, DecodeError> {
    let side = match reader.number()? {
        0 => return Ok(Anchor::Start),
        1 => return Ok(Anchor::End),
        2 => Side::Left,
        3 => Side::Right,
        _ => return Err(DecodeError::Malformed("an anchor of a kind that is not known")),
    };
    Ok(Anchor::Beside { agent: read_agent(reader)?, seq: reader.small()?, side })
}
