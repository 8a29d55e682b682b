//! What happened, in one format for simulated and for live nodes: JSON Lines, one object per line.
//!
//! | field | always | meaning |
//! |---|---|---|
//! | `t` | yes | nanoseconds: of virtual time, or since the live node started |
//! | `node` | yes | whose record it is: the name's 52 characters of z-base-32 |
//! | `kind` | yes | one of [`Kind`]'s names |
//! | `peer` | no | the other node, for what has one |
//! | `bytes` | no | the size of the message or record, for what has one |
//! | `detail` | no | free text, for people |
//!
//! ```json
//! {"t":52000000,"node":"yryr...","kind":"recv","peer":"8fa3...","bytes":41}
//! ```
//!
//! Fields come in this order, unknown fields are to be ignored, and numbers are decimal integers. The trace hash
//! ([`Network::trace_hash`](crate::Network::trace_hash)) is taken over the same records in the same order.

use std::io::{self, Write};

use dsys_core::{NodeId, Time};

use crate::math::mix;

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The machine was started.
    Start,
    /// The app gave a command.
    Command,
    /// The machine sent a message.
    Send,
    /// A message was handed to the machine.
    Receive,
    /// A message this node sent will not arrive.
    Lost,
    /// A timer ran out.
    Timer,
    /// A connection stands.
    Up,
    /// A connection is gone.
    Down,
    /// A write became durable.
    Stored,
    /// The machine told the app something.
    Emit,
    /// The node crashed.
    Crash,
    /// The node started again.
    Restart,
    /// The node left for good.
    Leave,
}

impl Kind {
    /// The name in the trace.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Command => "command",
            Kind::Send => "send",
            Kind::Receive => "recv",
            Kind::Lost => "lost",
            Kind::Timer => "timer",
            Kind::Up => "up",
            Kind::Down => "down",
            Kind::Stored => "stored",
            Kind::Emit => "emit",
            Kind::Crash => "crash",
            Kind::Restart => "restart",
            Kind::Leave => "leave",
        }
    }
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When.
    pub t: Time,
    /// Whose record it is.
    pub node: NodeId,
    /// What happened.
    pub kind: Kind,
    /// With whom.
    pub peer: Option<NodeId>,
    /// How large it was.
    pub bytes: Option<u64>,
    /// Anything else, for people.
    pub detail: Option<&'a str>,
}

impl Record<'_> {
    /// Writes the record as one line of JSON.
    ///
    /// # Errors
    /// Those of `out`; part of the line may then have been written.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, r#"{{"t":{},"node":"{}","kind":"{}""#, self.t.as_nanos(), self.node, self.kind.name())?;
        if let Some(peer) = self.peer {
            write!(out, r#","peer":"{peer}""#)?;
        }
        if let Some(bytes) = self.bytes {
            write!(out, r#","bytes":{bytes}"#)?;
        }
        if let Some(detail) = self.detail {
            out.write_all(br#","detail":""#)?;
            for c in detail.chars() {
                match c {
                    '"' | '\\' => write!(out, "\\{c}")?,
                    c if c < ' ' => write!(out, "\\u{:04x}", c as u32)?,
                    c => write!(out, "{c}")?,
                }
            }
            out.write_all(b"\"")?;
        }
        out.write_all(b"}\n")
    }
}

/// A 64-bit hash of everything that happened, in order. Finds differences between runs; no defence against malice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const START: Hash = Hash(0x243f_6a88_85a3_08d3);

    /// Two folded multiplications, as in wyhash.
    #[inline]
    pub(crate) fn add(&mut self, time: u64, kind: Kind, node: u32, peer: u32, weight: u64) {
        let who = u64::from(node) << 32 | u64::from(peer);
        let what = weight << 4 ^ kind as u64;
        let state = fold(self.0 ^ time, 0xa076_1d64_78bd_642f ^ who.rotate_left(17));
        self.0 = fold(state ^ what, 0xe703_7ed1_a0b4_28db) ^ who;
    }

    pub(crate) fn get(self) -> u64 {
        mix(self.0)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_of_json() {
        let node = NodeId::from_number(1);
        let mut out = Vec::new();
        let full = Record {
            t: Time::from_nanos(5),
            node,
            kind: Kind::Receive,
            peer: Some(NodeId::from_number(2)),
            bytes: Some(41),
            detail: Some("a \"b\"\n\\"),
        };
        full.write_json(&mut out).unwrap();
        let bare = Record { peer: None, bytes: None, detail: None, kind: Kind::Timer, ..full };
        bare.write_json(&mut out).unwrap();
        let (one, two) = (node.to_string(), NodeId::from_number(2).to_string());
        let expected = format!(
            "{{\"t\":5,\"node\":\"{one}\",\"kind\":\"recv\",\"peer\":\"{two}\",\"bytes\":41,\"detail\":\"a \\\"b\\\"\\u000a\\\\\"}}\n\
             {{\"t\":5,\"node\":\"{one}\",\"kind\":\"timer\"}}\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_hash_sees_every_field_and_the_order() {
        let hash = |items: &[(u64, Kind, u32, u32, u64)]| {
            let mut hash = Hash::START;
            items
                .iter()
                .for_each(|&(time, kind, node, peer, weight)| hash.add(time, kind, node, peer, weight));
            hash.get()
        };
        let base = (1, Kind::Send, 2, 3, 4);
        let mut seen: Vec<u64> = [
            base,
            (9, Kind::Send, 2, 3, 4),
            (1, Kind::Lost, 2, 3, 4),
            (1, Kind::Send, 9, 3, 4),
            (1, Kind::Send, 2, 9, 4),
            (1, Kind::Send, 2, 3, 9),
        ]
        .iter()
        .flat_map(|&other| [hash(&[base, other]), hash(&[other, base])])
        .collect();
        seen.sort_unstable();
        seen.dedup();
        // Twelve, but for the pair of twice `base`.
        assert_eq!(seen.len(), 11);
    }
}
