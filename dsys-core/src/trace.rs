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
//! Fields come in this order, unknown fields are to be ignored, and numbers are decimal integers. `dsys_sim::Network`
//! writes it and hashes the same records in the same order; `dsys_transport::RunConfig` writes it on a live node.

use std::io::{self, Write};

use crate::{NodeId, Time};

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
    /// A probe of a peer has come to its end.
    Probed,
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
            Kind::Probed => "probed",
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
}
