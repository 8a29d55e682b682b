//! Tables as bytes, by columns: what is of one kind stands together, and small. A table says nothing of its rows; whoever
//! reads it asks each column for its next entry, in the order in which they were written.
//!
//! ```text
//! plain      entries as they come: numbers as LEB128, strings and bytes behind their length
//! columns    each column with its length in bytes before it, LEB128; empty ones too
//!
//! numbers    a byte, order + 2 * shape, then
//!   order      0 as they are, 1 the first as LEB128, then differences (zigzag)
//!   shape      0 LEB128 each
//!              1 runs: a number and how often it comes again, LEB128 both
//!              2 the least as LEB128, a byte w, then what each is above the least, in w bits, the lowest first
//! strings    the numbers of bytes shared with the string before, at most 63 of each; the numbers of further bytes,
//!            both as columns with their lengths; the further bytes
//! raw        bytes whose lengths the reader knows
//! ```
//!
//! Whatever is read is read as it is asked for: nothing is allocated by what bytes claim. A column of equal numbers has no end,
//! so the reader bounds how often it asks.

use crate::encoding::bytes::{put, put_bytes, unzigzag, zigzag};

/// What the entries of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Numbers,
    Strings,
    Raw,
}

/// So many bytes two strings in a row share at most: what a reader makes of a byte is bounded by it.
const SHARED: usize = 63;

/// A table in the making, of at most as many columns as the layout has.
#[derive(Debug)]
pub(crate) struct Writer {
    /// All entries as they come.
    plain: Vec<u8>,
    columns: Vec<Column>,
}

#[derive(Debug, Default)]
struct Column {
    /// Numbers, or how many bytes a string shares with the one before.
    numbers: Vec<u64>,
    lengths: Vec<u64>,
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(columns: usize) -> Writer {
        Writer { plain: Vec::new(), columns: std::iter::repeat_with(Column::default).take(columns).collect() }
    }

    pub(crate) fn number(&mut self, column: usize, number: u64) {
        put(&mut self.plain, number);
        if let Some(column) = self.columns.get_mut(column) {
            column.numbers.push(number);
        }
    }

    pub(crate) fn string(&mut self, column: usize, string: &[u8]) {
        put_bytes(&mut self.plain, string);
        let Some(column) = self.columns.get_mut(column) else { return };
        let shared = column.last.iter().zip(string).take(SHARED).take_while(|(a, b)| a == b).count();
        let rest = string.get(shared..).unwrap_or_default();
        column.numbers.push(shared as u64);
        column.lengths.push(rest.len() as u64);
        column.bytes.extend_from_slice(rest);
        column.last.clear();
        column.last.extend_from_slice(string);
    }

    pub(crate) fn raw(&mut self, column: usize, bytes: &[u8]) {
        self.plain.extend_from_slice(bytes);
        if let Some(column) = self.columns.get_mut(column) {
            column.bytes.extend_from_slice(bytes);
        }
    }

    /// The smaller form, and whether that is the one by columns.
    pub(crate) fn finish(self) -> (Vec<u8>, bool) {
        // No table is smaller than its columns' lengths.
        if self.plain.len() <= self.columns.len() {
            return (self.plain, false);
        }
        let mut bytes = Vec::with_capacity(self.plain.len() / 2);
        for Column { numbers, lengths, bytes: rest, .. } in &self.columns {
            let mut column = Vec::new();
            if lengths.is_empty() {
                write(&mut column, numbers);
                column.extend_from_slice(rest);
            } else {
                for numbers in [numbers, lengths] {
                    let mut inner = Vec::new();
                    write(&mut inner, numbers);
                    put_bytes(&mut column, &inner);
                }
                column.extend_from_slice(rest);
            }
            put_bytes(&mut bytes, &column);
        }
        match bytes.len() < self.plain.len() {
            true => (bytes, true),
            false => (self.plain, false),
        }
    }
}

fn length_of(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

fn runs(numbers: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    numbers.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len() as u64 - 1)))
}

/// The least, and the bits for what each is above it.
fn frame(numbers: &[u64]) -> (u64, usize) {
    let least = numbers.iter().copied().min().unwrap_or(0);
    let most = numbers.iter().copied().max().unwrap_or(0);
    (least, 64 - (most - least).leading_zeros() as usize)
}

