//! Two endpoints in one program; one says hello.

use std::error::Error;

use iroh::endpoint::presets;
use iroh::{Endpoint, EndpointAddr, RelayMode};

const ALPN: &[u8] = b"hello/1";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (one, other) = (endpoint().await?, endpoint().await?);
    let mut addr = EndpointAddr::new(other.id());
    for socket in other.bound_sockets() {
        addr = addr.with_ip_addr(socket);
    }
    let serving = other.clone();
    tokio::spawn(async move {
        while let Some(incoming) = serving.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                    if let Ok(request) = recv.read_to_end(1 << 20).await {
                        let _ = send.write_all(&request).await;
                    }
                    let _ = send.finish();
                }
            });
        }
    });
    let connection = one.connect(addr, ALPN).await?;
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(b"hello").await?;
    send.finish()?;
    println!("{}", String::from_utf8_lossy(&recv.read_to_end(1 << 20).await?));
    one.close().await;
    other.close().await;
    Ok(())
}

async fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    Ok(Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await?)
}
