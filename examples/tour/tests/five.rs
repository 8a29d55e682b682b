//! A folder reaches everybody, over both transports, and past one who lies.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsys_core::SecretKey;
use dsys_dht::{Dht, Key};
use dsys_gossip::Gossip;
use dsys_transport::{MemoryNetwork, Node, NodeConfig, ProtocolConfig, Quic, QuicConfig, RpcConfig};
use tour::manifest::CHUNK;
use tour::scan::scan;
use tour::store::Store;
use tour::{Participant, Role, spread};

const LIMIT: Duration = Duration::from_secs(60);

fn sample(folder: &Path) -> PathBuf {
    let folder = folder.join("shared");
    for (path, size) in
        [("a/b/c", 3 * CHUNK + 7), ("a/even", CHUNK), ("empty", 0), ("one", 1), ("z", CHUNK / 2)]
    {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..size).map(|at| (at / 251 + size) as u8).collect();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn source(folder: &Path) -> Store {
    Store::source(folder.into(), Arc::new(scan(folder).unwrap().manifest))
}

fn memory(count: u8) -> Vec<Node> {
    let network = MemoryNetwork::new();
    let node = |number| {
        let secret = SecretKey::from_bytes([number; 32]);
        Node::new(network.transport_of(&secret), NodeConfig::default())
    };
    (1..=count).map(node).collect()
}

fn quic(count: u8) -> Vec<Node> {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let node = |_| {
        let secret = SecretKey::generate().unwrap();
        let quic = Quic::bind(&secret, &[any], QuicConfig::lan()).unwrap();
        Node::new(quic, NodeConfig::default())
    };
    (1..=count).map(node).collect()
}

async fn everybody_gets_it(nodes: Vec<Node>) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = sample(temporary.path());
    let folders: Vec<PathBuf> = (1..5).map(|at| temporary.path().join(format!("copy-{at}"))).collect();
    let participants = spread(&nodes, source(&folder), &folders).await.unwrap();
    for participant in &participants {
        participant.publish().await;
    }
    for participant in &participants {
        tokio::time::timeout(LIMIT, participant.status().finished()).await.unwrap().unwrap();
    }
    let shared = scan(&folder).unwrap().manifest;
    for copy in &folders {
        let copy = scan(copy).unwrap();
        assert_eq!(copy.notes, [""; 0]);
        assert_eq!(copy.manifest.files(), shared.files());
        assert!((0..shared.chunk_count()).all(|at| copy.manifest.chunk(at) == shared.chunk(at)));
    }
    drop(participants);
    for node in nodes {
        node.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_get_it_over_memory() {
    everybody_gets_it(memory(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_get_it_over_quic() {
    everybody_gets_it(quic(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_sends_wrong_chunks_is_named_and_not_asked_again() {
    let temporary = tempfile::tempdir().unwrap();
    let (folder, out) = (sample(temporary.path()), temporary.path().join("copy"));
    let nodes = memory(3);
    let [honest, liar, fetcher] = nodes.as_slice() else { panic!("three nodes") };

    // The liar announces the true folder, claims every chunk, and sends garbage of the right length.
    let manifest = scan(&folder).unwrap().manifest;
    let (list, lengths) = (Bytes::from(manifest.encode().unwrap()), manifest.clone());
    let root: [u8; 32] = blake3::hash(&list).into();
    let limits = ProtocolConfig::default;
    let _list = liar
        .serve("tour/manifest/1", limits(), RpcConfig::default(), move |_, _| {
            let list = list.clone();
            async move { Ok(list) }
        })
        .unwrap();
    let _chunk = liar
        .serve("tour/chunk/1", limits(), RpcConfig::default(), move |_, request: Bytes| {
            let (_, index): ([u8; 32], u32) = postcard::from_bytes(&request).unwrap();
            let length = lengths.chunk(index).unwrap().length;
            async move { Ok(Bytes::from(vec![0xEE; length])) }
        })
        .unwrap();
    let have = liar.protocol("tour/have/1", limits()).unwrap();
    let all = manifest.chunk_count();
    tokio::spawn(async move {
        while let Some(mut incoming) = have.accept().await {
            let mut frame = Vec::new();
            dsys_transport::frame::encode(&vec![(0_u32, all)], 64, &mut frame).unwrap();
            let _ = incoming.stream.send.write_chunk(frame.into()).await;
            let _ = incoming.stream.finish().await;
        }
    });
    // Its news and its claim to have the folder come as everybody's do.
    let gossip = Gossip::builder(liar).spawn().unwrap();
    let topic = gossip.open("tour.folders").await.unwrap();
    topic.publish(postcard::to_allocvec(&(0_u8, root)).unwrap()).await.unwrap();
    let dht = Dht::builder(liar).start().await.unwrap();
    let _ = dht.provide(&Key::from_bytes(root)).await;

    let role = Role::Fetch(out.clone());
    let participant = Participant::start(fetcher.clone(), vec![liar.addr()], role).await.unwrap();
    let mut notes = Vec::new();
    while notes.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        notes = participant.status().take_notes();
    }
    assert!(notes[0].contains("wrong chunk") && notes[0].contains(&liar.id().short()), "{notes:?}");

    let role = Role::Share(Arc::new(source(&folder)));
    let sharing = Participant::start(honest.clone(), vec![fetcher.addr()], role).await.unwrap();
    sharing.publish().await;
    tokio::time::timeout(LIMIT, participant.status().finished()).await.unwrap().unwrap();
    assert!(!participant.status().received().contains_key(&liar.id()));
    assert_eq!(scan(&out).unwrap().manifest.files(), manifest.files());
}
