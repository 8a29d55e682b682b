//! A topic that was joined.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dsys_core::{NodeAddr, NodeId};
use tokio::sync::{Semaphore, oneshot, watch};

use super::hub::{Entry, Hub, View, Waiting};
use super::{DeleteError, JoinError, Members, PublishError, Subscription};
use crate::MessageId;
use crate::envelope::TopicName;
use crate::router::{Command, Cursor, Published, Quality, Refused, Stats};

/// A topic that was joined. Clones are handles to the same; when the last is dropped, with all [`Subscription`]s, the
/// topic is left and its messages are forgotten, unless a [store](super::Builder::start) keeps them.
#[derive(Clone)]
pub struct TopicHandle {
    pub(super) joined: Arc<Joined>,
}

/// What the handles of a topic share.
pub(super) struct Joined {
    pub(super) hub: Arc<Hub>,
    pub(super) name: TopicName,
    pub(super) view: watch::Receiver<View>,
    pub(super) kind: Kind,
    /// Room for messages to publish.
    room: Semaphore,
}

/// What a topic's membership is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Partial,
    Full,
}

pub(super) async fn join(
    hub: &Arc<Hub>,
    name: TopicName,
    contacts: Vec<NodeAddr>,
    kind: Kind,
) -> Result<TopicHandle, JoinError> {
    let joined = {
        let mut state = hub.state();
        if state.is_ended() {
            return Err(JoinError::Ended);
        }
        let most = hub.limits.max_topics;
        match state.topics.get(&name).and_then(|entry| entry.joined.upgrade()) {
            Some(joined) => joined,
            None if !state.topics.contains_key(&name) && state.topics.len() >= most => {
                return Err(JoinError::TooMany(most));
            }
            None => {
                // One that is being dropped just now is taken over: the router has not been told to leave.
                let before = state.topics.get(&name).map(|entry| entry.view.borrow().clone());
                let (sender, view) = watch::channel(before.unwrap_or_else(|| state.first_view(&name)));
                let room = Semaphore::new(hub.limits.queue);
                let joined = Arc::new(Joined { hub: hub.clone(), name: name.clone(), view, kind, room });
                let entry = Entry { view: sender, joined: Arc::downgrade(&joined) };
                state.topics.insert(name.clone(), entry);
                joined
            }
        }
    };
    // If we are dropped here, so is the only handle, and the topic is left.
    let command = match kind {
        Kind::Partial => Command::Join { topic: name, contacts },
        Kind::Full => Command::JoinFull { topic: name, contacts },
    };
    hub.tell(command).await.ok_or(JoinError::Ended)?;
    Ok(TopicHandle { joined })
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        // Not if it was joined anew, while this was going.
        if state.topics.get(&self.name).is_some_and(|entry| Weak::strong_count(&entry.joined) == 0) {
            self.hub.leave(&mut state, &self.name);
        }
    }
}

impl TopicHandle {
    /// The topic's name.
    pub fn name(&self) -> &TopicName {
        &self.joined.name
    }

    /// Tells everybody in the topic. Returns once the message is on its way, or kept for the first neighbour if there is
    /// none; waits while as many others wait as the [queue](super::Builder::queue) has room for, or while we publish
    /// faster than peers accept.
    ///
    /// # Errors
    /// [`PublishError`]; nobody was told.
    ///
    /// # Cancel safety
    /// Not safe: the message may be published or not.
    pub async fn publish(&self, payload: impl Into<Bytes>) -> Result<Published, PublishError> {
        let (payload, joined) = (payload.into(), &self.joined);
        let (size, most) = (payload.len(), joined.hub.limits.max_payload);
        if size > most {
            return Err(PublishError::TooLarge { size, most });
        }
        let topic = joined.name.clone();
        match self.say(|ticket| Command::Publish { topic, ticket, payload }).await {
            Some(Ok(published)) => Ok(published),
            Some(Err(Refused::TooLarge { size, most })) => Err(PublishError::TooLarge { size, most }),
            // There is room as long as we have some, and the topic is joined as long as we are.
            Some(Err(_)) | None => Err(PublishError::Ended),
        }
    }

