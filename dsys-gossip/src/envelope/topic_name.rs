//! Names of topics.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of a topic: labels joined by dots, the widest first, as in `news.announce`.
///
/// A label has 1 to 63 of the characters `a` to `z`, `0` to `9`, `-` and `_`; a name at most
/// [`MAX`](TopicName::MAX) bytes. So two names that look alike are the same.
///
/// ```
/// use dsys_gossip::TopicName;
///
/// let topic: TopicName = "news.announce".parse()?;
/// assert!(topic.is_within(&"news".parse()?) && !topic.is_within(&"new".parse()?));
/// assert_eq!(topic.parent(), Some("news".parse()?));
/// assert!("News!".parse::<TopicName>().is_err());
/// # Ok::<(), dsys_gossip::BadTopicName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The longest name, in bytes.
    pub const MAX: usize = 255;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, the widest first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether it is this topic or one below it.
    pub fn is_within(&self, wider: &TopicName) -> bool {
        self.0.strip_prefix(&*wider.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The topic above it.
    pub fn parent(&self) -> Option<TopicName> {
        self.0.rsplit_once('.').map(|(wider, _)| TopicName(wider.into()))
    }

    /// Its short name on the wire.
    pub fn id(&self) -> TopicId {
        let hash: [u8; 32] =
            Sha256::new().chain_update("dsys/gossip/topic/1\0").chain_update(&*self.0).finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        TopicId([a, b, c, d, e, f, g, h])
    }
}

/// The short name of a topic on the wire: the first eight bytes of
/// SHA-256(`dsys/gossip/topic/1`, a zero byte, the name).
///
/// Whoever finds two names of one short name mixes up who is a neighbour of whom, and no more: an envelope has the whole
/// name in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicId(pub [u8; 8]);

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({:016x})", u64::from_be_bytes(self.0))
    }
}

/// Why a text is no name of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTopicName {
    /// Empty, or longer than [`TopicName::MAX`].
    #[error("a topic's name has 1 to 255 bytes, this has {0}")]
    Length(usize),
    /// A label is empty or longer than 63.
    #[error("between the dots of a topic's name stand labels of 1 to 63 characters")]
    Label,
    /// A character that names do not have.
    #[error("'{0}' is not one of the a-z, 0-9, '-', '_' and '.' of a topic's name")]
    Character(char),
}

impl From<std::convert::Infallible> for BadTopicName {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl FromStr for TopicName {
    type Err = BadTopicName;

    fn from_str(text: &str) -> Result<Self, BadTopicName> {
        if text.is_empty() || text.len() > Self::MAX {
            return Err(BadTopicName::Length(text.len()));
        }
        let known = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
        if let Some(character) = text.chars().find(|character| !known(*character)) {
            return Err(BadTopicName::Character(character));
        }
        if text.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(BadTopicName::Label);
        }
        Ok(TopicName(text.into()))
    }
}

impl TryFrom<&str> for TopicName {
    type Error = BadTopicName;

    fn try_from(text: &str) -> Result<Self, BadTopicName> {
        text.parse()
    }
}

impl TryFrom<String> for TopicName {
    type Error = BadTopicName;

    fn try_from(text: String) -> Result<Self, BadTopicName> {
        text.parse()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({})", self.0)
    }
}
