//! A node's address as a text that a person can paste.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::zbase32::{self, Wrong};
use crate::{NodeAddr, NodeId};

/// A [`NodeAddr`] as one word: `dsys1` and z-base-32.
///
/// ```text
/// bytes: id (32) | count (1) | count * (4 or 6 (1) | address (4 or 16) | port (2, big-endian)) | check (4)
/// check: the first four bytes of SHA-256 over "dsys1" and all bytes before
/// ```
///
/// A ticket with one IPv4 address has 75 characters. Parsing refuses weak keys, and the check sum tells a mistyped
/// ticket from a sound one. An IPv6 address loses its scope and flow label, which mean nothing elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub NodeAddr);

const PREFIX: &str = "dsys1";
/// The longest ticket: 16 IPv6 addresses.
const MAX_BYTES: usize = 32 + 1 + NodeAddr::MAX_DIRECT * 19 + 4;

impl From<Ticket> for NodeAddr {
    fn from(ticket: Ticket) -> Self {
        ticket.0
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.id.as_bytes().to_vec();
        bytes.push(self.0.direct().len() as u8);
        for addr in self.0.direct() {
            match addr.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend(ip.octets());
                }
            }
            bytes.extend(addr.port().to_be_bytes());
        }
        f.write_str(&seal(bytes))
    }
}

/// Why a text is not a ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTicketError {
    /// It starts with something else.
    #[error("a ticket starts with \"dsys1\": is this the right text?")]
    Prefix,
    /// A character that z-base-32 does not know.
    #[error("'{0}' at position {1} does not occur in a ticket (z-base-32 has no 0, 2, l or v)")]
    Character(char, usize),
    /// Too short or too long.
    #[error("the ticket is not complete: was a part of it not copied?")]
    Length,
    /// All characters are possible, but not together.
    #[error("the ticket's check sum does not fit: was it mistyped?")]
    Check,
    /// The check sum fits, but the content does not: made by another program, or a later version.
    #[error("the ticket is damaged or of a later version")]
    Content,
    /// It names a key that no node can have, or a weak one.
    #[error("the ticket names a key that is not sound: do not trust whoever gave it to you")]
    Key,
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let text = text.trim();
        let (prefix, body) = text.split_at_checked(PREFIX.len()).ok_or(ParseTicketError::Prefix)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(ParseTicketError::Prefix);
        }
        if body.len() > MAX_BYTES * 8 / 5 + 1 {
            return Err(ParseTicketError::Length);
        }
        let bytes = zbase32::decode(body).map_err(|wrong| match wrong {
            Wrong::Character(character, at) => ParseTicketError::Character(character, at + 1 + PREFIX.len()),
            Wrong::Length => ParseTicketError::Length,
        })?;
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(ParseTicketError::Length)?;
        if content.len() < 33 {
            return Err(ParseTicketError::Length);
        }
        if check(content) != *sum {
            return Err(ParseTicketError::Check);
        }
        let addr = decode(content).ok_or(ParseTicketError::Content)?;
        if addr.id.is_sound() { Ok(Ticket(addr)) } else { Err(ParseTicketError::Key) }
    }
}

/// The text of a ticket with this content.
pub(crate) fn seal(mut content: Vec<u8>) -> String {
    content.extend(check(&content));
    PREFIX.to_owned() + &zbase32::encode(&content)
}

fn decode(mut bytes: &[u8]) -> Option<NodeAddr> {
    let mut addr = NodeAddr::new(NodeId::from_bytes(take(&mut bytes)?));
    let [count] = take(&mut bytes)?;
    for _ in 0..count {
        let ip = match take(&mut bytes)? {
            [4] => IpAddr::from(take::<4>(&mut bytes)?),
            [6] => IpAddr::from(take::<16>(&mut bytes)?),
            _ => return None,
        };
        let port = u16::from_be_bytes(take(&mut bytes)?);
        // A repetition would give one address two texts.
        if !addr.insert(SocketAddr::new(ip, port)) {
            return None;
        }
    }
    bytes.is_empty().then_some(addr)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn check(content: &[u8]) -> [u8; 4] {
    let sum: [u8; 32] = Sha256::new().chain_update(PREFIX).chain_update(content).finalize().into();
    let [a, b, c, d, ..] = sum;
    [a, b, c, d]
}