    /// Deletes a message of our own, here and everywhere: a signed certificate of its death goes the way that messages go,
    /// takes the message from each log that it reaches, and keeps it from coming back for as long as it might. Only the origin
    /// of a message can delete it; what an app has shown or copied stays where it is. Subscribers get [`Event::Deleted`].
    /// Returns, and waits, as [`publish`](Self::publish) does; gives the name and the number of the certificate.
    ///
    /// [`Event::Deleted`]: super::Event::Deleted
    ///
    /// # Errors
    /// [`DeleteError`]; nobody was told.
    ///
    /// # Cancel safety
    /// Not safe: the message may be deleted or not.
    pub async fn delete(&self, id: MessageId) -> Result<Published, DeleteError> {
        let topic = self.joined.name.clone();
        match self.say(|ticket| Command::Delete { topic, ticket, id }).await {
            Some(Ok(published)) => Ok(published),
            Some(Err(Refused::NotOurs)) => Err(DeleteError::NotOurs),
            Some(Err(_)) | None => Err(DeleteError::Ended),
        }
    }

    /// Waits for room, and then for the answer. `None`: the router has ended.
    async fn say(&self, command: impl FnOnce(u64) -> Command) -> Option<Result<Published, Refused>> {
        let joined = &self.joined;
        let _room = joined.room.acquire().await.ok()?;
        let (sender, answer) = oneshot::channel();
        joined.hub.ask(Waiting::Published(sender), command).await?;
        answer.await.ok()
    }

    /// Follows what comes in the topic, from a place on.
    pub fn subscribe_from(&self, cursor: Cursor) -> Subscription {
        Subscription::new(self.joined.clone(), cursor)
    }

    /// Follows what comes from now on: [`subscribe_from`](Self::subscribe_from) the [newest](Cursor::Newest).
    pub fn subscribe(&self) -> Subscription {
        self.subscribe_from(Cursor::Newest)
    }

    /// Brings more contacts, when those given before were of no use.
    ///
    /// # Errors
    /// [`JoinError::Ended`].
    ///
    /// # Cancel safety
    /// Safe: nothing was done.
    pub async fn contact<A: Into<NodeAddr>>(
        &self,
        contacts: impl IntoIterator<Item = A>,
    ) -> Result<(), JoinError> {
        let contacts = contacts.into_iter().map(Into::into).collect();
        let command = Command::Join { topic: self.joined.name.clone(), contacts };
        self.joined.hub.tell(command).await.ok_or(JoinError::Ended)
    }

    /// Feeds these nodes from now on: over a link that is slow, dear or mostly not there, with what is in the topic's log and
    /// what comes to it. They are told of it and feed us in turn. What it may cost says
    /// [`Config::feed`](crate::router::Config::feed); how it works, [`router::feed`](crate::router::feed). With
    /// [low power](super::Builder::low_power) all contacts are fed, and this is [`contact`](Self::contact).
    ///
    /// # Errors
    /// [`JoinError::Ended`].
    ///
    /// # Cancel safety
    /// Safe: nothing was done.
    pub async fn feed<A: Into<NodeAddr>>(
        &self,
        neighbours: impl IntoIterator<Item = A>,
    ) -> Result<(), JoinError> {
        let neighbours = neighbours.into_iter().map(Into::into).collect();
        let command = Command::Feed { topic: self.joined.name.clone(), neighbours };
        self.joined.hub.tell(command).await.ok_or(JoinError::Ended)
    }

    /// Waits until there is a neighbour. `false` if the node has shut down. Cancel safety: safe.
    pub async fn joined(&self) -> bool {
        let mut view = self.joined.view.clone();
        view.wait_for(|view| !view.neighbours.is_empty()).await.is_ok()
    }

    /// The neighbours in the topic, in order.
    pub fn neighbours(&self) -> Vec<NodeId> {
        self.joined.view.borrow().neighbours.iter().copied().collect()
    }

    /// Who is there and what each says of itself, in a topic that was [joined in full](super::Gossip::join_full). Nobody
    /// otherwise.
    pub fn members(&self) -> Members {
        Members::of_topic(&self.joined)
    }

    /// How well messages travel, as of at most half a second ago.
    pub fn quality(&self) -> Quality {
        self.joined.view.borrow().quality
    }

    /// What was counted, as of at most half a second ago.
    pub fn stats(&self) -> Stats {
        self.joined.view.borrow().stats
    }
}

impl fmt::Debug for TopicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicHandle").field("name", &self.joined.name).finish_non_exhaustive()
    }
}
