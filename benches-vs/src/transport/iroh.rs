//! iroh with relays off, without discovery, on the loopback interface.

use bytes::Bytes;
use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode};

use super::{Mode, Stack};

/// iroh's endpoint.
#[derive(Debug)]
pub struct Iroh;

const ALPN: &[u8] = b"bench";

/// An endpoint that serves.
#[derive(Debug)]
pub struct Server {
    addr: EndpointAddr,
    _endpoint: Endpoint,
}

async fn endpoint() -> Endpoint {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("a sound address")
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await
        .expect("a socket")
}

async fn serve(connection: Connection, mode: Mode) {
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        tokio::spawn(async move {
            // Whatever fails here, the client notices.
            match mode {
                Mode::Echo => {
                    if let Ok(request) = recv.read_to_end(1 << 20).await {
                        let _ = send.write_all(&request).await;
                    }
                }
                Mode::Sink => while let Ok(Some(_)) = recv.read_chunk(usize::MAX).await {},
            }
            let _ = send.finish();
        });
    }
}

impl Stack for Iroh {
    const NAME: &'static str = "iroh 1.4.1";
    type Server = Server;
    type Client = Endpoint;
    type Link = Connection;

    async fn server(mode: Mode) -> Server {
        let endpoint = endpoint().await;
        let accept = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accept.accept().await {
                tokio::spawn(async move {
                    if let Ok(connection) = incoming.await {
                        serve(connection, mode).await;
                    }
                });
            }
        });
        let mut addr = EndpointAddr::new(endpoint.id());
        for socket in endpoint.bound_sockets() {
            addr = addr.with_ip_addr(socket);
        }
        Server { addr, _endpoint: endpoint }
    }

    async fn client() -> Endpoint {
        endpoint().await
    }

    async fn dial(client: &Endpoint, server: &Server) -> Connection {
        client.connect(server.addr.clone(), ALPN).await.expect("a connection")
    }

    async fn call(link: &Connection, request: Bytes) -> Bytes {
        let (mut send, mut recv) = link.open_bi().await.expect("a stream");
        send.write_all(&request).await.expect("it is taken");
        send.finish().expect("it is open");
        recv.read_to_end(1 << 20).await.expect("an answer").into()
    }

    async fn send(link: &Connection, chunk: Bytes, count: usize) {
        let (mut send, mut recv) = link.open_bi().await.expect("a stream");
        for _ in 0..count {
            send.write_chunk(chunk.clone()).await.expect("it is taken");
        }
        send.finish().expect("it is open");
        assert!(recv.read_chunk(1).await.expect("a clean end").is_none());
    }

    async fn close(client: Endpoint) {
        client.close().await;
    }
}