/// Writes numbers in the shape that takes least room; nothing if there are none.
fn write(to: &mut Vec<u8>, numbers: &[u64]) {
    let Some((first, rest)) = numbers.split_first() else { return };
    let differences: Vec<u64> =
        numbers.iter().zip(rest).map(|(a, b)| zigzag(b.wrapping_sub(*a) as i64)).collect();
    let sizes = |numbers: &[u64]| {
        let (least, width) = frame(numbers);
        [
            numbers.iter().map(|number| length_of(*number)).sum::<usize>(),
            runs(numbers).map(|(number, again)| length_of(number) + length_of(again)).sum(),
            length_of(least) + 1 + (numbers.len() * width).div_ceil(8),
        ]
    };
    let orders = [sizes(numbers), sizes(&differences).map(|size| size + length_of(*first))];
    let sizes = orders.iter().zip(0u8..).flat_map(|(sizes, order)| {
        sizes.iter().zip(0u8..).map(move |(size, shape)| (*size, order + 2 * shape))
    });
    let form = sizes.min().map_or(0, |(_, form)| form);
    to.push(form);
    let numbers = match form & 1 {
        0 => numbers,
        _ => {
            put(to, *first);
            &differences
        }
    };
    match form >> 1 {
        0 => numbers.iter().for_each(|number| put(to, *number)),
        1 => runs(numbers).for_each(|(number, again)| {
            put(to, number);
            put(to, again);
        }),
        _ => {
            let (least, width) = frame(numbers);
            put(to, least);
            to.push(width as u8);
            let (mut bits, mut held) = (0u128, 0);
            for number in numbers {
                bits |= u128::from(number - least) << held;
                held += width;
                while held >= 8 {
                    to.push(bits as u8);
                    bits >>= 8;
                    held -= 8;
                }
            }
            if held > 0 {
                to.push(bits as u8);
            }
        }
    }
}

