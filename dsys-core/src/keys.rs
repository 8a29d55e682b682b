//! Ed25519 keys: who may speak as a node.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ed25519_dalek::{Digest, Sha512, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::zbase32::{self, Wrong};
use crate::{Domain, NodeId};

/// The secret half of a node's identity. Whoever has it *is* the node.
///
/// It is never printed: `Debug` shows the public id only. The memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// The operating system has no randomness to give, which a working machine does not do.
    pub fn generate() -> std::io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::from_bytes(seed))
    }

    /// The key of these 32 bytes (RFC 8032 §5.1.5, step 1: the seed). Any 32 bytes are a key.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        SecretKey(SigningKey::from_bytes(&seed))
    }

    /// The 32 secret bytes, for whoever stores or derives. Keep them as carefully as the key.
    pub fn expose_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public name.
    pub fn public(&self) -> NodeId {
        NodeId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for one purpose only: a signature made for one `domain` never verifies in another.
    ///
    /// Ed25519ph with the domain as context (RFC 8032 §5.1).
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        let prehash = Sha512::new().chain_update(message);
        // Fails only for a context above 255 bytes, which no domain has.
        match self.0.sign_prehashed(prehash, Some(domain.as_str().as_bytes())) {
            Ok(signature) => Signature(signature.to_bytes()),
            Err(_) => Signature([0; 64]),
        }
    }
}

/// Whoever signs as one node, without giving its key away: a [`SecretKey`], or what keeps one elsewhere, such as an agent.
///
/// Signing never fails and never waits: what can be unplugged, or asks somebody, does not fit here.
pub trait Signer: Send + Sync {
    /// In whose name.
    fn public(&self) -> NodeId;

    /// Signs as [`SecretKey::sign`] does.
    fn sign(&self, domain: Domain, message: &[u8]) -> Signature;
}

impl Signer for SecretKey {
    fn public(&self) -> NodeId {
        SecretKey::public(self)
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        SecretKey::sign(self, domain, message)
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public(&self) -> NodeId {
        S::public(self)
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        S::sign(self, domain, message)
    }
}

impl fmt::Debug for dyn Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(of {})", self.public().short())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

/// An Ed25519ph signature, 64 bytes. On the wire (postcard) it is the 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature of these bytes, unchecked.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Signature(bytes)
    }

    /// The 64 bytes: R, then S (RFC 8032 §5.1.6).
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = zbase32::encode(&self.0);
        write!(f, "Signature({}...)", text.get(..10).unwrap_or(&text))
    }
}

// serde knows arrays of up to 32 elements; two of them make a signature, with the same bytes.
impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(self.0.split_at(32).0);
        s.copy_from_slice(self.0.split_at(32).1);
        (r, s).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (r, s): ([u8; 32], [u8; 32]) = Deserialize::deserialize(from)?;
        let mut bytes = [0; 64];
        bytes.split_at_mut(32).0.copy_from_slice(&r);
        bytes.split_at_mut(32).1.copy_from_slice(&s);
        Ok(Signature(bytes))
    }
}

/// Why a signature was not accepted. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The id is not an Ed25519 key, or a weak one, so that nothing it signed means anything.
    #[error("the signer's id is not a sound Ed25519 key")]
    BadKey,
    /// The signature does not belong to this key, domain and message.
    #[error("the signature does not fit the key, the domain and the message")]
    BadSignature,
}

impl NodeId {
    /// Checks that this node signed `message` for `domain`: the counterpart of [`SecretKey::sign`], strict as in
    /// "Taming the many EdDSAs" (Chalkias et al. 2020): no small-order key or R, no malleability.
    ///
    /// # Errors
    /// [`VerifyError`] says which of the two, key or signature, is unsound.
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        let key = sound_key(self.as_bytes()).ok_or(VerifyError::BadKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        let (prehash, context) = (Sha512::new().chain_update(message), domain.as_str().as_bytes());
        key.verify_prehashed_strict(prehash, Some(context), &signature).map_err(|_| VerifyError::BadSignature)
    }

    /// Checks an Ed25519 signature without a domain (RFC 8032 §5.1.7), strictly: for formats such as TLS that
    /// others have defined. Our own formats use [`verify`](Self::verify).
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_plain(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        let key = sound_key(self.as_bytes()).ok_or(VerifyError::BadKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        key.verify_strict(message, &signature).map_err(|_| VerifyError::BadSignature)
    }

    /// Whether a secret key can belong to this name: a point on the curve, in its one encoding, of full order.
    pub fn is_sound(&self) -> bool {
        sound_key(self.as_bytes()).is_some()
    }
}

/// Why a text is not a node id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// Not 52 characters.
    #[error("a node id has 52 characters, this text has {0}: was it cut off?")]
    Length(usize),
    /// A character that z-base-32 does not know.
    #[error("'{0}' at position {1} does not occur in a node id (z-base-32 has no 0, 2, l or v)")]
    Character(char, usize),
    /// The text decodes, but to no key: a typing error, most likely.
    #[error("the text decodes, but to no Ed25519 public key: was it mistyped?")]
    NotAKey,
    /// A key of small order, with which anybody can forge signatures.
    #[error(
        "this is a weak key, for which anybody could forge signatures: do not trust whoever gave it to you"
    )]
    WeakKey,
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let length = text.chars().count();
        if length != 52 {
            return Err(ParseIdError::Length(length));
        }
        let bytes = zbase32::decode(text).map_err(|wrong| match wrong {
            Wrong::Character(character, position) => ParseIdError::Character(character, position + 1),
            Wrong::Length => ParseIdError::NotAKey,
        })?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| ParseIdError::NotAKey)?;
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if key.is_weak() => Err(ParseIdError::WeakKey),
            Ok(_) if sound_key(&bytes).is_some() => Ok(NodeId::from_bytes(bytes)),
            _ => Err(ParseIdError::NotAKey),
        }
    }
}

/// The key of these bytes if it is on the curve, canonically encoded and not of small order.
fn sound_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    // RFC 8032 §5.1.3 wants y < p = 2^255 - 19, in little-endian bytes, beside the sign of x. dalek keeps the bytes it was
    // given, so a second encoding of a point would be a second name for one key. The other way to have two, x = 0 with a
    // sign, is a point of small order.
    let (low, rest) = bytes.split_first()?;
    let (high, middle) = rest.split_last()?;
    if *low >= 0xed && middle.iter().all(|byte| *byte == 0xff) && high & 0x7f == 0x7f {
        return None;
    }
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}
