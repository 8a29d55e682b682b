//! The name of a message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a message, by which every protocol here knows whether it has seen it.
///
/// 128 bits of a hash, or random bytes. Nobody can make a second message for the name of somebody else's, which would
/// take 2^128 tries; whoever makes both can find two messages of one name in 2^64 tries, and gains no more by it than
/// by telling different nodes different things.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub [u8; 16]);

/// The first four bytes in hexadecimal, which tell messages apart in a log.
impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "MessageId({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}
