//! dsys-transport against raw quinn and iroh.

mod bulk;
mod dial;
pub mod dsys;
pub mod iroh;
pub mod quinn;
mod quinn_tls;
mod requests;
mod sizes;

use std::future::Future;

use bytes::Bytes;

use crate::harness::{self, Args};

/// What a server does with the streams that clients open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends back what it read, once it has read all.
    Echo,
    /// Takes everything, and ends its own direction when all is here.
    Sink,
}

/// One contender: how to listen, dial, ask and send much. Everybody listens on 127.0.0.1.
pub trait Stack: 'static {
    /// Name and version.
    const NAME: &'static str;
    /// A listening end, serving.
    type Server: Send + Sync;
    /// A dialling end, live, without connections.
    type Client: Send + Sync;
    /// A connection, to be kept as long as it shall live.
    type Link: Clone + Send + Sync + 'static;

    /// Starts to listen and to serve.
    fn server(mode: Mode) -> impl Future<Output = Self::Server> + Send;
    /// Makes ready to dial.
    fn client() -> impl Future<Output = Self::Client> + Send;
    /// Connects.
    fn dial(client: &Self::Client, server: &Self::Server) -> impl Future<Output = Self::Link> + Send;
    /// Sends a request on a stream of its own and reads the response.
    fn call(link: &Self::Link, request: Bytes) -> impl Future<Output = Bytes> + Send;
    /// Connects and calls for the first time, in the way that costs least.
    fn dial_and_call(
        client: &Self::Client,
        server: &Self::Server,
        request: Bytes,
    ) -> impl Future<Output = (Self::Link, Bytes)> + Send {
        async move {
            let link = Self::dial(client, server).await;
            let answer = Self::call(&link, request).await;
            (link, answer)
        }
    }
    /// Sends `count` times `chunk` on one stream, and waits until the other end has read all.
    fn send(link: &Self::Link, chunk: Bytes, count: usize) -> impl Future<Output = ()> + Send;
    /// Closes the end with its connections, and waits until it has.
    fn close(client: Self::Client) -> impl Future<Output = ()> + Send;
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Measures what the command line asks for.
pub async fn run(args: Args) {
    if let [word, group, name] = &args.words[..]
        && word == "profile"
    {
        return profile(&args, group, name).await;
    }
    println!("load before: {}", harness::load());
    harness::head();
    if args.wants("requests") {
        requests::run(&args).await;
    }
    if args.wants("bulk") {
        bulk::run(&args).await;
    }
    if args.wants("dial") {
        dial::run(&args).await;
    }
    if args.wants("memory") {
        sizes::memory(&args);
    }
    if args.wants("binary") {
        sizes::binaries();
    }
    println!("load after: {}", harness::load());
}

/// One contender alone, for a profiler to look at.
async fn profile(args: &Args, group: &str, name: &str) {
    let round = match (group, name) {
        ("requests", "dsys") => requests::contender::<dsys::Dsys>(400).await,
        ("requests", "quinn") => requests::contender::<quinn::Quinn>(400).await,
        ("dial", "dsys") => dial::contender::<dsys::Dsys>().await,
        ("dial", "quinn") => dial::contender::<quinn::Quinn>().await,
        ("dial", "iroh") => dial::contender::<iroh::Iroh>().await,
        _ => return eprintln!("usage: profile requests|dial dsys|quinn|iroh"),
    };
    for cost in &harness::take_turns(args.rounds(10), &[round]).await[0].0 {
        println!("{:.1} us wall, {:.1} us CPU", cost.wall * 1e6, cost.cpu * 1e6);
    }
}
