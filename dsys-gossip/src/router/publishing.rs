//! What the app itself says and reads.

use dsys_core::{Context, Input};

use super::joined::{Opened, Saying};
use super::{Cursor, Event, Message, Published, Refused, Router, Timer};
use crate::MessageId;
use crate::broadcast;
use crate::envelope::{Envelope, TopicId, TopicName};
use crate::topic;

impl Router {
    pub(super) fn publish(
        &mut self,
        name: &TopicName,
        ticket: u64,
        saying: Saying,
        cx: &mut Context<'_, Self>,
    ) {
        let (config, id, me) = (self.config.clone(), name.id(), self.key.public());
        let Some(joined) = self.topics.get_mut(&id) else {
            cx.emit(Event::Published { ticket, outcome: Err(Refused::NotJoined) });
            return;
        };
        let most = config.door.max_payload;
        let others =
            |message: &MessageId| self.store.get(id, *message).is_some_and(|kept| kept.envelope.origin != me);
        let refused = match &saying {
            Saying::Message(payload) if payload.len() > most => {
                Some(Refused::TooLarge { size: payload.len(), most })
            }
            Saying::Delete(message) if others(message) => Some(Refused::NotOurs),
            _ if joined.pending.len() >= config.max_pending => Some(Refused::Full),
            _ => None,
        };
        if let Some(refused) = refused {
            joined.stats.refused += 1;
            cx.emit(Event::Published { ticket, outcome: Err(refused) });
            return;
        }
        joined.pending.push_back((ticket, saying));
        if joined.pending.len() == 1 {
            self.publish_next(id, cx);
        }
    }

    /// Lets our own messages out, as fast as they may go.
    pub(super) fn publish_next(&mut self, id: TopicId, cx: &mut Context<'_, Self>) {
        let (config, now, wall) = (self.config.clone(), cx.now(), self.wall(cx.now()));
        loop {
            let Some(joined) = self.topics.get_mut(&id) else { return };
            let size = match joined.pending.front() {
                Some((_, Saying::Message(payload))) => payload.len(),
                Some((_, Saying::Delete(_))) => 16,
                None => return,
            };
            let wait = joined.pace.pass(size, now, &config.publish_rate);
            if !wait.is_zero() {
                cx.set_timer(Timer::Publish(id), wait);
                return;
            }
            let Some((ticket, saying)) = joined.pending.pop_front() else { return };
            let (seq, name) = (joined.next_seq(wall), joined.name.clone());
            // Before it goes out: no number is used twice.
            self.write_log(id, cx);
            let end = wall.plus(config.lifetime);
            let envelope = match saying {
                Saying::Message(payload) => Envelope::sign(&*self.key, name, seq, wall, end, payload),
                Saying::Delete(message) => {
                    let (time, end) = self.store.get(id, message).map_or_else(
                        // We have forgotten it: it is no younger than now, and no door lets anything live longer.
                        || (wall, wall.plus(config.door.max_lifetime)),
                        |kept| (wall.max(kept.envelope.time), end.max(kept.envelope.expires)),
                    );
                    Envelope::certify(&*self.key, name, seq, time, end, message)
                }
            };
            let (bytes, message) = (envelope.encode(), envelope.digest().id());
            let Some(joined) = self.topics.get_mut(&id) else { return };
            let neighbours = joined.topic.neighbours().len() + self.feeds.present(id);
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
        // Where there are no more, what was deleted behind the last one has been read too.
        let upto = match messages.last() {
            Some(last) if messages.len() >= most => last.place + 1,
            _ => begin.max(end),
        };
        let next = upto.checked_sub(1).map_or(Cursor::Oldest, Cursor::After);
        cx.emit(Event::Page { ticket, messages, next, skipped: first.saturating_sub(begin) });
    }
}
