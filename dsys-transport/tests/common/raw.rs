//! Peers without a node above their transport, which say what a test wants said.

use dsys_core::{NodeAddr, SecretKey};
use dsys_transport::{
    CloseReason, Connection, Node, Quic, QuicConnection, QuicRecv, QuicSend, StreamError, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{addr_of, quic, soon};

pub const CONTROL: &[u8] = b"\x0edsys/control/1";
/// A HELLO of instance 1 that speaks nothing, listens nowhere and saw nobody, as a frame.
pub const HELLO: &[u8] = &[5, 0, 1, 0, 0, 0];
pub const GOAWAY: &[u8] = &[1, 2];

/// A transport without a node above it, connected to the victim.
pub async fn intruder(victim: &Node) -> (Quic, QuicConnection) {
    let transport = quic(&SecretKey::generate().unwrap());
    let connection = transport.dial(&victim.addr()).await.unwrap();
    (transport, connection)
}

/// Says what a control stream begins with, and leaves it open.
pub async fn say(connection: &QuicConnection, bytes: &[&[u8]]) -> QuicSend {
    let mut control = connection.open_uni().await.unwrap();
    for part in bytes {
        control.write_all(part).await.unwrap();
    }
    control.flush().await.unwrap();
    control
}

/// Connects and says a proper HELLO; gives the connection once it is up.
pub async fn accepted(victim: &Node) -> (Quic, QuicConnection, (QuicSend, QuicRecv)) {
    let (transport, connection) = intruder(victim).await;
    let control = say(&connection, &[CONTROL, HELLO]).await;
    let theirs = soon("the victim's HELLO", connection.accept_uni()).await.unwrap();
    (transport, connection, (control, theirs))
}

/// A transport that accepts a node's dial and says a proper HELLO. The control streams must be kept.
pub struct Host {
    pub transport: Quic,
    pub addr: NodeAddr,
}

impl Host {
    pub fn new() -> Self {
        Self::of(&SecretKey::generate().unwrap())
    }

    pub fn of(secret: &SecretKey) -> Self {
        let transport = quic(secret);
        Host { addr: addr_of(&transport), transport }
    }

    /// Accepts the next connection, and a node's HELLO on it.
    pub async fn welcome(&self) -> (QuicConnection, (QuicSend, QuicRecv)) {
        let connection = soon("a dial", self.transport.accept()).await.unwrap();
        let theirs = soon("a HELLO", connection.accept_uni()).await.unwrap();
        let ours = say(&connection, &[CONTROL, HELLO]).await;
        (connection, (ours, theirs))
    }
}

/// Two keys, the one with the smaller id first.
pub fn two_keys() -> (SecretKey, SecretKey) {
    loop {
        let (one, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        if one.public() < other.public() {
            return (one, other);
        }
    }
}

/// Reads until an error comes, and gives it.
pub async fn read_error(recv: &mut (impl AsyncReadExt + Unpin)) -> Option<StreamError> {
    let mut bytes = Vec::new();
    let error = soon("the stream ends", recv.read_to_end(&mut bytes)).await.err()?;
    StreamError::of(&error).cloned()
}

/// Writes until an error comes, and gives it.
pub async fn write_error(send: &mut (impl AsyncWriteExt + Unpin)) -> Option<StreamError> {
    soon("a write fails", async {
        loop {
            if let Err(error) = send.write_all(b"more").await {
                return StreamError::of(&error).cloned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await
}

pub async fn closed_with(connection: &QuicConnection, expected: u32, hint: &str) {
    match soon("the connection is closed", connection.closed()).await {
        CloseReason::Peer { code, reason } => {
            assert_eq!(code, expected, "{reason}");
            assert!(reason.contains(hint), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

/// What the victim says of a peer's address, as a HELLO.
pub fn hello_that_saw(addr: [u8; 4], port: u8) -> Vec<u8> {
    let [a, b, c, d] = addr;
    // Instance 1, no protocols, no addresses, and one that was seen: IPv4, its port below 128.
    vec![11, 0, 1, 0, 0, 1, 0, a, b, c, d, port]
}
