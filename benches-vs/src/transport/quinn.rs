//! quinn by itself, with its default configuration.

use std::net::SocketAddr;

use bytes::Bytes;
use quinn::{Connection, Endpoint};

use super::{Mode, Stack, quinn_tls};

/// Raw quinn.
#[derive(Debug)]
pub struct Quinn;

/// An endpoint that serves.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    _endpoint: Endpoint,
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
                Mode::Sink => while let Ok(Some(_)) = recv.read_chunk(usize::MAX, true).await {},
            }
            let _ = send.finish();
        });
    }
}

impl Stack for Quinn {
    const NAME: &'static str = "quinn 0.11.12";
    type Server = Server;
    type Client = Endpoint;
    type Link = Connection;

    async fn server(mode: Mode) -> Server {
        let endpoint = Endpoint::server(quinn_tls::server(), ([127, 0, 0, 1], 0).into()).expect("a socket");
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
        Server { addr: endpoint.local_addr().expect("it is bound"), _endpoint: endpoint }
    }

    async fn client() -> Endpoint {
        let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a socket");
        endpoint.set_default_client_config(quinn_tls::client());
        endpoint
    }

    async fn dial(client: &Endpoint, server: &Server) -> Connection {
        client.connect(server.addr, "bench.invalid").expect("a sound name").await.expect("a connection")
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
        assert!(recv.read_chunk(1, true).await.expect("a clean end").is_none());
    }

    async fn close(client: Endpoint) {
        client.close(0u32.into(), b"");
        client.wait_idle().await;
    }
}
