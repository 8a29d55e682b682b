//! Frames: a length and a postcard value.
//!
//! ```text
//! length (LEB128, at most 5 bytes) | postcard value
//! ```

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::node::RecvHalf;

/// Why a frame was not read or written. After a read error the stream is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame says that it is longer than the protocol allows, or the value to send is.
    #[error("a frame of {size} bytes, where at most {max} are allowed")]
    TooLong {
        /// Its length, in bytes.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// The bytes are no value of the expected type.
    #[error("a frame that does not decode: {0}")]
    Malformed(String),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Cut,
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Appends the frame of `value` to `to`; at most `max` bytes of value.
///
/// # Errors
/// [`FrameError::TooLong`]; `to` is unchanged.
pub fn encode<T: Serialize>(value: &T, max: usize, to: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = to.len();
    // The length is known only afterwards; most frames need two bytes for it, so two are kept free.
    to.extend([0, 0]);
    if let Err(error) = postcard::serialize_with_flavor(value, Appended(to)) {
        to.truncate(start);
        return Err(FrameError::Malformed(error.to_string()));
    }
    let size = to.len() - start - 2;
    if size > max.min(u32::MAX as usize) {
        to.truncate(start);
        return Err(FrameError::TooLong { size, max });
    }
    let mut length = [0; 5];
    let used = write_length(size as u32, &mut length);
    let length = length.get(..used).unwrap_or_default();
    if used == 2 {
        if let Some(room) = to.get_mut(start..start + 2) {
            room.copy_from_slice(length);
        }
    } else {
        to.splice(start..start + 2, length.iter().copied());
    }
    Ok(())
}

/// Decodes one value that fills `bytes` to the end.
///
/// # Errors
/// [`FrameError::Malformed`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(FrameError::Malformed(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(FrameError::Malformed(error.to_string())),
    }
}

/// Reads frames off a stream. What has arrived of the next frame is kept here, so a dropped
/// [`next`](FrameReader::next) loses nothing. It never holds more than one frame and one chunk of the transport.
#[derive(Debug)]
pub struct FrameReader {
    stream: RecvHalf,
    held: BytesMut,
    max: usize,
}

impl FrameReader {
    /// Frames of at most `max` bytes.
    pub fn new(stream: RecvHalf, max: usize) -> Self {
        FrameReader { stream, held: BytesMut::new(), max }
    }

    /// The next frame's bytes; `None` at the clean end of the stream.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no more use then.
    ///
    /// # Cancel safety
    /// Safe: what was read stays here.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = take(&mut self.held, self.max)? {
                return Ok(Some(frame));
            }
            match self.stream.read_chunk(64 * 1024).await? {
                Some(chunk) => self.held.extend_from_slice(&chunk),
                None if self.held.is_empty() => return Ok(None),
                None => return Err(FrameError::Cut),
            }
        }
    }

    /// The stream, to stop it with a code. Bytes already read ahead are lost to it.
    pub fn into_inner(self) -> RecvHalf {
        self.stream
    }
}

/// Takes the first frame off the front of `held`, if all of it is there.
pub(crate) fn take(held: &mut BytesMut, max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some((size, used)) = read_length(held)? else {
        return Ok(None);
    };
    let size = size as usize;
    if size > max {
        return Err(FrameError::TooLong { size, max });
    }
    if held.len() < used + size {
        return Ok(None);
    }
    held.advance(used);
    Ok(Some(held.split_to(size).freeze()))
}

/// The value's bytes in a buffer that holds one frame.
pub(crate) fn payload(frame: &[u8]) -> Option<&[u8]> {
    let (size, used) = read_length(frame).ok()??;
    frame.get(used..used + size as usize)
}

/// Lets postcard write at the end of a buffer.
struct Appended<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appended<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// LEB128: seven bits a byte, the low ones first, the high bit set on all but the last.
pub(crate) fn write_length(mut value: u32, to: &mut [u8; 5]) -> usize {
    let mut used = 0;
    for byte in to.iter_mut() {
        used += 1;
        *byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            break;
        }
        *byte |= 0x80;
    }
    used
}

/// The length at the front of `bytes` and how many bytes it took; `None` if it is not all there yet.
fn read_length(bytes: &[u8]) -> Result<Option<(u32, usize)>, FrameError> {
    let mut value = 0u32;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        let bits = u32::from(byte & 0x7f);
        // The fifth byte has room for four bits; a last byte of zero is a longer form of a shorter length.
        if (at == 4 && byte > 0x0f) || (at > 0 && byte == 0) {
            return Err(FrameError::Malformed("a length that no encoder writes".into()));
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_return(value: u32) {
            let mut bytes = [0; 5];
            let used = write_length(value, &mut bytes);
            prop_assert_eq!(read_length(&bytes[..used]).unwrap(), Some((value, used)));
            prop_assert_eq!(read_length(&bytes[..used - 1]).unwrap(), None);
        }

        #[test]
        fn a_length_has_one_form(bytes: Vec<u8>) {
            if let Ok(Some((value, used))) = read_length(&bytes) {
                let mut again = [0; 5];
                prop_assert_eq!(write_length(value, &mut again), used);
                prop_assert_eq!(&again[..used], &bytes[..used]);
            }
        }

        #[test]
        fn frames_return(first: Vec<u8>, second: String) {
            let mut bytes = Vec::new();
            encode(&first, 1 << 20, &mut bytes).unwrap();
            let end = bytes.len();
            encode(&second, 1 << 20, &mut bytes).unwrap();
            let (size, used) = read_length(&bytes).unwrap().unwrap();
            prop_assert_eq!(size as usize + used, end);
            prop_assert_eq!(decode::<Vec<u8>>(&bytes[used..end]).unwrap(), first);
            let (_, used) = read_length(&bytes[end..]).unwrap().unwrap();
            prop_assert_eq!(decode::<String>(&bytes[end + used..]).unwrap(), second);
        }
    }

    #[test]
    fn a_value_above_the_bound_leaves_the_buffer_alone() {
        let mut bytes = vec![7];
        assert!(matches!(
            encode(&vec![0u8; 10], 10, &mut bytes),
            Err(FrameError::TooLong { size: 11, max: 10 })
        ));
        assert_eq!(bytes, [7]);
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        assert_eq!(decode::<u8>(&[5]).unwrap(), 5);
        assert!(decode::<u8>(&[5, 0]).is_err());
    }
}
