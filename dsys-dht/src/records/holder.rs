//! What a node answers that keeps records for others.

use std::time::Duration;

use dsys_core::{Context, NodeId};

use super::get::left;
use super::machine::Records;
use super::message::{Ask, MAX_FOUND, Offered, Refused, Tell};
use super::record::{Invalid, Kind, Record};
use super::report::PeerError;
use super::table::{Kept, Manner};
use crate::Key;
use crate::overlay::Overlay;

impl<O: Overlay> Records<O> {
    pub(super) fn asked(&mut self, from: NodeId, call: u32, ask: Ask, cx: &mut Context<'_, Self>) {
        let tell = match ask {
            Ask::Get { key, kind } => self.look(key, kind, cx),
            Ask::Store { record, ttl, after, cached } => {
                match self.store(from, record, ttl, after, cached, cx) {
                    Ok(()) => Tell::Stored,
                    Err(refused) => Tell::Refused(refused),
                }
            }
            Ask::Pull => {
                self.pulled(from, cx);
                Tell::Wanted(Vec::new().into())
            }
            // Nobody is to believe that it is in good hands here.
            Ask::Offer(_) if self.leaving => Tell::Refused(Refused::Full),
            Ask::Offer(offered) => {
                let wanted = offered.iter().enumerate().filter(|(_, offered)| self.wants(offered, cx));
                let wanted: Vec<u8> = wanted.filter_map(|(at, _)| u8::try_from(at).ok()).collect();
                Tell::Wanted(wanted.into())
            }
        };
        self.tell(from, call, tell);
    }

    fn look(&mut self, key: Key, kind: Kind, cx: &mut Context<'_, Self>) -> Tell {
        let now = self.now(cx);
        let mut found: Vec<(Record, u32)> = self
            .table
            .under(key, kind, now)
            .filter(|held| !held.cached || kind == Kind::Immutable)
            .map(|held| (held.record.clone(), left(held.expires.since(now))))
            .collect();
        if found.len() > MAX_FOUND {
            // Each asker sees others of them.
            cx.rng().shuffle(&mut found);
        }
        self.stats.served += u64::from(!found.is_empty());
        Tell::Found(found.into())
    }

    fn store(
        &mut self,
        from: NodeId,
        record: Record,
        ttl: u32,
        after: Option<u64>,
        cached: bool,
        cx: &mut Context<'_, Self>,
    ) -> Result<(), Refused> {
        let (burst, max_peers) = (self.config.peer_burst, self.config.max_peers);
        if !self.quotas.allows(from, record.size(), burst, max_peers, cx.now()) {
            self.stats.refused_too_fast += 1;
            return Err(Refused::TooFast);
        }
        let now = self.now(cx);
        let checked = self.config.rules.checked(record, now).map_err(|invalid| {
            self.stats.refused_invalid += 1;
            if invalid == Invalid::Forged {
                self.violation(from, PeerError::Forged, cx);
            }
            Refused::Invalid(invalid)
        })?;
        if self.leaving {
            self.stats.refused_full += 1;
            return Err(Refused::Full);
        }
        // BEP 44 "cas": refused if somebody was there in between, and with the proof of it.
        if let (Some(after), Some(held)) = (after, self.table.get(&checked.id, now))
            && held.record.seq().is_some_and(|seq| seq > after)
            && held.record != checked.record
        {
            return Err(Refused::Newer(Box::new(held.record.clone())));
        }
        let manner = Manner { ttl: Duration::from_secs(ttl.into()), cached, own: false };
        match self.keep(checked, manner, cx) {
            Kept::Yes(_) => {
                self.stats.stored += 1;
                Ok(())
            }
            Kept::Full => {
                self.stats.refused_full += 1;
                Err(Refused::Full)
            }
            Kept::Older(newer) => Err(Refused::Newer(Box::new(newer))),
        }
    }

    /// Whether an offered record is unknown here, or known in an older version only.
    fn wants(&self, offered: &Offered, cx: &Context<'_, Self>) -> bool {
        let held = self.table.get(&offered.id, self.now(cx));
        held.is_none_or(|held| held.cached || version(&held.record) < offered.version)
    }
}

/// What tells the newer of two versions, as far as a number can.
pub(super) fn version(record: &Record) -> u64 {
    match record {
        Record::Mutable(mutable) => mutable.seq,
        Record::Provider(provider) => provider.expires.0,
        Record::Immutable(_) | Record::Custom { .. } => 0,
    }
}
