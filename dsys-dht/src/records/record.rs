//! The records, and what makes one true.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dsys_core::{Domain, NodeAddr, NodeId, Signature, Signer};
use serde::{Deserialize, Serialize};

use super::clock::UnixTime;
use super::value::{Salt, Value};
use crate::Key;

/// What nodes keep for each other. As it comes from a peer it is only a claim; [`Rules::check`] says whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// Bytes that lie under their own BLAKE3 hash.
    Immutable(Value),
    /// Bytes that their publisher may replace.
    Mutable(Mutable),
    /// Who has what lies under a key.
    Provider(Provider),
    /// Of the app's own kind, checked by a [`Validator`].
    Custom {
        /// Which validator.
        namespace: u16,
        /// Where it lies.
        key: Key,
        /// What it says.
        value: Value,
    },
}

/// Bytes that their publisher may replace, signed. They lie under the hash of publisher and salt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mutable {
    /// Whose they are.
    pub publisher: NodeId,
    /// Which of the publisher's.
    pub salt: Salt,
    /// The higher one counts.
    pub seq: u64,
    /// Not to be believed any more from then on.
    pub expires: UnixTime,
    /// What they say.
    pub value: Value,
    /// Over all the above.
    pub signature: Signature,
}

/// Says that a node has what lies under a key, signed by that node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Provider {
    /// What it has.
    pub key: Key,
    /// Who, and where it says it is reached.
    pub addr: NodeAddr,
    /// Not to be believed any more from then on.
    pub expires: UnixTime,
    /// Over all the above, by the key of `addr.id`.
    pub signature: Signature,
}

/// What kind of record is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// [`Record::Immutable`].
    Immutable,
    /// [`Record::Mutable`].
    Mutable,
    /// [`Record::Provider`]: there may be many under one key.
    Provider,
    /// [`Record::Custom`] of this namespace.
    Custom(u16),
}

/// What tells a record from all others, whatever version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// Where it lies.
    pub key: Key,
    /// What kind it is.
    pub kind: Kind,
    /// The provider; all zeros for other kinds, of which there is one under a key.
    pub owner: NodeId,
}

/// Why a record is not kept and not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Invalid {
    /// The signature is not that of the publisher or provider.
    #[error("the record is not signed by whose it is")]
    Forged,
    /// Its time is over. Clocks that differ can do that too.
    #[error("the record has expired; see whether the clocks are right, or publish it with a later expiry")]
    Expired,
    /// The expiry lies beyond [`Rules::max_ttl`].
    #[error("the record asks to be kept longer than is allowed; give it an earlier expiry")]
    TooLasting,
    /// No validator for this namespace.
    #[error("no validator is known for this kind of record")]
    UnknownKind,
    /// The validator refused it.
    #[error("the validator of its kind refused the record")]
    Refused,
}

/// Checks the app's own kind of records. Must give the same answers on all nodes, or they will not agree.
pub trait Validator: Send + Sync + fmt::Debug {
    /// Whether `value` may lie under `key`.
    fn holds(&self, key: Key, value: &[u8]) -> bool;

    /// Which of two values that may lie under `key` counts: `Greater` if it is `new`. A total order.
    fn compare(&self, key: Key, new: &[u8], old: &[u8]) -> Ordering;
}

/// What a node believes.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest that a record may ask to be kept, and how long immutable ones are kept after they were stored.
    pub max_ttl: Duration,
    /// Who checks the app's own kinds, by their namespace.
    pub validators: BTreeMap<u16, Arc<dyn Validator>>,
}

/// A record that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) id: RecordId,
    pub(super) record: Record,
    /// By itself, where it says so.
    pub(super) expires: Option<UnixTime>,
}

/// What a record is worth beside another of the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It takes the other's place.
    Newer,
    /// It says the same.
    Same,
    /// The other stays.
    Older,
}

const MUTABLE: Domain = Domain::from_static("dsys/dht/mutable/1");
const PROVIDER: Domain = Domain::from_static("dsys/dht/provider/1");
const NOBODY: NodeId = NodeId::from_bytes([0; 32]);
/// Clocks of different machines may differ by so much before anybody minds.
const SKEW: Duration = Duration::from_secs(600);

/// Where these bytes lie: under their BLAKE3 hash.
pub fn immutable_key(value: &[u8]) -> Key {
    Key::from_bytes(blake3::hash(value).into())
}

/// Where the mutable record of this publisher and salt lies.
pub fn mutable_key(publisher: NodeId, salt: &Salt) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key("dsys/dht/mutable/1");
    hasher.update(publisher.as_bytes()).update(salt.as_bytes());
    Key::from_bytes(hasher.finalize().into())
}

impl Mutable {
    /// Signs a record.
    pub fn sign(signer: &dyn Signer, salt: Salt, seq: u64, expires: UnixTime, value: Value) -> Self {
        let signature = signer.sign(MUTABLE, &Self::signed(&salt, seq, expires, &value));
        Mutable { publisher: signer.public(), salt, seq, expires, value, signature }
    }