/// A table that is read.
#[derive(Debug)]
pub(crate) enum Reader<'a> {
    Plain(&'a [u8]),
    Columns(Vec<Source<'a>>),
}

/// A column that is read.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Numbers(Numbers<'a>),
    Strings { shared: Numbers<'a>, lengths: Numbers<'a>, bytes: &'a [u8], last: Vec<u8> },
    Raw(&'a [u8]),
}

impl<'a> Reader<'a> {
    /// Of the form that [`Writer::finish`] gave.
    pub(crate) fn new(bytes: &'a [u8], by_columns: bool, layout: &[Shape]) -> Option<Reader<'a>> {
        if !by_columns {
            return Some(Reader::Plain(bytes));
        }
        let mut rest = bytes;
        let source = |shape: &Shape| {
            let mut bytes = counted(&mut rest)?;
            Some(match shape {
                Shape::Numbers => Source::Numbers(Numbers::new(bytes)?),
                Shape::Raw => Source::Raw(bytes),
                Shape::Strings if bytes.is_empty() => Source::Raw(bytes),
                Shape::Strings => {
                    let [shared, lengths] = [counted(&mut bytes)?, counted(&mut bytes)?];
                    let (shared, lengths) = (Numbers::new(shared)?, Numbers::new(lengths)?);
                    Source::Strings { shared, lengths, bytes, last: Vec::new() }
                }
            })
        };
        layout.iter().map(source).collect::<Option<_>>().map(Reader::Columns)
    }

    pub(crate) fn number(&mut self, column: usize) -> Option<u64> {
        match self {
            Reader::Plain(rest) => number(rest),
            Reader::Columns(columns) => match columns.get_mut(column)? {
                Source::Numbers(numbers) => numbers.next(),
                _ => None,
            },
        }
    }

    /// A number below 2³².
    pub(crate) fn small(&mut self, column: usize) -> Option<u32> {
        self.number(column)?.try_into().ok()
    }

    pub(crate) fn string(&mut self, column: usize) -> Option<String> {
        let bytes = match self {
            Reader::Plain(rest) => counted(rest)?.to_vec(),
            Reader::Columns(columns) => match columns.get_mut(column)? {
                Source::Strings { shared, lengths, bytes, last } => {
                    let shared = usize::try_from(shared.next()?).ok().filter(|shared| *shared <= SHARED)?;
                    let mut string = last.get(..shared)?.to_vec();
                    string.extend_from_slice(split(bytes, lengths.next()?)?);
                    last.clear();
                    last.extend_from_slice(&string);
                    string
                }
                _ => return None,
            },
        };
        String::from_utf8(bytes).ok()
    }

    pub(crate) fn raw(&mut self, column: usize, length: u64) -> Option<&'a [u8]> {
        match self {
            Reader::Plain(rest) => split(rest, length),
            Reader::Columns(columns) => match columns.get_mut(column)? {
                Source::Raw(rest) => split(rest, length),
                _ => None,
            },
        }
    }
}

/// The numbers of a column.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    rest: &'a [u8],
    shape: u8,
    /// The first, and then the last, of those that are given by differences.
    base: Option<u64>,
    is_first: bool,
    /// Of a run.
    run: (u64, u64),
    least: u64,
    width: u32,
    bits: u128,
    held: u32,
}

impl<'a> Numbers<'a> {
    fn new(mut rest: &'a [u8]) -> Option<Numbers<'a>> {
        let form = if rest.is_empty() { 0 } else { *split(&mut rest, 1)?.first()? };
        let (shape, by_differences) = (form >> 1, form & 1 == 1);
        let base = if by_differences { Some(number(&mut rest)?) } else { None };
        let (mut least, mut width) = (0, 0);
        match shape {
            0 | 1 => {}
            2 => {
                least = number(&mut rest)?;
                width = u32::from(*split(&mut rest, 1)?.first()?);
                (width <= 64).then_some(())?;
            }
            _ => return None,
        }
        let (run, bits, held) = ((0, 0), 0, 0);
        Some(Numbers { rest, shape, base, is_first: by_differences, run, least, width, bits, held })
    }

    fn next(&mut self) -> Option<u64> {
        if std::mem::take(&mut self.is_first) {
            return self.base;
        }
        let number = self.entry()?;
        match &mut self.base {
            None => Some(number),
            Some(base) => {
                *base = base.wrapping_add(unzigzag(number) as u64);
                Some(*base)
            }
        }
    }

    fn entry(&mut self) -> Option<u64> {
        match self.shape {
            0 => number(&mut self.rest),
            1 => {
                if self.run.1 == 0 {
                    let value = number(&mut self.rest)?;
                    self.run = (value, number(&mut self.rest)?.checked_add(1)?);
                }
                self.run.1 -= 1;
                Some(self.run.0)
            }
            _ => {
                while self.held < self.width {
                    let (byte, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    self.bits |= u128::from(*byte) << self.held;
                    self.held += 8;
                }
                let above = (self.bits & ((1 << self.width) - 1)) as u64;
                self.bits >>= self.width;
                self.held -= self.width;
                self.least.checked_add(above)
            }
        }
    }
}

/// A number of 64 bits, LEB128.
pub(crate) fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn split<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(bytes)
}

/// Bytes behind their length.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(rest)?;
    split(rest, length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAYOUT: [Shape; 4] = [Shape::Numbers, Shape::Numbers, Shape::Strings, Shape::Raw];

    /// Of each kind of numbers that there are shapes for.
    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        let few = prop::collection::vec(any::<u64>(), 0..6);
        let line = (any::<u64>(), 0u64..9, 0u64..90)
            .prop_map(|(at, step, count)| (0..count).map(|by| at.wrapping_add(by * step)).collect());
        let near = (any::<u32>(), prop::collection::vec(0u64..200_000, 0..90))
            .prop_map(|(at, by)| by.into_iter().map(|by| u64::from(at) + by).collect());
        let runs = prop::collection::vec((any::<u64>(), 1usize..20), 0..9)
            .prop_map(|runs| runs.into_iter().flat_map(|(it, many)| vec![it; many]).collect());
        prop_oneof![few, line, near, runs]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            a in numbers(), b in numbers(), strings in prop::collection::vec("[aä]{0,70}|[a-c]{0,3}", 0..40),
            raw in prop::collection::vec(any::<[u8; 8]>(), 0..9),
        ) {
            let mut writer = Writer::new(LAYOUT.len());
            a.iter().for_each(|it| writer.number(0, *it));
            b.iter().for_each(|it| writer.number(1, *it));
            strings.iter().for_each(|it| writer.string(2, it.as_bytes()));
            raw.iter().for_each(|it| writer.raw(3, it));
            let plain = writer.plain.len();
            let (bytes, by_columns) = writer.finish();
            prop_assert!(bytes.len() <= plain);
            let mut reader = Reader::new(&bytes, by_columns, &LAYOUT).unwrap();
            for (column, numbers) in [&a, &b].into_iter().enumerate() {
                for number in numbers {
                    prop_assert_eq!(reader.number(column), Some(*number));
                }
            }
            for string in &strings {
                let read = reader.string(2);
                prop_assert_eq!(read.as_ref(), Some(string));
            }
            for bytes in &raw {
                prop_assert_eq!(reader.raw(3, 8), Some(bytes.as_slice()));
            }
            prop_assert_eq!(reader.raw(3, 1), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), by_columns: bool) {
            let Some(mut reader) = Reader::new(&bytes, by_columns, &LAYOUT) else { return Ok(()) };
            for _ in 0..100 {
                let string = (reader.number(0), reader.number(1), reader.raw(3, 3), reader.string(2)).3;
                prop_assert!(string.is_none_or(|it| it.len() <= SHARED + bytes.len()));
            }
        }
    }

    #[test]
    fn columns_take_the_room_that_they_need() {
        let size = |numbers: &[u64]| {
            let mut bytes = Vec::new();
            write(&mut bytes, numbers);
            bytes.len()
        };
        let all = |number: fn(u64) -> u64| (0..1_000).map(number).collect::<Vec<u64>>();
        assert_eq!(size(&all(|_| 7)), 3, "no bits each");
        assert_eq!(size(&all(|at| 1_000 + 3 * at)), 5, "differences of no bits");
        assert_eq!(size(&all(|at| at / 500 * 1_000)), 1 + 3 + 4, "two runs");
        assert_eq!(size(&all(|at| at * at * 31 % 1_024)), 3 + 1_250, "ten bits each");
        assert_eq!(
            size(&all(|at| if at % 100 == 0 { 1 << 40 } else { at % 2 })),
            1 + 990 + 60,
            "few are long"
        );
    }
}
