//! Discovery that a node does by itself.

use dsys_core::NodeAddr;
use tokio::sync::mpsc;

use super::{Mdns, MdnsError};
use crate::node::Node;

/// So many nodes that were found wait to be read; further ones are only remembered by the node.
const QUEUE: usize = 64;

/// The nodes that a [`Node`] finds on the local network, see [`Node::discover`]. Dropping this ends nothing.
#[derive(Debug)]
pub struct Discovery {
    found: mpsc::Receiver<NodeAddr>,
}

impl Discovery {
    /// The next node that was found, or whose record has changed; `None` once the node has ended.
    ///
    /// Cancel safety: safe; none is lost.
    pub async fn next(&mut self) -> Option<NodeAddr> {
        self.found.recv().await
    }
}

impl Node {
    /// Announces this node on the local network under `service`, such as [`Mdns::SERVICE`], and remembers where the
    /// nodes live that it finds there, so that their ids may be dialled. Goes on until the node ends. What everybody on
    /// the network learns, and may claim, see [`Mdns`].
    ///
    /// ```no_run
    /// # async fn example(node: dsys_transport::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut found = node.discover(dsys_transport::Mdns::SERVICE)?;
    /// while let Some(peer) = found.next().await {
    ///     node.connect(peer.id).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`MdnsError`]; nothing was started.
    pub fn discover(&self, service: &str) -> Result<Discovery, MdnsError> {
        let listening = self.addr().direct().to_vec();
        Ok(self.follow(Mdns::start(self.id(), &listening, service)?))
    }

    pub(super) fn follow(&self, mut mdns: Mdns) -> Discovery {
        let (sender, found) = mpsc::channel(QUEUE);
        let shared = self.shared().clone();
        self.shared().spawn(async move {
            loop {
                tokio::select! {
                    () = shared.wait_closing() => return mdns.stop().await,
                    node = mdns.next() => match node {
                        Some(node) => {
                            shared.learn(&node);
                            // Whoever does not read them still has them in the address book.
                            let _ = sender.try_send(node);
                        }
                        None => return,
                    },
                }
            }
        });
        Discovery { found }
    }
}
