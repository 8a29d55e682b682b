//! What the app itself says and reads.

use bytes::Bytes;
use dsys_core::{Context, Input};

use super::joined::Opened;
use super::{Cursor, Event, Message, Published, Refused, Router, Timer};
use crate::broadcast;
use crate::envelope::{Envelope, TopicId, TopicName};
use crate::topic;

impl Router {
    pub(super) fn publish(
        &mut self,
        name: &TopicName,
        ticket: u64,
        payload: Bytes,
        cx: &mut Context<'_, Self>,
    ) {
        let (config, id) = (self.config.clone(), name.id());
        let Some(joined) = self.topics.get_mut(&id) else {
            cx.emit(Event::Published { ticket, outcome: Err(Refused::NotJoined) });
            return;
        };
        let most = config.door.max_payload;
        let refused = if payload.len() > most {
            Some(Refused::TooLarge { size: payload.len(), most })
        } else if joined.pending.len() >= config.max_pending {
            Some(Refused::Full)
        } else {
            None
        };
        if let Some(refused) = refused {
            joined.stats.refused += 1;
            cx.emit(Event::Published { ticket, outcome: Err(refused) });
            return;
        }
        joined.pending.push_back((ticket, payload));
        if joined.pending.len() == 1 {
            self.publish_next(id, cx);
        }
    }

    /// Lets our own messages out, as fast as they may go.
    pub(super) fn publish_next(&mut self, id: TopicId, cx: &mut Context<'_, Self>) {
        let (config, now, wall) = (self.config.clone(), cx.now(), self.wall(cx.now()));
        loop {
            let Some(joined) = self.topics.get_mut(&id) else { return };
            let Some((_, payload)) = joined.pending.front() else { return };
            let wait = joined.pace.pass(payload.len(), now, &config.publish_rate);
            if !wait.is_zero() {
                cx.set_timer(Timer::Publish(id), wait);
                return;
            }
            let Some((ticket, payload)) = joined.pending.pop_front() else { return };
            let seq = joined.next_seq(wall);
            let name = joined.name.clone();
            let envelope = Envelope::sign(&self.key, name, seq, wall, wall.plus(config.lifetime), payload);
            let (bytes, message) = (envelope.encode(), envelope.digest().id());
            let neighbours = joined.topic.membership().neighbours().len();
            joined.stats.published += 1;
            joined.stats.published_alone += u64::from(neighbours == 0);
            let opened = Opened { id: message, envelope, bytes: bytes.clone(), path: None, from: self.me.id };
            joined.opened = Some(opened);
            let tell = broadcast::Command::Broadcast { id: message, payload: bytes };
            self.tell(id, Input::Command(topic::Command::Broadcast(tell)), cx);
            let outcome = Ok(Published { id: message, seq, neighbours });
            cx.emit(Event::Published { ticket, outcome });
        }
    }

    pub(super) fn read(
        &self,
        name: &TopicName,
        ticket: u64,
        from: Cursor,
        most: usize,
        cx: &mut Context<'_, Self>,
    ) {
        let topic = name.id();
        let (first, end) = self.store.range(topic);
        let begin = match from {
            Cursor::Oldest => first,
            Cursor::Newest => end,
            Cursor::After(place) => place.saturating_add(1),
        };
        let kept = self.store.from(topic, begin).take(most);
        let messages: Vec<Message> = kept.map(|(place, kept)| Message::new(place, kept)).collect();
        let next = match (messages.last(), begin.max(first)) {
            (Some(last), _) => Cursor::After(last.place),
            (None, 0) => Cursor::Oldest,
            (None, begin) => Cursor::After(begin - 1),
        };
        cx.emit(Event::Page { ticket, messages, next, skipped: first.saturating_sub(begin) });
    }
}
