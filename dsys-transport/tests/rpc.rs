//! Requests and one-way messages, over every transport.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::{World, soon, until};
use dsys_transport::{Node, ProtocolConfig, RequestError, RpcConfig, Service, Tag, code};

over_each_transport!(
    requests_are_answered,
    each_failure_says_what_may_have_happened,
    a_service_at_its_limit_says_busy,
    a_dropped_service_is_unknown,
    one_way_messages_arrive_whole,
);

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

fn serve(node: &Node, name: &str) -> Service {
    node.serve(name, ProtocolConfig::default(), RpcConfig::default(), |_, request| async move {
        match &request[..] {
            b"fail" => Err(code::PROTOCOL + 1),
            b"sleep" => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(request)
            }
            b"long" => Ok(vec![7; 100_000].into()),
            _ => Ok(request),
        }
    })
    .unwrap()
}

async fn requests_are_answered(world: World) {
    let (a, b) = world.pair();
    let _service = serve(&b, "echo/1");
    let empty = soon("answer", a.request(b.addr(), tag("echo/1"), Bytes::new())).await.unwrap();
    assert!(empty.is_empty());
    let calls: Vec<_> = (0..100u32)
        .map(|n| {
            let (a, to) = (a.clone(), b.id());
            tokio::spawn(async move {
                let text = n.to_be_bytes().repeat(300);
                assert_eq!(a.request(to, tag("echo/1"), text.clone()).await.unwrap(), text);
            })
        })
        .collect();
    for call in calls {
        soon("answer", call).await.unwrap();
    }
}

async fn each_failure_says_what_may_have_happened(world: World) {
    let (a, b) = world.pair();
    let _service = serve(&b, "echo/1");
    let to = b.addr();
    let unknown = soon("refusal", a.request(to.clone(), tag("none/1"), "x")).await;
    assert!(matches!(unknown, Err(RequestError::UnknownProtocol)), "{unknown:?}");
    let failed = soon("failure", a.request(to.clone(), tag("echo/1"), "fail")).await;
    assert!(matches!(failed, Err(RequestError::Failed(257))), "{failed:?}");
    let mut config = RpcConfig::default();
    config.timeout = Duration::from_millis(50);
    let late = soon("timeout", a.request_with(to.clone(), tag("echo/1"), "sleep", &config)).await;
    assert!(matches!(late, Err(RequestError::TimedOut(_))), "{late:?}");
    config.timeout = Duration::from_secs(10);
    config.max_response = 99_999;
    let long = soon("bound", a.request_with(to.clone(), tag("echo/1"), "long", &config)).await;
    assert!(matches!(long, Err(RequestError::TooLong(99_999))), "{long:?}");
    config.max_response = 100_000;
    let fits = soon("answer", a.request_with(to.clone(), tag("echo/1"), "long", &config)).await;
    assert_eq!(fits.unwrap().len(), 100_000);
    let large = soon("bound", a.request(to.clone(), tag("echo/1"), vec![0; (1 << 20) + 1])).await;
    assert!(matches!(large, Err(RequestError::Failed(code::BAD_FRAME))), "{large:?}");
    let lost = tokio::spawn({
        let (a, to) = (a.clone(), to.clone());
        async move { a.request(to, tag("echo/1"), "sleep").await }
    });
    // The handler of the request that timed out sleeps on its stream, too.
    until("it is under way", || b.stats().peers.first().is_some_and(|peer| peer.streams == 2)).await;
    b.disconnect(a.id(), 999, "gone");
    let lost = soon("loss", lost).await.unwrap();
    assert!(matches!(lost, Err(RequestError::Lost(_))), "{lost:?}");
}

async fn a_service_at_its_limit_says_busy(world: World) {
    let (a, b) = world.pair();
    let mut limits = ProtocolConfig::default();
    limits.max_streams = 1;
    let running = Arc::new(AtomicUsize::new(0));
    let seen = running.clone();
    let _service = b.serve("slow/1", limits, RpcConfig::default(), move |_, request| {
        seen.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(request)
        }
    });
    let first = tokio::spawn({
        let (a, to) = (a.clone(), b.addr());
        async move { a.request(to, tag("slow/1"), "1").await }
    });
    until("the first runs", || running.load(Ordering::SeqCst) == 1).await;
    let second = soon("refusal", a.request(b.addr(), tag("slow/1"), "2")).await;
    assert!(matches!(second, Err(RequestError::Busy)), "{second:?}");
    first.abort();
}

async fn a_dropped_service_is_unknown(world: World) {
    let (a, b) = world.pair();
    let service = serve(&b, "echo/1");
    assert!(b.protocol("echo/1", ProtocolConfig::default()).is_err());
    soon("answer", a.request(b.addr(), tag("echo/1"), "x")).await.unwrap();
    drop(service);
    let gone = soon("refusal", a.request(b.addr(), tag("echo/1"), "x")).await;
    assert!(matches!(gone, Err(RequestError::UnknownProtocol)), "{gone:?}");
    let _again = serve(&b, "echo/1");
    soon("answer", a.request(b.addr(), tag("echo/1"), "x")).await.unwrap();
}

async fn one_way_messages_arrive_whole(world: World) {
    let (a, b) = world.pair();
    let (sender, mut received) = tokio::sync::mpsc::channel(200);
    let _service = b.receive("news/1", ProtocolConfig::default(), RpcConfig::default(), move |from, text| {
        let sender = sender.clone();
        async move { sender.send((from, text)).await.unwrap() }
    });
    for n in 0..100u8 {
        a.notify(b.addr(), tag("news/1"), vec![n; usize::from(n) * 50]).await.unwrap();
    }
    let mut seen = [false; 100];
    for _ in 0..100 {
        let (from, text) = soon("message", received.recv()).await.unwrap();
        assert_eq!(from, a.id());
        let n = (text.len() / 50) as u8;
        assert_eq!(text, vec![n; usize::from(n) * 50]);
        assert!(!std::mem::replace(&mut seen[usize::from(n)], true), "twice");
    }
}
