//! Envelopes: messages that their origin has signed.
//!
//! ```text
//! signature 64 | origin 32 | seq 8 | time 8 | expires 8 | kind 1 | length of the topic 1 | topic | payload
//! ```
//!
//! Numbers are big-endian; times are milliseconds since 1970; the payload takes what is left. The
//! [digest](Envelope::digest) is SHA-256 over a prefix, origin, length of the topic, topic, seq and payload; its first
//! half is the [`MessageId`]; the signature is over the digest, the time and the expiry. So two equal payloads are two
//! messages, and one pass over the payload gives its name and what was signed.
//!
//! A [certificate](Kind::Certificate) is an envelope too, of another kind and under another prefix: its payload is the name
//! of a message that its origin has deleted.

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
const NAMED_CERTIFICATE: &[u8] = b"dsys/gossip/certificate/1\0";
/// What stands before the topic.
const HEAD: usize = 64 + 32 + 8 + 8 + 8 + 1 + 1;

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A message of the app.
    Message,
    /// The certificate of the death of a message: its payload is that message's name. It means something only if both
    /// have the same origin.
    Certificate,
}

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
    /// A message, or the certificate of one's death.
    pub kind: Kind,
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
        let (origin, signature) = (key.public(), Signature::from_bytes([0; 64]));
        let kind = Kind::Message;
        Envelope { origin, topic, seq, time, expires, kind, payload, signature }.signed_by(key)
    }

    /// Writes and signs the certificate of a message's death. It should live as long as the message might, and be written
    /// no earlier than it, or whoever has forgotten the certificate may take the message in once more.
    pub fn certify(
        key: &dyn Signer,
        topic: TopicName,
        seq: u64,
        time: Timestamp,
        expires: Timestamp,
        deleted: MessageId,
    ) -> Self {
        let payload = Bytes::copy_from_slice(&deleted.0);
        let (origin, signature) = (key.public(), Signature::from_bytes([0; 64]));
        let kind = Kind::Certificate;
        Envelope { origin, topic, seq, time, expires, kind, payload, signature }.signed_by(key)
    }

    fn signed_by(mut self, key: &dyn Signer) -> Self {
        self.signature = key.sign(SIGNED, &self.signed(&self.digest()));
        self
    }

    /// The message of whose death this is the certificate. Of this origin, or it means nothing.
    pub fn deletes(&self) -> Option<MessageId> {
        let name = self.payload.first_chunk::<16>().filter(|_| self.kind == Kind::Certificate)?;
        Some(MessageId(*name))
    }

    /// Hashes what makes this message this message: origin, topic, seq, payload.
    pub fn digest(&self) -> Digest {
        let topic = self.topic.as_str().as_bytes();
        let hash = Sha256::new()
            .chain_update(if self.kind == Kind::Message { NAMED } else { NAMED_CERTIFICATE })
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
        bytes.put_u8(u8::from(self.kind == Kind::Certificate));
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
        let [kind, length] = take(&mut rest)?;
        let (topic, payload) = rest.split_at_checked(usize::from(length))?;
        let kind = match (kind, payload.len()) {
            (0, _) => Kind::Message,
            (1, 16) => Kind::Certificate,
            _ => return None,
        };
        let topic = std::str::from_utf8(topic).ok()?.parse().ok()?;
        Some(Envelope {
            origin,
            topic,
            seq,
            time: Timestamp::from_millis(time),
            expires: Timestamp::from_millis(expires),
            kind,
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
