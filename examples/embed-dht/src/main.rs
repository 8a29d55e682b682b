//! An app that keeps notes in a DHT. `cargo run -p embed-dht` starts a network of three and prints what happens;
//! `embed-dht TICKET KEY` is a node among machines: it joins by a ticket and fetches what lies under a key.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use dsys_core::{SecretKey, Ticket};
use dsys_dht::{Dht, Key};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [] => three(true).await,
        ["--smoke"] => three(false).await,
        [ticket, key] => fetch(ticket, key).await,
        _ => Err("give nothing, --smoke, or TICKET KEY as another embed-dht prints them".into()),
    };
    let Err(why) = done else { return ExitCode::SUCCESS };
    eprintln!("embed-dht: {why}");
    ExitCode::FAILURE
}

async fn fetch(ticket: &str, key: &str) -> Result<(), Box<dyn Error>> {
    let (ticket, key) = (ticket.parse()?, key.parse()?);
    let (node, dht) = join(&SecretKey::generate()?, &["0.0.0.0:0"], Some(ticket)).await?;
    timeout(Duration::from_secs(20), dht.joined()).await.map_err(
        |_| "nobody answers at that ticket: is its program still running, and reachable from here?",
    )?;
    println!("{}", String::from_utf8_lossy(&dht.get(&key).await?));
    node.shutdown(Duration::from_secs(2)).await;
    Ok(())
}

async fn three(stay: bool) -> Result<(), Box<dyn Error>> {
    let secret = SecretKey::generate()?;
    let (first_node, first) = join(&secret, &["127.0.0.1:0"], None).await?;
    let ticket = first_node.ticket();
    let (second_node, second) = join(&SecretKey::generate()?, &["127.0.0.1:0"], Some(ticket.clone())).await?;
    let (third_node, third) = join(&SecretKey::generate()?, &["127.0.0.1:0"], Some(ticket.clone())).await?;
    tokio::join!(second.joined(), third.joined());

    // What never changes lies under its hash; what changes lies under a public key and a name.
    let note = second.put("buy milk".as_bytes()).await?;
    println!("stored on {}/{} nodes under {}", note.report.stored_on, note.report.of, note.key);
    first.publish(&secret, "newest note", 1, note.key.as_bytes().to_vec()).await?;

    let newest = third.resolve(&secret.public(), "newest note").await?;
    let key = Key::from_bytes(newest.value.as_bytes().try_into()?);
    let found = third.get(&key).await?;
    println!("the newest note: {}", String::from_utf8_lossy(&found));
    assert_eq!(found, b"buy milk".as_slice());

    if stay {
        println!("another process may fetch it: embed-dht {ticket} {key}   (Ctrl-C ends)");
        tokio::signal::ctrl_c().await?;
    }
    second.leave().await?;
    for node in [second_node, third_node, first_node] {
        node.shutdown(Duration::from_secs(2)).await;
    }
    Ok(())
}

/// The three lines: a transport, a node, a DHT on it.
async fn join(
    secret: &SecretKey,
    bind: &[&str],
    first: Option<Ticket>,
) -> Result<(Node, Dht), Box<dyn Error>> {
    let bind = bind.iter().map(|addr| addr.parse()).collect::<Result<Vec<_>, _>>()?;
    let node = Node::new(Quic::bind(secret, &bind, QuicConfig::wan())?, NodeConfig::default());
    let dht = Dht::builder(&node).bootstrap(first).start().await?;
    Ok((node, dht))
}
