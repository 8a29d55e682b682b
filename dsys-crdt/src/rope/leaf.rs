//! A leaf of the rope: a gap buffer that knows its sizes in characters, bytes and UTF-16 units.

use super::{BYTES, CHARS, UTF16};
use crate::order::Sizes;

/// Bytes that a leaf can hold. Larger leaves mean fewer walks of the tree, and longer moves of the gap.
const CAPACITY: usize = 4096;

/// Whether so many bytes are few enough for two leaves to be joined.
pub(super) fn small(bytes: u32) -> bool {
    bytes as usize <= CAPACITY / 3
}

#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// `CAPACITY` bytes: text, gap, text.
    bytes: Vec<u8>,
    gap: usize,
    gap_end: usize,
    /// Characters before the gap.
    gap_chars: u32,
    size: Sizes<3>,
}

impl Leaf {
    pub(super) fn new() -> Self {
        Leaf { bytes: vec![0; CAPACITY], gap: 0, gap_end: CAPACITY, gap_chars: 0, size: [0; 3] }
    }

    /// A leaf without room, in place of one that was removed.
    pub(super) fn empty() -> Self {
        Leaf { bytes: Vec::new(), gap: 0, gap_end: 0, gap_chars: 0, size: [0; 3] }
    }

    #[inline]
    pub(super) fn size(&self) -> Sizes<3> {
        self.size
    }

    /// Bytes that still fit.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.gap_end - self.gap
    }

    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        (&self.bytes[..self.gap], &self.bytes[self.gap_end..])
    }

    pub(super) fn text(&self) -> String {
        let (head, tail) = self.parts();
        String::from_utf8([head, tail].concat()).unwrap_or_default()
    }

    /// Inserts text that fits before character `at`; gives its sizes.
    #[inline]
    pub(super) fn insert(&mut self, at: u32, text: &str) -> Sizes<3> {
        self.move_gap(at);
        let size = match text.as_bytes() {
            &[byte] => {
                self.bytes[self.gap] = byte;
                [1, 1, 1]
            }
            bytes => {
                self.bytes[self.gap..self.gap + bytes.len()].copy_from_slice(bytes);
                sizes(bytes)
            }
        };
        self.gap += text.len();
        self.gap_chars += size[CHARS];
        for (all, size) in self.size.iter_mut().zip(size) {
            *all += size;
        }
        size
    }

    /// Deletes `count` characters, which exist, from character `at`; gives their sizes.
    #[inline]
    pub(super) fn delete(&mut self, at: u32, count: u32) -> Sizes<3> {
        // A backspace deletes just before the gap: no need to move it.
        let removed = if at + count == self.gap_chars {
            let start = if self.is_ascii() {
                self.gap - count as usize
            } else {
                back_chars(&self.bytes[..self.gap], count)
            };
            let removed = self.sizes(start, self.gap);
            self.gap = start;
            self.gap_chars -= count;
            removed
        } else {
            self.move_gap(at);
            let bytes = byte_of(&self.bytes[self.gap_end..], count, self.is_ascii());
            let removed = self.sizes(self.gap_end, self.gap_end + bytes);
            self.gap_end += bytes;
            removed
        };
        for (all, removed) in self.size.iter_mut().zip(removed) {
            *all -= removed;
        }
        removed
    }

    /// Takes everything from character `at` on.
    pub(super) fn split_off(&mut self, at: u32) -> Leaf {
        self.move_gap(at);
        let mut tail = Leaf::new();
        let bytes = &self.bytes[self.gap_end..];
        tail.gap_end = CAPACITY - bytes.len();
        tail.bytes[CAPACITY - bytes.len()..].copy_from_slice(bytes);
        tail.size = self.sizes(self.gap_end, self.bytes.len());
        for (all, removed) in self.size.iter_mut().zip(tail.size) {
            *all -= removed;
        }
        self.gap_end = self.bytes.len();
        tail
    }

    /// Where unit `at` of one dimension, which lies in the leaf, is in another.
    pub(super) fn convert(&self, from: usize, to: usize, at: u32) -> u32 {
        if self.is_ascii() {
            return at;
        }
        let (head, tail) = self.parts();
        let mut here: Sizes<3> = [0; 3];
        for &byte in head.iter().chain(tail) {
            // The first byte of a character says how long it is in every dimension.
            if is_first(byte) {
                let next = [here[CHARS] + 1, here[BYTES] + width(byte), here[UTF16] + width16(byte)];
                if at < next[from] {
                    break;
                }
                here = next;
            }
        }
        here[to]
    }

    #[inline]
    fn is_ascii(&self) -> bool {
        self.size[CHARS] == self.size[BYTES]
    }

    #[inline]
    fn sizes(&self, from: usize, to: usize) -> Sizes<3> {
        if self.is_ascii() { [(to - from) as u32; 3] } else { sizes(&self.bytes[from..to]) }
    }

    #[inline]
    fn move_gap(&mut self, at: u32) {
        if at == self.gap_chars {
            return;
        }
        if at < self.gap_chars {
            let chars = self.gap_chars - at;
            let start = if self.is_ascii() {
                self.gap - chars as usize
            } else {
                back_chars(&self.bytes[..self.gap], chars)
            };
            let moved = self.gap - start;
            self.bytes.copy_within(start..self.gap, self.gap_end - moved);
            (self.gap, self.gap_end) = (start, self.gap_end - moved);
        } else {
            let moved = byte_of(&self.bytes[self.gap_end..], at - self.gap_chars, self.is_ascii());
            self.bytes.copy_within(self.gap_end..self.gap_end + moved, self.gap);
            (self.gap, self.gap_end) = (self.gap + moved, self.gap_end + moved);
        }
        self.gap_chars = at;
    }
}

/// The byte at which character `at` of `text` begins; the length if there are fewer.
pub(crate) fn byte_of_char(text: &str, at: u32) -> usize {
    byte_of(text.as_bytes(), at, false)
}

fn byte_of(bytes: &[u8], chars: u32, ascii: bool) -> usize {
    if ascii {
        return (chars as usize).min(bytes.len());
    }
    let mut left = chars as usize;
    let mut at = 0;
    for block in bytes.chunks(64) {
        let here = block.iter().filter(|&&byte| is_first(byte)).count();
        if here > left {
            break;
        }
        left -= here;
        at += block.len();
    }
    for &byte in &bytes[at..] {
        if is_first(byte) {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        at += 1;
    }
    at
}

/// The byte at which the last `chars` characters of `bytes` begin.
fn back_chars(bytes: &[u8], chars: u32) -> usize {
    let mut left = chars;
    let mut at = bytes.len();
    while left > 0 && at > 0 {
        at -= 1;
        left -= u32::from(is_first(bytes[at]));
    }
    at
}

fn sizes(bytes: &[u8]) -> Sizes<3> {
    if bytes.is_ascii() {
        return [bytes.len() as u32; 3];
    }
    let chars = bytes.iter().filter(|&&byte| is_first(byte)).count() as u32;
    let wide = bytes.iter().filter(|&&byte| byte >= 0xf0).count() as u32;
    [chars, bytes.len() as u32, chars + wide]
}

/// Whether a byte of UTF-8 begins a character.
fn is_first(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

fn width(first: u8) -> u32 {
    match first {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

fn width16(first: u8) -> u32 {
    if first >= 0xf0 { 2 } else { 1 }
}
