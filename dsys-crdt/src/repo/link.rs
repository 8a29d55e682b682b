//! What one tells another about a document, so that both mean the same.

use std::fmt;
use std::str::FromStr;

use dsys_core::NodeId;
use serde::{Deserialize, Serialize};

use crate::change::{Change, Denied, DocumentId, Members, Open, Past, Policy};

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rule {
    /// Everybody who has the document.
    Open,
    /// This one, and those to whom this one has granted it: [`Members`].
    Owner(NodeId),
}

impl Policy for Rule {
    fn check(&self, change: &Change, past: &Past<'_>) -> Result<(), Denied> {
        match self {
            Rule::Open => Open.check(change, past),
            Rule::Owner(owner) => Members::owned_by(*owner).check(change, past),
        }
    }
}

/// A document's name and rule. As a text it is what one pastes into another's program: whoever has it may ask for the
/// document, so it is a secret where reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The document.
    pub document: DocumentId,
    /// Who may write. All replicas must have the same rule.
    pub rule: Rule,
}

/// A text that is no [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is no link to a document: it begins with dsysdoc, and has 64 or 128 hexadecimal digits behind it"
)]
pub struct BadLink;

const PREFIX: &str = "dsysdoc";

impl fmt::Display for Link {
    /// `dsysdoc`, then the document and the owner, if there is one, in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match &self.rule {
            Rule::Open => &[][..],
            Rule::Owner(owner) => owner.as_bytes(),
        };
        f.write_str(PREFIX)?;
        self.document.as_bytes().iter().chain(owner).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Link, BadLink> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(BadLink)?.as_bytes();
        let pair = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok().filter(|text| !text.starts_with('+'));
            text.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or(BadLink)
        };
        if digits.len() != 64 && digits.len() != 128 {
            return Err(BadLink);
        }
        let bytes = digits.chunks(2).map(pair).collect::<Result<Vec<u8>, BadLink>>()?;
        let (document, owner) = bytes.split_first_chunk::<32>().ok_or(BadLink)?;
        let rule = match <[u8; 32]>::try_from(owner) {
            Ok(owner) => Rule::Owner(NodeId::from_bytes(owner)),
            Err(_) => Rule::Open,
        };
        Ok(Link { document: DocumentId::from_bytes(*document), rule })
    }
}
