//! Texts, lists and rich texts, in step by their versions.

use std::fmt::Display;

use dsys_crdt::laws::Random;
use dsys_crdt::{Agent, DecodeError, Expand, List, RichText, RichVersion, Text, VersionVector};

use super::replica::Data;
use super::seeds;
use crate::args::Args;
use crate::report::Report;

pub(super) fn run(args: &Args, report: &mut Report) {
    let seeds = seeds(args, 1);
    if args.mine(1) {
        super::replicas::<Text>("text", seeds, report);
    }
    if args.mine(2) {
        super::replicas::<List<u8>>("list", seeds, report);
    }
    if args.mine(3) {
        super::replicas::<RichText>("rich text", seeds, report);
    }
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// Whether something was taken in, or follows what is not here.
fn taken<T>(result: Result<T, DecodeError>) -> Result<bool, String> {
    match result {
        Ok(_) => Ok(true),
        Err(DecodeError::Missing) => Ok(false),
        Err(error) => Err(words(error)),
    }
}

/// A place in `0..=length`.
fn place(random: &mut Random, length: usize) -> usize {
    random.below(length as u64 + 1) as usize
}

impl Data for Text {
    type Version = VersionVector;

    fn begin(agent: Agent) -> Self {
        Text::new(agent)
    }

    fn edit(&mut self, random: &mut Random) -> Result<Option<Vec<u8>>, String> {
        let (before, at) = (self.version(), place(random, self.len()));
        if random.below(3) == 0 && !self.is_empty() {
            self.delete(at.saturating_sub(3)..at).map_err(words)?;
        } else {
            let text = random.choose(&["a", "word ", "ä漢😀"]).unwrap_or_default();
            self.insert(at, text).map_err(words)?;
        }
        self.changes_since(&before).map(Some).map_err(words)
    }

    fn version(&self) -> VersionVector {
        self.version()
    }

    fn lacking(&self, version: &VersionVector) -> Result<Option<Vec<u8>>, String> {
        let lacks = !version.includes(&self.version());
        lacks.then(|| self.changes_since(version).map_err(words)).transpose()
    }

    fn take(&mut self, told: &[u8]) -> Result<bool, String> {
        taken(self.apply(told))
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        Ok(self.to_string().into_bytes())
    }
}

impl Data for List<u8> {
    type Version = VersionVector;

    fn begin(agent: Agent) -> Self {
        List::new(agent)
    }

    fn edit(&mut self, random: &mut Random) -> Result<Option<Vec<u8>>, String> {
        let (before, at) = (self.version(), place(random, self.len()));
        match random.below(5) {
            0 if !self.is_empty() => self.delete(at.saturating_sub(2)..at),
            1 if at > 0 => self.move_to(at - 1, place(random, self.len() - 1)),
            2 if at > 0 => self.set(at - 1, random.number() as u8),
            _ => self.insert_all(at, [random.number() as u8, random.number() as u8]),
        }
        .map_err(words)?;
        Ok(Some(self.changes_since(&before)))
    }

    fn version(&self) -> VersionVector {
        self.version()
    }

    fn lacking(&self, version: &VersionVector) -> Result<Option<Vec<u8>>, String> {
        Ok((!version.includes(&self.version())).then(|| self.changes_since(version)))
    }

    fn take(&mut self, told: &[u8]) -> Result<bool, String> {
        taken(self.apply(told))
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        Ok(self.iter().copied().collect())
    }
}

impl Data for RichText {
    type Version = RichVersion;

    fn begin(agent: Agent) -> Self {
        RichText::new(agent)
    }

    fn edit(&mut self, random: &mut Random) -> Result<Option<Vec<u8>>, String> {
        let (before, length) = (self.version(), self.text().len());
        let at = place(random, length);
        match random.below(5) {
            0 if length > 0 => self.delete(at.saturating_sub(3)..at).map_err(words)?,
            1 | 2 if at > 0 => {
                let (key, expand) =
                    random.choose(&[("bold", Expand::After), ("link", Expand::Neither)]).unwrap_or_default();
                let range = at.saturating_sub(5)..at;
                match random.below(3) {
                    0 => self.unmark(range, key, expand),
                    value => self.mark(range, key, &value.to_string(), expand),
                }
                .map_err(words)?;
            }
            _ => self.insert(at, "word ").map_err(words)?,
        }
        self.changes_since(&before).map(Some).map_err(words)
    }

    fn version(&self) -> RichVersion {
        self.version()
    }

    fn lacking(&self, version: &RichVersion) -> Result<Option<Vec<u8>>, String> {
        let lacks = !version.includes(&self.version());
        lacks.then(|| self.changes_since(version).map_err(words)).transpose()
    }

    fn take(&mut self, told: &[u8]) -> Result<bool, String> {
        taken(self.apply(told))
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        Ok(format!("{:?}", self.clone().spans().map_err(words)?).into_bytes())
    }
}
