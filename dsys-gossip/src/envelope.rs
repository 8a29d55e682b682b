//! Envelopes: messages that their origin has signed.
//!
//! ```text
//! signature 64 | origin 32 | seq 8 | time 8 | expires 8 | length of the topic 1 | topic | payload
//! ```
//!
//! Numbers are big-endian; times are milliseconds since 1970; the payload takes what is left. The
//! [digest](Envelope::digest) is SHA-256 over a prefix, origin, length of the topic, topic, seq and payload; its first
//! half is the [`MessageId`]; the signature is over the digest, the time and the expiry. So two equal payloads are two
//! messages, and one pass over the payload gives its name and what was signed.

mod door;
mod topic_name;

use bytes::{BufMut, Bytes, BytesMut};
use dsys_core::{Domain, NodeId, Signature, Signer};
use sha2::{Digest as _, Sha256};

use crate::MessageId;

pub use crate::Timestamp;
pub use door::{Door, DoorConfig, DoorStats, Refusal};
pub use topic_name::{BadTopicName, TopicId, TopicName};

const SIGNED: Domain = Domain::from_static("dsys/gossip/envelope/1");
const NAMED: &[u8] = b"dsys/gossip/message/1\0";
/// What stands before the topic.
const HEAD: usize = 64 + 32 + 8 + 8 + 8 + 1;

/// A message that its origin has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who wrote it.
    pub origin: NodeId,
    /// To which topic.
    pub topic: TopicName,
    /// The origin's number for it. Later messages of the same origin in the same topic have larger ones.
    pub seq: u64,
    /// When it was written, by the origin's clock.
    pub time: Timestamp,
    /// From when on nobody passes it on.
    pub expires: Timestamp,
    /// What it says.
    pub payload: Bytes,
    /// The origin's.
    pub signature: Signature,
}

/// What an envelope's name and signature stand for; see [`Envelope::digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The name of the message: the first half.
    pub fn id(&self) -> MessageId {
        let mut id = [0; 16];
        id.copy_from_slice(self.0.split_at(16).0);
        MessageId(id)
    }
}

impl Envelope {
    /// How many bytes an envelope in this topic takes beside its payload.
    pub fn overhead(topic: &TopicName) -> usize {
        HEAD + topic.as_str().len()
    }

    /// Writes and signs one.
    pub fn sign(
        key: &dyn Signer,
        topic: TopicName,
        seq: u64,
        time: Timestamp,
        expires: Timestamp,
        payload: Bytes,
    ) -> Self {
        let signature = Signature::from_bytes([0; 64]);
        let mut envelope = Envelope { origin: key.public(), topic, seq, time, expires, payload, signature };
        envelope.signature = key.sign(SIGNED, &envelope.signed(&envelope.digest()));
        envelope
    }

    /// Hashes what makes this message this message: origin, topic, seq, payload.
    pub fn digest(&self) -> Digest {
        let topic = self.topic.as_str().as_bytes();
        let hash = Sha256::new()
            .chain_update(NAMED)
            .chain_update(self.origin.as_bytes())
            .chain_update([topic.len() as u8])
            .chain_update(topic)
            .chain_update(self.seq.to_be_bytes())
            .chain_update(&self.payload);
        Digest(hash.finalize().into())
    }

    /// Whether the origin has signed it. `digest` is the envelope's own.
    pub fn is_signed(&self, digest: &Digest) -> bool {
        self.origin.verify(SIGNED, &self.signed(digest), &self.signature).is_ok()
    }

    fn signed(&self, digest: &Digest) -> [u8; 48] {
        let mut bytes = [0; 48];
        let (hash, times) = bytes.split_at_mut(32);
        let (time, expires) = times.split_at_mut(8);
        hash.copy_from_slice(&digest.0);
        time.copy_from_slice(&self.time.as_millis().to_be_bytes());
        expires.copy_from_slice(&self.expires.as_millis().to_be_bytes());
        bytes
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Bytes {
        let topic = self.topic.as_str().as_bytes();
        let mut bytes = BytesMut::with_capacity(HEAD + topic.len() + self.payload.len());
        bytes.put_slice(self.signature.as_bytes());
        bytes.put_slice(self.origin.as_bytes());
        bytes.put_u64(self.seq);
        bytes.put_u64(self.time.as_millis());
        bytes.put_u64(self.expires.as_millis());
        bytes.put_u8(topic.len() as u8);
        bytes.put_slice(topic);
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// Reads one; checks neither signature nor times. The payload is a part of `bytes`, not a copy. `None` if these
    /// bytes are none.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let mut rest: &[u8] = bytes;
        let signature = Signature::from_bytes(take(&mut rest)?);
        let origin = NodeId::from_bytes(take(&mut rest)?);
        let seq = u64::from_be_bytes(take(&mut rest)?);
        let [time, expires] = [take(&mut rest)?, take(&mut rest)?].map(u64::from_be_bytes);
        let [length] = take(&mut rest)?;
        let (topic, payload) = rest.split_at_checked(usize::from(length))?;
        let topic = std::str::from_utf8(topic).ok()?.parse().ok()?;
        Some(Envelope {
            origin,
            topic,
            seq,
            time: Timestamp::from_millis(time),
            expires: Timestamp::from_millis(expires),
            payload: bytes.slice_ref(payload),
            signature,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}
