//! A node's stable storage: a log of framed records, what a crash does to it, and what recovery makes of that.
//!
//! ```text
//! frame := length (u32, little-endian) | check (u32, little-endian) | record
//! ```

use dsys_core::{Token, Write};

use crate::math::{Dice, mix};

/// The bytes on the platter and the writes on their way to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    image: Vec<u8>,
    /// Being flushed, in order. All become durable together.
    flushing: Vec<(Token, Write)>,
}

impl Disk {
    pub(crate) fn bytes(&self) -> usize {
        self.image.len()
    }

    pub(crate) fn write(&mut self, token: Token, write: Write) {
        self.flushing.push((token, write));
    }

    pub(crate) fn is_flushing(&self) -> bool {
        !self.flushing.is_empty()
    }

    /// The flush is complete: its tokens, in order.
    pub(crate) fn flushed(&mut self) -> Vec<Token> {
        let done = std::mem::take(&mut self.flushing);
        for (_, write) in &done {
            apply(&mut self.image, write);
        }
        done.into_iter().map(|(token, _)| token).collect()
    }

    /// The power fails. Of the bytes being flushed a random prefix has reached the platter, so whole records of the
    /// suffix are lost and the last one may be torn; without `torn`, the cut is at a record's edge. A checkpoint is
    /// renamed into place: it is there whole, or the old log is.
    pub(crate) fn crash(&mut self, torn: bool, dice: &mut Dice) {
        let writes = std::mem::take(&mut self.flushing);
        if writes.is_empty() {
            return;
        }
        if !torn {
            let kept = dice.below(writes.len() as u64 + 1) as usize;
            writes.iter().take(kept).for_each(|(_, write)| apply(&mut self.image, write));
            return;
        }
        let total: usize = writes.iter().map(|(_, write)| size(write)).sum();
        let mut left = dice.below(total as u64 + 1) as usize;
        for (_, write) in &writes {
            let size = size(write);
            if left < size {
                if let Write::Append(_) = write {
                    let mut partial = Vec::new();
                    apply(&mut partial, write);
                    partial.truncate(left);
                    self.image.extend_from_slice(&partial);
                }
                return;
            }
            apply(&mut self.image, write);
            left -= size;
        }
    }

    /// Everything is gone.
    pub(crate) fn erase(&mut self) {
        *self = Disk::default();
    }

    /// The records, and whether a torn one was found at the end and dropped, as recovery does.
    pub(crate) fn recover(&mut self) -> (Vec<Vec<u8>>, bool) {
        let mut records = Vec::new();
        let mut rest = self.image.as_slice();
        while let Some((record, after)) = frame(rest) {
            records.push(record.to_vec());
            rest = after;
        }
        let torn = rest.len();
        self.image.truncate(self.image.len() - torn);
        (records, torn > 0)
    }
}

const HEAD: usize = 8;

fn size(write: &Write) -> usize {
    let (Write::Append(record) | Write::Checkpoint(record)) = write;
    HEAD + record.len()
}

fn apply(image: &mut Vec<u8>, write: &Write) {
    let (Write::Append(record) | Write::Checkpoint(record)) = write;
    if let Write::Checkpoint(_) = write {
        image.clear();
    }
    image.extend_from_slice(&(record.len() as u32).to_le_bytes());
    image.extend_from_slice(&check(record).to_le_bytes());
    image.extend_from_slice(record);
}

/// The first whole frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (check(record) == u32::from_le_bytes(*sum)).then_some((record, rest))
}

fn check(record: &[u8]) -> u32 {
    record.iter().fold(0x9e37_79b9, |sum, &byte| mix(sum ^ u64::from(byte))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(disk: &mut Disk, byte: u8) {
        disk.write(Token(byte.into()), Write::Append(vec![byte; 10]));
    }

    #[test]
    fn a_crash_keeps_what_was_acknowledged_and_a_prefix_of_the_rest() {
        let (mut lost, mut torn_seen, mut kept) = (0, 0, 0);
        for seed in 0..200 {
            let mut disk = Disk::default();
            (0..3).for_each(|byte| append(&mut disk, byte));
            assert_eq!(disk.flushed(), [Token(0), Token(1), Token(2)]);
            (3..6).for_each(|byte| append(&mut disk, byte));
            disk.crash(seed % 2 == 0, &mut Dice::new(seed));
            let (records, torn) = disk.recover();
            assert!((3..=6).contains(&records.len()));
            for (at, record) in records.iter().enumerate() {
                assert_eq!(*record, vec![at as u8; 10], "unaltered, and none missing in the middle");
            }
            assert!(!torn || seed % 2 == 0);
            lost += usize::from(records.len() < 6);
            kept += usize::from(records.len() > 3);
            torn_seen += usize::from(torn);
            // Recovery repairs: what is written next stands directly behind.
            append(&mut disk, 9);
            disk.flushed();
            assert_eq!(disk.recover().0.last(), Some(&vec![9; 10]));
        }
        assert!(lost > 100 && kept > 50 && torn_seen > 50, "{lost} {kept} {torn_seen}");
    }

    #[test]
    fn a_checkpoint_is_there_whole_or_not_at_all() {
        let mut seen = [false; 2];
        for seed in 0..50 {
            let mut disk = Disk::default();
            append(&mut disk, 1);
            disk.flushed();
            disk.write(Token(2), Write::Checkpoint(vec![2; 10]));
            append(&mut disk, 3);
            disk.crash(true, &mut Dice::new(seed));
            let (records, _) = disk.recover();
            let new = records.first() == Some(&vec![2; 10]);
            assert!(new || records == [vec![1; 10]]);
            seen[usize::from(new)] = true;
        }
        assert_eq!(seen, [true, true]);
    }
}
