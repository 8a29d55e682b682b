//! What holds for whatever a peer sends. Compiled for our own tests and under `cargo fuzz` only; `fuzz/` at the root
//! of the repository has a target for each function.

use bytes::{Bytes, BytesMut};
use dsys_core::{NodeAddr, NodeId};
use serde::{Deserialize, Serialize};

use crate::frame;
use crate::tag::{Prefix, Tag};

/// The front of a stream is a tag in its one form, may become one, or never will.
pub fn tag(bytes: &[u8]) {
    match Tag::read_prefix(bytes) {
        Prefix::Tag(tag, used) => {
            assert_eq!(Some(&tag.prefix()[..]), bytes.get(..used));
            assert_eq!(Tag::new(tag.as_str()), Ok(tag));
            for shorter in (0..used).filter_map(|length| bytes.get(..length)) {
                assert_eq!(Tag::read_prefix(shorter), Prefix::Incomplete);
            }
        }
        // So nobody is made to hold more than this while a tag arrives.
        Prefix::Incomplete => assert!(bytes.len() <= Tag::MAX),
        Prefix::Malformed => {
            assert_eq!(Tag::read_prefix(&[bytes, &[b'a'; 64]].concat()), Prefix::Malformed);
        }
    }
}

/// Frames are the same in whatever pieces they come, keep to their bound and have one form; their values return. The
/// first two bytes choose the bound and the size of a piece.
pub fn frames(bytes: &[u8]) {
    let [max, piece, stream @ ..] = bytes else { return };
    let max = 1 << (max % 16);
    let (frames, error) = read([stream], max);
    assert_eq!(read(stream.chunks(usize::from(*piece).max(1)), max), (frames.clone(), error));
    let mut again = Vec::new();
    for frame in &frames {
        assert!(frame.len() <= max);
        let mut length = [0; 5];
        let used = frame::write_length(frame.len() as u32, &mut length);
        again.extend(length.iter().take(used));
        again.extend(frame);
        value(frame);
    }
    assert!(stream.starts_with(&again));
}

/// A control frame is refused, or is one value within the bounds.
pub fn control(bytes: &[u8]) {
    crate::node::assert_control(bytes);
}

/// An address is refused, or is bounded, without repetition, and returns.
pub fn addr(bytes: &[u8]) {
    let Ok(addr) = frame::decode::<NodeAddr>(bytes) else { return };
    assert!(addr.direct().len() <= NodeAddr::MAX_DIRECT);
    let distinct: std::collections::BTreeSet<_> = addr.direct().iter().collect();
    assert_eq!(distinct.len(), addr.direct().len());
    assert_eq!(encoded(&addr, bytes.len()).and_then(|bytes| frame::decode(&bytes).ok()), Some(addr));
}

/// An mDNS record, here one `key=value` a line, is refused or names a node that can be dialled.
#[cfg(feature = "mdns")]
pub fn mdns_record(text: &str) {
    let pairs: Vec<(String, String)> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
    let hosts: Vec<_> = text.lines().filter_map(|line| line.parse().ok()).collect();
    crate::mdns::assert_record(&pairs, &hosts);
}

/// All frames of a stream that comes in these pieces, and what ended it before its end.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> (Vec<Bytes>, Option<String>) {
    let (mut held, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match frame::take(&mut held, max) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.to_string())),
            }
        }
        // Less than one whole frame waits.
        assert!(held.len() < max + 5);
    }
    (frames, None)
}

/// One of each of what messages are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sample {
    Unit,
    Numbers(u8, u16, u32, u64, i64, u128),
    Text(String),
    Parts { ids: Vec<NodeId>, bytes: Option<Vec<u8>>, tag: Tag },
}

fn value(frame: &[u8]) {
    let Ok(value) = frame::decode::<Sample>(frame) else { return };
    // Varints may come longer than need be, never shorter.
    let bytes = encoded(&value, frame.len());
    assert_eq!(bytes.as_ref().and_then(|bytes| frame::decode(bytes).ok()), Some(value.clone()));
    let size = bytes.map_or(0, |bytes| bytes.len());
    let mut full = vec![7];
    assert!(frame::encode(&value, size - 1, &mut full).is_err());
    assert_eq!(full, [7]);
}

fn encoded<T: Serialize>(value: &T, max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    frame::encode(value, max, &mut bytes).ok()?;
    frame::payload(&bytes).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            tag(&bytes);
            frames(&bytes);
            control(&bytes);
            addr(&bytes);
        }

        #[test]
        fn tags_and_what_is_almost_one(length in 0..70u8, text in "[a-z0-9/]{0,80}") {
            tag(&[&[length], text.as_bytes()].concat());
        }

        #[test]
        fn frames_of_values(max in 0..16u8, piece: u8, texts: Vec<String>, kind in 0..4u8) {
            let mut bytes = vec![max, piece];
            for text in texts {
                let value = match kind {
                    0 => Sample::Unit,
                    1 => Sample::Numbers(1, 2, 300, u64::MAX, -1, 1 << 100),
                    2 => Sample::Text(text),
                    _ => Sample::Parts {
                        ids: vec![NodeId::from_number(1); text.len() % 3],
                        bytes: Some(text.into()),
                        tag: Tag::from_static("a/1"),
                    },
                };
                frame::encode(&value, 1 << 20, &mut bytes).unwrap();
            }
            frames(&bytes);
        }

        #[test]
        fn addresses_with_repetitions(id: [u8; 32], ports in prop::collection::vec(0..300u16, 0..20)) {
            let direct: Vec<std::net::SocketAddr> =
                ports.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect();
            addr(&encoded(&(NodeId::from_bytes(id), direct), 1 << 20).unwrap());
        }
    }
}
