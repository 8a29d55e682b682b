//! What comes from peers: through the door into the tree or the log; and what they ask.

use std::sync::Arc;

use bytes::Bytes;
use dsys_core::{Context, Input, NodeId};

use super::compare::Cells;
use super::durable::known;
use super::joined::Opened;
use super::{Body, Router, Timer, Wire};
use crate::MessageId;
use crate::broadcast;
use crate::envelope::{Refusal, TopicId};
use crate::path::{self, Hops, Path};
use crate::{plumtree, topic};

impl Router {
    /// A message of the tree; payloads must pass the door first.
    pub(super) fn tree(
        &mut self,
        id: TopicId,
        from: NodeId,
        message: plumtree::Message,
        hops: Option<Hops>,
        cx: &mut Context<'_, Self>,
    ) {
        if let plumtree::Message::Gossip { id: name, payload, .. } = &message {
            match self.open(id, from, *name, payload, hops, cx) {
                Ok(opened) => {
                    if let Some(joined) = self.topics.get_mut(&id) {
                        joined.opened = Some(opened);
                    }
                }
                // The tree wants to know of these, and must not take them for news.
                Err(Some(Refusal::Duplicate)) => self.know(id, *name, cx),
                Err(_) => return,
            }
        }
        self.tell(id, Input::Message(from, topic::Message::Broadcast(message)), cx);
        if let Some(joined) = self.topics.get_mut(&id) {
            joined.opened = None;
        }
    }

    /// Checks an envelope and the way it came. A peer that should have refused it is barred.
    pub(super) fn open(
        &mut self,
        id: TopicId,
        from: NodeId,
        name: MessageId,
        bytes: &Bytes,
        hops: Option<Hops>,
        cx: &mut Context<'_, Self>,
    ) -> Result<Opened, Option<Refusal>> {
        let now = self.wall(cx.now());
        let joined = self.topics.get_mut(&id).ok_or(None)?;
        let topic = &joined.topic;
        // Nor has the tree heard of what is dead.
        let (store, known) = (&self.store, known(topic, &self.store, id));
        let seen = move |name, origin| known(name) || store.is_dead(id, name, origin);
        let checked = joined.door.check(name, bytes, now, seen);
        let envelope = match checked {
            Ok(envelope) => envelope,
            Err(refusal) => {
                if refusal.is_violation() {
                    self.bar(id, from, cx);
                }
                return Err(Some(refusal));
            }
        };
        let most = self.config.max_hops;
        let path = hops.map(|hops| Path::check(name, envelope.origin, from, self.me.id, hops, most));
        match path.transpose() {
            Ok(path) => {
                Ok(Opened { id: name, envelope, bytes: bytes.clone(), path: path.map(Arc::new), from })
            }
            Err(_) => {
                joined.stats.bad_paths += 1;
                self.bar(id, from, cx);
                Err(None)
            }
        }
    }

    fn bar(&mut self, id: TopicId, peer: NodeId, cx: &mut Context<'_, Self>) {
        if let Some(joined) = self.topics.get_mut(&id) {
            joined.stats.barred += 1;
        }
        self.tell(id, Input::Command(topic::Command::Bar(peer)), cx);
    }

    /// A message that we wanted.
    pub(super) fn given(
        &mut self,
        id: TopicId,
        from: NodeId,
        (name, hops, bytes, way): (MessageId, u32, Bytes, Option<Hops>),
        cx: &mut Context<'_, Self>,
    ) {
        let opened = self.open(id, from, name, &bytes, way, cx);
        if let Err(Some(Refusal::Duplicate)) = &opened {
            self.know(id, name, cx);
        }
        let config = self.config.clone();
        let Some(joined) = self.topics.get_mut(&id) else { return };
        let Ok(opened) = opened else {
            let topic = &joined.topic;
            return joined.catch_up.came(name, &config, known(topic, &self.store, id), cx);
        };
        joined.catch_up.stats.fetched += 1;
        self.take_in(id, from, opened, hops, cx);
    }

    /// Keeps what the tree has not brought, and lets neighbours know of it.
    pub(super) fn take_in(
        &mut self,
        id: TopicId,
        from: NodeId,
        opened: Opened,
        hops: u32,
        cx: &mut Context<'_, Self>,
    ) {
        let config = self.config.clone();
        let (name, Some(joined)) = (opened.id, self.topics.get_mut(&id)) else { return };
        if opened.envelope.time >= joined.since {
            joined.gauge.fetched();
        }
        if joined.news.is_none() {
            cx.set_timer(Timer::News(id), config.news_after);
        }
        joined.news =
            Some(if joined.news.is_none_or(|giver| giver == Some(from)) { Some(from) } else { None });
        self.know(id, name, cx);
        self.keep(id, opened, hops, cx);
    }

