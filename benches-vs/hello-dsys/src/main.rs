//! Two nodes in one program; one says hello.

use std::error::Error;
use std::time::Duration;

use dsys_core::SecretKey;
use dsys_transport::{Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig, Tag};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (one, other) = (node()?, node()?);
    let echo = |_, request| async move { Ok(request) };
    let _service = other.serve("hello/1", ProtocolConfig::default(), RpcConfig::default(), echo)?;
    let answer = one.request(other.addr(), Tag::new("hello/1")?, "hello").await?;
    println!("{}", String::from_utf8_lossy(&answer));
    one.shutdown(Duration::from_secs(1)).await;
    other.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

fn node() -> Result<Node, Box<dyn Error>> {
    let quic = Quic::bind(&SecretKey::generate()?, &["127.0.0.1:0".parse()?], QuicConfig::wan())?;
    Ok(Node::new(quic, NodeConfig::default()))
}
