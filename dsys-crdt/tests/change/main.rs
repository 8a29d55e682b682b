//! The change log: what it refuses, what it proves, and that all replicas agree on what counts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // clippy.toml's leave is for test functions

mod bytes;
mod counting;
mod forks;
mod hostile;
mod many;
mod revoked;

use dsys_core::SecretKey;
use dsys_crdt::change::{DocumentId, Log, Members, Open};

const DOCUMENT: DocumentId = DocumentId::from_bytes([7; 32]);

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32])
}

fn open() -> Log<Open> {
    Log::new(DOCUMENT, Open)
}

/// A log owned by key 0 in which keys 1 to `members` are members.
fn members(members: u8) -> Log<Members> {
    let mut log = Log::new(DOCUMENT, Members::owned_by(key(0).public()));
    log.grant(&key(0), 0, (1..=members).map(|number| key(number).public())).unwrap();
    log
}