    /// Length and bytes of the salt, sequence number, expiry, value: numbers big-endian. The publisher is the key.
    fn signed(salt: &Salt, seq: u64, expires: UnixTime, value: &Value) -> Vec<u8> {
        let mut bytes = vec![salt.as_bytes().len() as u8];
        bytes.extend_from_slice(salt.as_bytes());
        bytes.extend(seq.to_be_bytes());
        bytes.extend(expires.0.to_be_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes
    }

    fn is_signed(&self) -> bool {
        let signed = Self::signed(&self.salt, self.seq, self.expires, &self.value);
        self.publisher.verify(MUTABLE, &signed, &self.signature).is_ok()
    }
}

impl Provider {
    /// Signs that the node of this key, reached at these addresses, has what lies under `key`.
    ///
    /// `addr.id` is replaced by the key's own name.
    pub fn sign(signer: &dyn Signer, key: Key, mut addr: NodeAddr, expires: UnixTime) -> Self {
        addr.id = signer.public();
        let signature = signer.sign(PROVIDER, &Self::signed(key, &addr, expires));
        Provider { key, addr, expires, signature }
    }

    /// Key, expiry, addresses as in a ticket: count, then for each 4 or 6, address, port.
    fn signed(key: Key, addr: &NodeAddr, expires: UnixTime) -> Vec<u8> {
        let mut bytes = key.as_bytes().to_vec();
        bytes.extend(expires.0.to_be_bytes());
        bytes.push(addr.direct().len() as u8);
        for direct in addr.direct() {
            match direct.ip() {
                std::net::IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend(ip.octets());
                }
                std::net::IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend(ip.octets());
                }
            }
            bytes.extend(direct.port().to_be_bytes());
        }
        bytes
    }

    fn is_signed(&self) -> bool {
        let signed = Self::signed(self.key, &self.addr, self.expires);
        self.addr.id.verify(PROVIDER, &signed, &self.signature).is_ok()
    }
}

impl Record {
    /// What tells it from all others.
    pub fn id(&self) -> RecordId {
        let (key, kind, owner) = match self {
            Record::Immutable(value) => (immutable_key(value.as_bytes()), Kind::Immutable, NOBODY),
            Record::Mutable(mutable) => {
                (mutable_key(mutable.publisher, &mutable.salt), Kind::Mutable, NOBODY)
            }
            Record::Provider(provider) => (provider.key, Kind::Provider, provider.addr.id),
            Record::Custom { namespace, key, .. } => (*key, Kind::Custom(*namespace), NOBODY),
        };
        RecordId { key, kind, owner }
    }

    /// About how many bytes it takes, on the wire and in memory.
    pub fn size(&self) -> usize {
        match self {
            Record::Immutable(value) | Record::Custom { value, .. } => 40 + value.as_bytes().len(),
            Record::Mutable(mutable) => 200 + mutable.value.as_bytes().len(),
            Record::Provider(provider) => 150 + 19 * provider.addr.direct().len(),
        }
    }

    /// The sequence number of a mutable record.
    pub(super) fn seq(&self) -> Option<u64> {
        match self {
            Record::Mutable(mutable) => Some(mutable.seq),
            _ => None,
        }
    }
}

impl Rules {
    /// Whether the record holds at this time.
    ///
    /// # Errors
    /// [`Invalid`] says why not.
    pub fn check(&self, record: &Record, now: UnixTime) -> Result<(), Invalid> {
        self.checked(record.clone(), now).map(drop)
    }

    pub(super) fn checked(&self, record: Record, now: UnixTime) -> Result<Checked, Invalid> {
        let expires = match &record {
            // The key is made from the bytes, so it always fits.
            Record::Immutable(_) => None,
            Record::Mutable(mutable) => Some(mutable.expires),
            Record::Provider(provider) => Some(provider.expires),
            Record::Custom { namespace, key, value } => {
                let validator = self.validators.get(namespace).ok_or(Invalid::UnknownKind)?;
                if !validator.holds(*key, value.as_bytes()) {
                    return Err(Invalid::Refused);
                }
                None
            }
        };
        // Cheap checks first: a signature costs 50 us.
        if let Some(expires) = expires {
            if expires <= now {
                return Err(Invalid::Expired);
            }
            if expires.since(now) > self.max_ttl + SKEW {
                return Err(Invalid::TooLasting);
            }
        }
        let signed = match &record {
            Record::Mutable(mutable) => mutable.is_signed(),
            Record::Provider(provider) => provider.is_signed(),
            Record::Immutable(_) | Record::Custom { .. } => true,
        };
        if !signed {
            return Err(Invalid::Forged);
        }
        Ok(Checked { id: record.id(), record, expires })
    }

    /// What `new` is worth beside `old`, which has the same id and holds too.
    pub(super) fn worth(&self, new: &Record, old: &Record) -> Worth {
        let order = match (new, old) {
            (Record::Mutable(new), Record::Mutable(old)) => {
                // The later expiry of the same words counts; other words need another number.
                let same = new.value == old.value;
                let expiry = if same { new.expires.cmp(&old.expires) } else { Ordering::Less };
                new.seq.cmp(&old.seq).then(expiry)
            }
            (Record::Provider(new), Record::Provider(old)) => new.expires.cmp(&old.expires),
            (Record::Custom { namespace, key, value: new }, Record::Custom { value: old, .. }) => {
                let validator = self.validators.get(namespace);
                validator.map_or(Ordering::Less, |v| v.compare(*key, new.as_bytes(), old.as_bytes()))
            }
            _ => Ordering::Equal,
        };
        match order {
            Ordering::Greater => Worth::Newer,
            Ordering::Equal => Worth::Same,
            Ordering::Less => Worth::Older,
        }
    }
}
