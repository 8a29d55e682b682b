//! The control stream of a connection: HELLO, then what changes (protocols), then GOAWAY and the drain.
//!
//! Each side opens one one-way stream with the tag `dsys/control/1` before any other. Its first frame is the HELLO.
//! The acceptor sends its own only when it takes the connection, so the dialler knows by it that it is welcome. The
//! dialler may send requests behind its own HELLO before that; an acceptor that declines (DUPLICATE, REFUSED) has looked
//! at none of them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::erased::{BoxRecv, BoxSend};
use super::stream::{RecvHalf, SendHalf};
use crate::frame::{self, FrameError, FrameReader};
use crate::tag::Tag;
use crate::transport::Connection;

/// The longest control frame, in bytes: 64 tags of 64 bytes and some addresses.
pub(super) const MAX_FRAME: usize = 8 * 1024;
/// The most protocols that a node speaks.
pub(super) const MAX_PROTOCOLS: usize = 64;
const TAG: &[u8] = b"dsys/control/1";

/// What nodes say on the control stream. Golden bytes: `tests/wire.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Control {
    /// The first frame, and never again.
    Hello(Hello),
    /// The protocols spoken from now on.
    Protocols(Vec<Tag>),
    /// No more streams will be accepted: finish what is open.
    GoAway,
    /// All streams that the sender of this has opened on the connection, so many, are over at its end. Whoever
    /// receives it closes the connection once they are over at this end, too, and nothing that was sent is lost.
    Drained {
        /// Streams of both kinds, without the control stream.
        streams: u64,
    },
}

/// What a node says of itself when a connection stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Drawn at random when the node started: tells a restarted peer from one that dials twice.
    pub(crate) instance: u64,
    /// The protocols it speaks.
    pub(crate) protocols: Vec<Tag>,
    /// Where it listens, as far as it knows: claims.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where it sees the receiver's packets come from.
    pub(crate) observed: Option<SocketAddr>,
}

/// How an exchange of HELLOs failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    #[error("the peer's first stream is not its control stream")]
    NotControl,
    #[error("the peer's first frame is not a HELLO")]
    NotHello,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Closed(#[from] crate::CloseReason),
}

/// Opens our control stream and says HELLO.
pub(super) async fn send<C: Connection>(connection: &C, hello: Hello) -> Result<SendHalf, HelloError> {
    let stream: BoxSend = Box::new(connection.open_uni().await?);
    let mut stream = SendHalf::untagged(stream, None);
    let mut bytes = Vec::with_capacity(256);
    bytes.push(TAG.len() as u8);
    bytes.extend_from_slice(TAG);
    frame::encode(&Control::Hello(hello), MAX_FRAME, &mut bytes)?;
    stream.write_chunk(bytes.into()).await.map_err(FrameError::Io)?;
    Ok(stream)
}

/// Waits for the peer's control stream and its HELLO.
pub(super) async fn receive<C: Connection>(connection: &C) -> Result<(Hello, FrameReader), HelloError> {
    let stream: BoxRecv = Box::new(connection.accept_uni().await?);
    let mut stream = RecvHalf::untagged(stream, None);
    match stream.read_tag().await {
        Ok(Some(tag)) if tag.as_bytes() == TAG => {}
        _ => return Err(HelloError::NotControl),
    }
    let mut frames = FrameReader::new(stream, MAX_FRAME);
    match next(&mut frames).await? {
        Some(Control::Hello(hello)) => Ok((hello, frames)),
        _ => Err(HelloError::NotHello),
    }
}

/// The next control frame; `None` if the peer finished the stream. Cancel safety: safe.
pub(super) async fn next(frames: &mut FrameReader) -> Result<Option<Control>, FrameError> {
    frames.next().await?.map(|bytes| decode(&bytes)).transpose()
}

fn decode(bytes: &[u8]) -> Result<Control, FrameError> {
    let control: Control = frame::decode(bytes)?;
    let (Control::Hello(Hello { protocols, .. }) | Control::Protocols(protocols)) = &control else {
        return Ok(control);
    };
    if protocols.len() > MAX_PROTOCOLS {
        return Err(FrameError::TooLong { size: protocols.len(), max: MAX_PROTOCOLS });
    }
    Ok(control)
}

/// A control frame's bytes are refused, or are one value within the bounds.
#[cfg(any(test, fuzzing))]
pub(crate) fn assert_control(bytes: &[u8]) {
    let Ok(control) = decode(bytes) else { return };
    if let Control::Hello(Hello { protocols, .. }) | Control::Protocols(protocols) = &control {
        assert!(protocols.len() <= MAX_PROTOCOLS);
    }
    let mut frame = Vec::new();
    assert!(frame::encode(&control, bytes.len(), &mut frame).is_ok(), "longer than it was: {control:?}");
    let again = frame::payload(&frame).map(decode);
    assert!(matches!(again, Some(Ok(again)) if again == control), "{control:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(control: &Control) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::encode(control, MAX_FRAME, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn golden_bytes() {
        let hello = Hello {
            instance: 300,
            protocols: vec![Tag::new("a/1").unwrap(), Tag::new("b/2").unwrap()],
            listen: vec!["127.0.0.1:7000".parse().unwrap()],
            observed: Some("[::1]:9".parse().unwrap()),
        };
        let mut expected = vec![0xa8, 0x00, 0, 0xac, 0x02, 2];
        expected.extend(b"\x03a/1\x03b/2");
        expected.extend([1, 0, 127, 0, 0, 1, 0xd8, 0x36]);
        expected.extend([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
        let bytes = frame(&Control::Hello(hello.clone()));
        // The length in one byte, as it is below 128.
        let length = expected.len() - 2;
        expected.splice(0..2, [length as u8]);
        assert_eq!(bytes, expected);
        assert_eq!(frame::decode::<Control>(&bytes[1..]).unwrap(), Control::Hello(hello));
        let tags = vec![Tag::new("a/1").unwrap()];
        assert_eq!(frame(&Control::Protocols(tags)), b"\x06\x01\x01\x03a/1");
        assert_eq!(frame(&Control::GoAway), [1, 2]);
        assert_eq!(frame(&Control::Drained { streams: 300 }), [3, 3, 0xac, 0x02]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_control_frame_or_an_error(bytes: Vec<u8>) {
            assert_control(&bytes);
        }
    }
}
