//! dsys-transport: a `Node` over QUIC.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId, SecretKey};
use dsys_transport::{Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig, Service, Tag};

use super::{Mode, Stack};

/// With the configuration of a preset.
#[derive(Debug)]
pub struct DsysWith<P>(PhantomData<P>);

/// With the default configuration: 127.0.0.1 gets packets of 4,096 bytes.
pub type Dsys = DsysWith<Wan>;
/// With the preset for local networks.
pub type DsysLan = DsysWith<Lan>;
/// With the default configuration, and packets as over the Internet.
pub type DsysInternet = DsysWith<Internet>;

/// A configuration with a name.
pub trait Preset: Send + Sync + 'static {
    /// How it is printed.
    const NAME: &'static str;
    /// The configuration.
    fn config() -> QuicConfig;
}

/// See [`Dsys`].
#[derive(Debug)]
pub struct Wan;
/// See [`DsysLan`].
#[derive(Debug)]
pub struct Lan;
/// See [`DsysInternet`].
#[derive(Debug)]
pub struct Internet;

impl Preset for Wan {
    const NAME: &'static str = "dsys-transport";
    fn config() -> QuicConfig {
        QuicConfig::wan()
    }
}

impl Preset for Lan {
    const NAME: &'static str = "dsys-transport, lan()";
    fn config() -> QuicConfig {
        QuicConfig::lan()
    }
}

impl Preset for Internet {
    const NAME: &'static str = "dsys-transport, packets of 1,452 bytes";
    fn config() -> QuicConfig {
        let mut config = QuicConfig::wan();
        config.loopback_udp_payload = config.max_udp_payload;
        config
    }
}

/// How many protocols a server speaks: one connection carries them all.
pub const PROTOCOLS: [&str; 6] = ["bench/1", "bench/2", "bench/3", "bench/4", "bench/5", "bench/6"];

/// A node that serves.
#[derive(Debug)]
pub struct Server {
    addr: NodeAddr,
    _node: Node,
    _services: Vec<Service>,
}

/// A connection, which belongs to the node.
#[derive(Clone, Debug)]
pub struct Link {
    node: Node,
    peer: NodeId,
}

impl Link {
    /// Calls the server on each of its protocols.
    pub async fn call_on_all(&self, request: Bytes) {
        for name in PROTOCOLS {
            let answer = self.node.request(self.peer, tag(name), request.clone()).await.expect("an answer");
            assert_eq!(answer.len(), request.len());
        }
    }
}

fn tag(name: &str) -> Tag {
    Tag::new(name).expect("a sound tag")
}

fn node(config: QuicConfig) -> Node {
    let secret = SecretKey::generate().expect("the system has randomness");
    let quic = Quic::bind(&secret, &[([127, 0, 0, 1], 0).into()], config).expect("a socket");
    Node::new(quic, NodeConfig::default())
}

fn serve(mode: Mode, config: QuicConfig) -> Server {
    let node = node(config);
    let mut services = Vec::new();
    for name in PROTOCOLS {
        if mode == Mode::Echo || name != PROTOCOLS[0] {
            let echo = |_, request| async move { Ok(request) };
            let service = node.serve(name, ProtocolConfig::default(), RpcConfig::default(), echo);
            services.push(service.expect("the tag is free"));
        }
    }
    if mode == Mode::Sink {
        let protocol = node.protocol(PROTOCOLS[0], ProtocolConfig::default()).expect("the tag is free");
        tokio::spawn(async move {
            while let Some(mut incoming) = protocol.accept().await {
                tokio::spawn(async move {
                    while let Ok(Some(_)) = incoming.stream.recv.read_chunk(usize::MAX).await {}
                    // If this fails the client notices.
                    let _ = incoming.stream.finish().await;
                });
            }
        });
    }
    Server { addr: node.addr(), _node: node, _services: services }
}

async fn dial(node: &Node, server: &Server) -> Link {
    node.connect(server.addr.clone()).await.expect("a connection");
    Link { node: node.clone(), peer: server.addr.id }
}

async fn call(link: &Link, request: Bytes) -> Bytes {
    link.node.request(link.peer, tag(PROTOCOLS[0]), request).await.expect("an answer")
}

async fn send(link: &Link, chunk: Bytes, count: usize) {
    let mut stream = link.node.open(link.peer, tag(PROTOCOLS[0])).await.expect("a stream");
    for _ in 0..count {
        stream.send.write_chunk(chunk.clone()).await.expect("it is taken");
    }
    stream.finish().await.expect("it is taken");
    assert!(stream.recv.read_chunk(1).await.expect("a clean end").is_none());
}

async fn close(node: Node) {
    node.shutdown(Duration::from_secs(1)).await;
}

impl<P: Preset> Stack for DsysWith<P> {
    const NAME: &'static str = P::NAME;
    type Server = Server;
    type Client = Node;
    type Link = Link;

    async fn server(mode: Mode) -> Server {
        serve(mode, P::config())
    }
    async fn client() -> Node {
        node(P::config())
    }
    async fn dial(client: &Node, server: &Server) -> Link {
        dial(client, server).await
    }
    async fn call(link: &Link, request: Bytes) -> Bytes {
        call(link, request).await
    }
    async fn dial_and_call(client: &Node, server: &Server, request: Bytes) -> (Link, Bytes) {
        // A request dials by itself, and does not wait for the peer's HELLO.
        let answer =
            client.request(server.addr.clone(), tag(PROTOCOLS[0]), request).await.expect("an answer");
        (Link { node: client.clone(), peer: server.addr.id }, answer)
    }
    async fn send(link: &Link, chunk: Bytes, count: usize) {
        send(link, chunk, count).await;
    }
    async fn close(client: Node) {
        close(client).await;
    }
}
