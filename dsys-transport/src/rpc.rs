//! Request and response, and one-way messages: one stream each, so that none waits for another.

use std::future::Future;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId};
use tokio::time::timeout;
use tracing::debug;

use crate::error::{CloseReason, DialError, StreamError, code};
use crate::node::{
    EarlyLink, Handler, Incoming, IncomingUni, Node, OpenError, ProtocolConfig, ProtocolError, Shared,
    unregister,
};
use crate::tag::Tag;

/// Bounds of one request, or of a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RpcConfig {
    /// A request, or the reading of one, fails after this long.
    pub timeout: Duration,
    /// The longest request, in bytes, that a service reads.
    pub max_request: usize,
    /// The longest response, in bytes, that a caller reads.
    pub max_response: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        RpcConfig { timeout: Duration::from_secs(10), max_request: 1 << 20, max_response: 16 << 20 }
    }
}

/// Why a request has no response. Each variant says what the peer may have done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There was no connection and none could be made. The peer did nothing.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The peer does not speak this protocol. It did nothing.
    #[error("the peer does not speak this protocol")]
    UnknownProtocol,
    /// The peer is at a limit. It did nothing: try later.
    #[error("the peer is busy: try again later")]
    Busy,
    /// The peer shuts down. It did nothing: ask somebody else.
    #[error("the peer is shutting down")]
    GoingAway,
    /// The peer's handler failed, with this code: [`code::FAILED`] or one of the protocol's own. What it did until
    /// then, the protocol must say.
    #[error("the peer failed to answer (code {0})")]
    Failed(u32),
    /// No response came in time. The request may have been carried out.
    #[error("no response came within {0:?}: the request may have been carried out")]
    TimedOut(Duration),
    /// The response is longer than `max_response`. The request was carried out.
    #[error("the response is longer than {0} bytes")]
    TooLong(usize),
    /// The connection ended. The request may have been carried out.
    #[error("the connection ended before the response came ({0}): the request may have been carried out")]
    Lost(CloseReason),
}

impl Node {
    /// Sends a request on a stream of its own and waits for the response, within [`RpcConfig::default`]. Without a
    /// connection it dials, and the request travels with our HELLO. It is carried out at most once: it goes out again
    /// only where the peer has declined that connection and looked at nothing.
    ///
    /// ```no_run
    /// # async fn example(node: dsys_transport::Node, peer: dsys_core::NodeId) -> Result<(), Box<dyn std::error::Error>> {
    /// let answer = node.request(peer, dsys_transport::Tag::new("greet/1")?, "hello").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]; each variant says what the peer may have done.
    ///
    /// # Cancel safety
    /// Dropping it abandons the request; the peer may have carried it out.
    pub async fn request(
        &self,
        peer: impl Into<NodeAddr>,
        tag: Tag,
        request: impl Into<Bytes>,
    ) -> Result<Bytes, RequestError> {
        self.request_with(peer, tag, request, &RpcConfig::default()).await
    }

    /// [`request`](Node::request) with other bounds.
    ///
    /// # Errors
    /// As there.
    pub async fn request_with(
        &self,
        peer: impl Into<NodeAddr>,
        tag: Tag,
        request: impl Into<Bytes>,
        config: &RpcConfig,
    ) -> Result<Bytes, RequestError> {
        let (to, request) = (peer.into(), request.into());
        let exchange = async {
            let mut link = self.early_link(&to).await?;
            if !link.is_early() {
                return ask(&link, tag, request, config).await;
            }
            // The request travels with our HELLO. Should the peer decline the connection, it goes out again.
            match ask(&link, tag, request.clone(), config).await {
                Err(RequestError::Lost(reason)) => match link.instead(&reason).await {
                    Some(link) => ask(&link?, tag, request, config).await,
                    None => Err(RequestError::Lost(reason)),
                },
                result => result,
            }
        };
        match timeout(config.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(RequestError::TimedOut(config.timeout)),
        }
    }

    /// Sends a one-way message on a stream of its own; returns when it is on its way, not when it has arrived.
    ///
    /// # Errors
    /// As [`request`](Node::request), as far as it is known by then.
    ///
    /// # Cancel safety
    /// Dropping it may have sent the message or not; the peer never sees a part of it as the whole.
    pub async fn notify(
        &self,
        peer: impl Into<NodeAddr>,
        tag: Tag,
        message: impl Into<Bytes>,
    ) -> Result<(), RequestError> {
        let config = RpcConfig::default();
        let mut stream = self.open_uni(peer, tag).await?;
        stream.write_chunk(message.into()).await.map_err(|error| failed(&error, &config))?;
        stream.finish().await.map_err(|error| failed(&error, &config))
    }

    /// Answers requests on `tag` with `handler`, each in a task of its own, until the [`Service`] is dropped. The
    /// limits of `protocol` bound the tasks; a peer beyond them is told BUSY. An `Err` of the handler is a code for
    /// the caller: [`code::FAILED`], or one from [`code::PROTOCOL`] on.
    ///
    /// The node keeps the handler. A handler that keeps the node in turn keeps both alive until the [`Service`] is
    /// dropped or the node shut down.
    ///
    /// # Errors
    /// [`ProtocolError`] if the tag is malformed or taken.
    pub fn serve<F, R>(
        &self,
        tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
        protocol: ProtocolConfig,
        config: RpcConfig,
        handler: F,
    ) -> Result<Service, ProtocolError>
    where
        F: Fn(NodeId, Bytes) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Bytes, u32>> + Send + 'static,
    {
        register(self, tag, protocol, Arc::new(Answer { handler: Arc::new(handler), config }))
    }

