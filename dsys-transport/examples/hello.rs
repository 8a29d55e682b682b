//! Two nodes and a request. `cargo run -p dsys-transport --example hello` serves and prints a ticket;
//! with that ticket as its argument, in another terminal or on another machine, it asks.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use dsys_core::{SecretKey, Ticket};
use dsys_transport::{Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig, Tag};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let quic = Quic::bind(&SecretKey::generate()?, &[], QuicConfig::wan())?;
    let node = Node::new(quic, NodeConfig::default());

    if let Some(ticket) = std::env::args().nth(1) {
        let Ticket(peer) = ticket.parse()?;
        let answer = node.request(peer, Tag::from_static("greet/1"), "stranger").await?;
        println!("{}", String::from_utf8_lossy(&answer));
        node.shutdown(Duration::from_secs(3)).await;
        return Ok(());
    }

    let limits = (ProtocolConfig::default(), RpcConfig::default());
    let _service = node.serve("greet/1", limits.0, limits.1, |peer, name| async move {
        println!("{} calls", peer.short());
        Ok(format!("hello {}", String::from_utf8_lossy(&name)).into())
    })?;
    println!("{}", node.ticket());
    std::future::pending().await
}
