//! The same work for both: who heard which message, and when.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use cpu_time::ProcessTime;
use tokio::sync::Notify;

/// Bytes of each message.
const SIZE: usize = 256;

/// Gossip over QUIC on loopback.
pub trait Contender: Sized {
    const NAME: &str;

    /// So many nodes in one topic; each enters by the first and tells what it hears.
    fn start(count: usize, heard: Heard) -> impl Future<Output = Self>;
    /// Tells all others.
    fn publish(&self, at: usize, payload: Bytes) -> impl Future<Output = ()>;
    /// Shuts all down.
    fn end(self) -> impl Future<Output = ()>;
}

/// Where nodes tell what they hear. Clones share it.
#[derive(Clone, Default)]
pub struct Heard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    all: Notify,
}

#[derive(Default)]
struct Inner {
    messages: Vec<Message>,
    /// From publishing to hearing, seconds.
    delays: Vec<f64>,
    /// So many messages have reached everybody.
    whole: usize,
}

struct Message {
    from: usize,
    published: Instant,
    heard: Vec<bool>,
    missing: usize,
}

impl Heard {
    /// A node has heard a message. Its own, and what it has heard before, do not count.
    pub fn heard(&self, at: usize, payload: &[u8]) {
        let now = Instant::now();
        let Some(number) = payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes) as usize) else {
            return;
        };
        let mut inner = self.0.inner.lock().expect("nobody panics");
        let Some(message) = inner.messages.get_mut(number) else { return };
        if message.from == at || std::mem::replace(&mut message.heard[at], true) {
            return;
        }
        message.missing -= 1;
        let (delay, whole) = ((now - message.published).as_secs_f64(), message.missing == 0);
        inner.delays.push(delay);
        if whole {
            inner.whole += 1;
            self.0.all.notify_waiters();
        }
    }

    fn publish(&self, from: usize, nodes: usize) -> Bytes {
        let mut inner = self.0.inner.lock().expect("nobody panics");
        let number = inner.messages.len() as u64;
        let (published, heard) = (Instant::now(), vec![false; nodes]);
        inner.messages.push(Message { from, published, heard, missing: nodes - 1 });
        let mut payload = BytesMut::with_capacity(SIZE);
        payload.put_u64(number);
        payload.put_bytes(0, SIZE - 8);
        payload.freeze()
    }

    /// Waits until no more than so many have not reached everybody. `false` if that takes longer than ten seconds.
    async fn outstanding(&self, most: usize) -> bool {
        let wait = async {
            loop {
                let mut all = std::pin::pin!(self.0.all.notified());
                all.as_mut().enable();
                {
                    let inner = self.0.inner.lock().expect("nobody panics");
                    if inner.messages.len() - inner.whole <= most {
                        return;
                    }
                }
                all.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok()
    }
}

/// Seconds, and shares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub p50: f64,
    pub p99: f64,
    /// CPU seconds for each message, both ends and everybody between, while they come one by one.
    pub calm_cpu: f64,
    /// Messages a second that reached everybody, with 64 under way.
    pub rate: f64,
    /// CPU seconds for each of these.
    pub busy_cpu: f64,
    /// Deliveries that never came.
    pub lost: f64,
}

pub async fn run<C: Contender>(nodes: usize, calm: usize, busy: usize) -> Run {
    let heard = Heard::default();
    let swarm = C::start(nodes, heard.clone()).await;
    // The tree forms.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for at in 0..3 * nodes {
        swarm.publish(at % nodes, heard.publish(at % nodes, nodes)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    heard.outstanding(0).await;
    heard.0.inner.lock().expect("nobody panics").delays.clear();

    let start = ProcessTime::now();
    for at in 0..calm {
        let from = at * 7 % nodes;
        swarm.publish(from, heard.publish(from, nodes)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut whole = heard.outstanding(0).await;
    let calm_cpu = start.elapsed().as_secs_f64() / calm as f64;
    let mut delays = std::mem::take(&mut heard.0.inner.lock().expect("nobody panics").delays);
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let (p50, p99) = (at(0.50), at(0.99));

    let (start, wall) = (ProcessTime::now(), Instant::now());
    for at in 0..busy {
        let from = at * 7 % nodes;
        swarm.publish(from, heard.publish(from, nodes)).await;
        whole &= heard.outstanding(64).await;
        if !whole {
            break;
        }
    }
    whole &= heard.outstanding(0).await;
    let (wall, busy_cpu) = (wall.elapsed().as_secs_f64(), start.elapsed().as_secs_f64() / busy as f64);
    swarm.end().await;
    let inner = heard.0.inner.lock().expect("nobody panics");
    let missing: usize = inner.messages.iter().map(|message| message.missing).sum();
    let lost = missing as f64 / ((nodes - 1) * inner.messages.len()) as f64;
    let rate = if whole { busy as f64 / wall } else { f64::NAN };
    Run { p50, p99, calm_cpu, rate, busy_cpu, lost }
}
