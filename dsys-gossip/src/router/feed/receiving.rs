//! The taker's part.

use bytes::Bytes;
use dsys_core::{Context, NodeId};

use super::Router;
use super::neighbour::{Incoming, MOST_IDS};
use super::sending::size;
use crate::MessageId;
use crate::envelope::{Envelope, TopicId};
use crate::router::durable::known;
use crate::router::{Body, Wire};

/// A part as it came.
pub(in super::super) struct Part {
    pub(in super::super) number: u16,
    pub(in super::super) which: u8,
    pub(in super::super) offset: u32,
    pub(in super::super) last: bool,
    pub(in super::super) answer: bool,
    pub(in super::super) bytes: Bytes,
}

impl Router {
    /// A neighbour says what waits for us. `topic` need not be joined.
    pub(in super::super) fn offered_to_us(
        &mut self,
        topic: TopicId,
        peer: NodeId,
        (number, log, ids): (u16, u16, Vec<MessageId>),
        cx: &mut Context<'_, Self>,
    ) {
        if !self.topics.contains_key(&topic) {
            // It need not wait for us with this.
            return self.answer(
                Wire { topic, body: Body::Need { batch: number, missing: 0, have: 0 } },
                peer,
                cx,
            );
        }
        if !self.meet(topic, peer, false) {
            return;
        }
        if ids.len() > MOST_IDS {
            return self.bar_feed(peer, cx);
        }
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        if let Some(place) = neighbour.topics.get_mut(&topic)
            && place.log.replace(log).is_some_and(|before| before != log)
        {
            place.next = 0;
            self.write_fed(topic, peer, cx);
        }
        let Some(neighbour) = self.feeds.neighbours.get_mut(&peer) else { return };
        neighbour.incoming = Some(Incoming { number, topic, ids, refused: 0 });
        self.say_what_lacks(peer, cx);
        self.feed_up(peer, cx);
        self.pump(peer, cx);
    }

    /// A part of what waited for us.
    pub(in super::super) fn part_came(
        &mut self,
        topic: TopicId,
        peer: NodeId,
        part: Part,
        cx: &mut Context<'_, Self>,
    ) {
        let Some(joined) = self.topics.get(&topic) else { return };
        let most = Envelope::overhead(&joined.name) + self.config.door.max_payload;
        let neighbour = self.feeds.neighbours.get_mut(&peer).filter(|one| !one.barred);
        let ours = |one: &Incoming| one.number == part.number && one.topic == topic;
        let Some((neighbour, incoming)) = neighbour.and_then(|one| {
            let incoming = one.incoming.clone().filter(ours)?;
            Some((one, incoming))
        }) else {
            self.feeds.stats.strange += 1;
            return;
        };
        let seen = known(&joined.topic, &self.store, topic);
        let Some((missing, have)) = neighbour.lacks(seen) else { return };
        let next = missing != 0
            && missing.trailing_zeros() == u32::from(part.which)
            && u32::try_from(have).is_ok_and(|have| have == part.offset);
        let Some(id) = incoming.ids.get(usize::from(part.which)).copied().filter(|_| next) else {
            self.feeds.stats.out_of_order += 1;
            if part.answer {
                self.say_what_lacks(peer, cx);
            }
            return;
        };
        let assembly = neighbour.assembly.get_or_insert((id, Vec::new()));
        if assembly.0 != id {
            *assembly = (id, Vec::new());
        }
        if assembly.1.len() + part.bytes.len() > most || (part.bytes.is_empty() && !part.last) {
            return self.bar_feed(peer, cx);
        }
        assembly.1.extend_from_slice(&part.bytes);
        if part.last {
            let bytes = neighbour.assembly.take().map_or_else(Bytes::new, |(_, bytes)| bytes.into());
            if !self.fed_whole(topic, peer, (id, bytes), cx) {
                return self.bar_feed(peer, cx);
            }
        }
        if part.answer {
            self.say_what_lacks(peer, cx);
        }
        self.feed_up(peer, cx);
    }

    /// A message is here as a neighbour has sent it. `false` if no honest node would have.
    fn fed_whole(
        &mut self,
        topic: TopicId,
        peer: NodeId,
        (id, bytes): (MessageId, Bytes),
        cx: &mut Context<'_, Self>,
    ) -> bool {
        match self.open(topic, peer, id, &bytes, None, cx) {
            Ok(opened) => {
                self.feeds.stats.received += 1;
                // How often it was carried is not told.
                self.take_in(topic, peer, opened, 1, cx);
                true
            }
            Err(refusal) => {
                if let Some(neighbour) = self.feeds.neighbours.get_mut(&peer)
                    && let Some(incoming) = &mut neighbour.incoming
                {
                    let at = incoming.ids.iter().position(|one| *one == id);
                    incoming.refused |= at.map_or(0, |at| 1 << at);
                }
                !refusal.is_some_and(crate::envelope::Refusal::is_violation)
            }
        }
    }

    fn say_what_lacks(&mut self, peer: NodeId, cx: &mut Context<'_, Self>) {
        let Some(neighbour) = self.feeds.neighbours.get(&peer) else { return };
        let Some(Incoming { number, topic, .. }) = &neighbour.incoming else { return };
        let (batch, topic) = (*number, *topic);
        let Some(joined) = self.topics.get(&topic) else { return };
        let Some((missing, have)) = neighbour.lacks(known(&joined.topic, &self.store, topic)) else { return };
        let body = Body::Need { batch, missing, have: u32::try_from(have).unwrap_or(u32::MAX) };
        self.answer(Wire { topic, body }, peer, cx);
    }

    fn answer(&mut self, wire: Wire, to: NodeId, cx: &mut Context<'_, Self>) {
        if self.feeds.pause(size(&wire), true, cx.now(), &self.config.feed).is_zero() {
            cx.send(to, wire);
        } else {
            self.feeds.stats.held_back += 1;
        }
    }
}
