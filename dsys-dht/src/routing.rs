//! What other protocols want of a DHT, without knowing which it is.

use std::future::Future;

use dsys_core::{NodeAddr, NodeId};

use crate::{Dht, FindError, GetError, Key, Providers, PutError};

/// Finds who has what lies under a key.
pub trait ContentRouting {
    /// Says that this node has it.
    ///
    /// # Errors
    /// [`PutError`].
    fn provide(&self, key: Key) -> impl Future<Output = Result<(), PutError>> + Send;

    /// Up to `most` nodes that have it, as soon as so many are known.
    ///
    /// # Errors
    /// [`GetError`] if none is.
    fn providers(
        &self,
        key: Key,
        most: usize,
    ) -> impl Future<Output = Result<Vec<NodeAddr>, GetError>> + Send;
}

/// Finds where a node is reached.
pub trait PeerRouting {
    /// Its addresses, as its neighbours know them; `None` if nobody knows it.
    ///
    /// # Errors
    /// [`FindError`] if nobody could be asked.
    fn address(&self, node: NodeId) -> impl Future<Output = Result<Option<NodeAddr>, FindError>> + Send;
}

impl ContentRouting for Dht {
    async fn provide(&self, key: Key) -> Result<(), PutError> {
        Dht::provide(self, &key).await.map(drop)
    }

    async fn providers(&self, key: Key, most: usize) -> Result<Vec<NodeAddr>, GetError> {
        let mut providers: Providers = self.find_providers(&key);
        let mut found = Vec::new();
        while found.len() < most {
            match providers.next().await {
                Some(Ok(provider)) => found.push(provider.addr),
                Some(Err(error)) if found.is_empty() => return Err(error),
                _ => break,
            }
        }
        Ok(found)
    }
}

impl PeerRouting for Dht {
    async fn address(&self, node: NodeId) -> Result<Option<NodeAddr>, FindError> {
        self.find_node(node).await
    }
}