    /// Takes one-way messages on `tag`, as [`serve`](Node::serve) takes requests.
    ///
    /// # Errors
    /// [`ProtocolError`] if the tag is malformed or taken.
    pub fn receive<F, R>(
        &self,
        tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
        protocol: ProtocolConfig,
        config: RpcConfig,
        handler: F,
    ) -> Result<Service, ProtocolError>
    where
        F: Fn(NodeId, Bytes) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        register(self, tag, protocol, Arc::new(Receive { handler: Arc::new(handler), config }))
    }
}

/// A protocol that a handler serves. Dropping it ends the protocol; handlers that run go on.
#[derive(Debug)]
pub struct Service {
    // Not a handle of the node: a service that its owner keeps must not keep the node.
    shared: Weak<Shared>,
    tag: Tag,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            unregister(&shared, self.tag);
        }
    }
}

impl From<OpenError> for RequestError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Dial(error) => RequestError::Dial(error),
            OpenError::Closed(reason) => RequestError::Lost(reason),
        }
    }
}

async fn ask(link: &EarlyLink, tag: Tag, request: Bytes, config: &RpcConfig) -> Result<Bytes, RequestError> {
    let mut stream = link.open(tag).await.map_err(RequestError::Lost)?;
    // A write that fails has been refused, or the connection has ended: the read tells which.
    let sent = stream.send.write_chunk(request).await;
    if sent.is_ok() {
        stream.send.finish().await.map_err(|error| failed(&error, config))?;
    }
    stream.recv.read_to_end(config.max_response).await.map_err(|error| failed(&error, config))
}

fn register(
    node: &Node,
    tag: impl TryInto<Tag, Error: Into<ProtocolError>>,
    protocol: ProtocolConfig,
    handler: Arc<dyn Handler>,
) -> Result<Service, ProtocolError> {
    let tag = tag.try_into().map_err(Into::into)?;
    node.shared().register_handler(tag, protocol, handler)?;
    Ok(Service { shared: Arc::downgrade(node.shared()), tag })
}

fn failed(error: &io::Error, config: &RpcConfig) -> RequestError {
    match StreamError::of(error) {
        Some(StreamError::Reset(code) | StreamError::Stopped(code)) => match *code {
            code::UNKNOWN_PROTOCOL => RequestError::UnknownProtocol,
            code::BUSY => RequestError::Busy,
            code::GOING_AWAY => RequestError::GoingAway,
            other => RequestError::Failed(other),
        },
        Some(StreamError::Connection(reason)) => RequestError::Lost(reason.clone()),
        _ if error.kind() == io::ErrorKind::InvalidData => RequestError::TooLong(config.max_response),
        _ => RequestError::Lost(CloseReason::Transport(error.to_string())),
    }
}

struct Answer<F> {
    handler: Arc<F>,
    config: RpcConfig,
}

impl<F, R> Handler for Answer<F>
where
    F: Fn(NodeId, Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, u32>> + Send + 'static,
{
    fn bi(&self, shared: &Shared, incoming: Incoming) {
        let Incoming { peer, mut stream } = incoming;
        let (handler, limit, max) = (self.handler.clone(), self.config.timeout, self.config.max_request);
        shared.spawn(async move {
            let request = match timeout(limit, stream.recv.read_to_end(max)).await {
                Ok(Ok(request)) => request,
                Ok(Err(error)) => {
                    debug!(%peer, %error, "a request was not read");
                    let code = if error.kind() == io::ErrorKind::InvalidData {
                        code::BAD_FRAME
                    } else {
                        code::FAILED
                    };
                    stream.recv.stop(code);
                    return stream.send.reset(code);
                }
                Err(_) => {
                    stream.recv.stop(code::IDLE);
                    return stream.send.reset(code::IDLE);
                }
            };
            match handler(peer, request).await {
                Ok(response) => {
                    let sent = async {
                        stream.send.write_chunk(response).await?;
                        stream.send.finish().await
                    };
                    if let Err(error) = sent.await {
                        debug!(%peer, %error, "a response was not sent");
                    }
                }
                Err(code) => stream.send.reset(code),
            }
        });
    }

    fn uni(&self, _: &Shared, mut incoming: IncomingUni) {
        // Nobody could be answered.
        incoming.stream.stop(code::VIOLATION);
    }
}

struct Receive<F> {
    handler: Arc<F>,
    config: RpcConfig,
}

impl<F, R> Handler for Receive<F>
where
    F: Fn(NodeId, Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    fn bi(&self, _: &Shared, mut incoming: Incoming) {
        incoming.stream.recv.stop(code::VIOLATION);
        incoming.stream.send.reset(code::VIOLATION);
    }

    fn uni(&self, shared: &Shared, incoming: IncomingUni) {
        let IncomingUni { peer, mut stream } = incoming;
        let (handler, limit, max) = (self.handler.clone(), self.config.timeout, self.config.max_request);
        shared.spawn(async move {
            match timeout(limit, stream.read_to_end(max)).await {
                Ok(Ok(message)) => handler(peer, message).await,
                Ok(Err(error)) => {
                    debug!(%peer, %error, "a message was not read");
                    stream.stop(code::BAD_FRAME);
                }
                Err(_) => stream.stop(code::IDLE),
            }
        });
    }
}