    /// Tells the tree of a message that it need not bring.
    fn know(&mut self, id: TopicId, name: MessageId, cx: &mut Context<'_, Self>) {
        if self.topics.get(&id).is_some_and(|joined| !joined.topic.broadcast().has_seen(name)) {
            let know = broadcast::Command::Know(name);
            self.tell(id, Input::Command(topic::Command::Broadcast(know)), cx);
        }
    }

    pub(super) fn catching_up(&mut self, id: TopicId, from: NodeId, body: Body, cx: &mut Context<'_, Self>) {
        let (config, wall) = (self.config.clone(), self.wall(cx.now()));
        let Some(joined) = self.topics.get_mut(&id) else { return };
        let topic = &joined.topic;
        let fits = match body {
            Body::Ask { after, compare } => {
                let about = (&mut self.store, &*config, wall);
                if let Some(body) = joined.catch_up.asked(from, (after, compare), about, cx) {
                    let answer = Wire { topic: id, body };
                    // Answers are longer than questions, so they are what counts.
                    let (size, now) = (answer.size(), cx.now());
                    if joined.meters.pass(from, size, now, &config.peer_rate, config.max_metered) {
                        cx.send(from, answer);
                    } else {
                        joined.stats.limited += 1;
                    }
                }
                true
            }
            Body::Cells { upto, key, cells } => {
                let cells = Cells { upto, key, cells };
                let seen = known(topic, &self.store, id);
                joined.catch_up.cells(from, cells, (&self.store, &config, wall), seen, cx)
            }
            Body::Names { upto, more, ids } => {
                joined.catch_up.names(from, (upto, more, ids), &config, known(topic, &self.store, id), cx)
            }
            Body::Want(ids) => match joined.catch_up.wanted(from, &ids, &config) {
                Some(told) => {
                    self.give(id, from, &ids, &told, cx);
                    true
                }
                None => false,
            },
            Body::Gone(ids) => joined.catch_up.gone(from, &ids, &config, known(topic, &self.store, id), cx),
            Body::News => {
                joined.catch_up.ask(from, &config, cx);
                true
            }
            // One that we did not ask for, or no more.
            Body::Give { .. } => {
                joined.catch_up.stats.uninvited += 1;
                true
            }
            // Of the tree, or of store and forward.
            _ => true,
        };
        if !fits {
            self.bar(id, from, cx);
        }
    }

    /// Sends a neighbour what it wants of what we told it, as far as its rate goes.
    fn give(
        &mut self,
        id: TopicId,
        to: NodeId,
        ids: &[MessageId],
        told: &[MessageId],
        cx: &mut Context<'_, Self>,
    ) {
        let (now, wall) = (cx.now(), self.wall(cx.now()));
        let Some(joined) = self.topics.get_mut(&id).filter(|joined| joined.catch_up.serves(to)) else {
            return;
        };
        let config = &self.config;
        let mut gone = Vec::new();
        // In the order of our log, whatever the order of the wants.
        let mut ids: Vec<(Option<u64>, MessageId)> =
            ids.iter().map(|name| (self.store.place(id, *name), *name)).collect();
        ids.sort_unstable();
        for (_, name) in &ids {
            let kept = self.store.get(id, *name).filter(|kept| kept.end > wall && told.contains(name));
            let Some(kept) = kept else {
                gone.push(*name);
                continue;
            };
            if !joined.meters.pass(to, kept.bytes.len(), now, &config.peer_rate, config.max_metered) {
                joined.stats.limited += 1;
                continue;
            }
            let ours = kept.from == self.me.id;
            let signs = config.sign_hops && (ours || kept.envelope.time > self.signs_after);
            let came = kept.path.as_deref();
            let path = signs.then(|| path::extend(&self.key, *name, came, kept.from, to, config.max_hops));
            joined.catch_up.stats.given += 1;
            let (hops, envelope) = (kept.hops.saturating_add(1), kept.bytes.clone());
            cx.send(to, Wire { topic: id, body: Body::Give { id: *name, hops, envelope, path } });
        }
        cx.send(to, Wire { topic: id, body: Body::Gone(gone) });
    }
}
