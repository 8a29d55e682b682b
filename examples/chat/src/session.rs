//! One person's node: its rooms, and what happens in them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use dsys_core::{NodeAddr, NodeId, SecretKey, Ticket};
use dsys_gossip::{Cursor, Event, Gossip, MemoryStore, Message};
use dsys_transport::{Node, NodeConfig, Quic, QuicConfig, Switch, Switched};
use tokio::sync::mpsc;

use crate::room::Room;
use crate::wire::{Said, clean};

/// Sightings are said together, so often.
pub(crate) const SAY_SEEN: Duration = Duration::from_millis(250);
/// The room in which all other rooms are told of.
const LOBBY: &str = "lobby";

pub(crate) struct Session {
    pub(crate) node: Node,
    pub(crate) nick: String,
    pub(crate) rooms: Vec<Room>,
    /// The room that is looked at.
    pub(crate) current: usize,
    pub(crate) switch: Switch,
    gossip: Gossip,
    events: mpsc::Receiver<(String, Event)>,
    sender: mpsc::Sender<(String, Event)>,
    /// Who is in which room, as far as the lobby has heard.
    here: BTreeMap<String, BTreeMap<NodeId, NodeAddr>>,
}

/// Something that a plain listing should show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Line { room: String, nick: String, text: String },
    Peer { room: String, peer: NodeId, up: bool },
    Missed { room: String, count: u64 },
    Other,
}

impl Session {
    pub(crate) async fn start(listen: SocketAddr, nick: &Option<String>) -> Result<Self, String> {
        let key = SecretKey::generate().map_err(|error| format!("no key can be made: {error}"))?;
        let inner = Quic::bind(&key, &[listen], QuicConfig::lan()).map_err(|error| {
            format!("{error}; is another chat running there? give another --listen, or none")
        })?;
        let switch = Switch::default();
        let node = Node::new(Switched::new(inner, &switch), NodeConfig::default());
        let gossip = Gossip::builder(&node).store(MemoryStore::with_budget(16 << 20)).spawn();
        let gossip = gossip.map_err(|error| error.to_string())?;
        let (sender, events) = mpsc::channel(256);
        let nick = nick.clone().unwrap_or_else(|| node.id().short());
        let (rooms, here) = (Vec::new(), BTreeMap::new());
        Ok(Session { node, nick, rooms, current: 0, switch, gossip, events, sender, here })
    }

    /// Goes to a room for the first time, by a ticket if there is one.
    pub(crate) async fn enter(&mut self, room: &str, ticket: Option<&Ticket>) -> Result<(), String> {
        if let Some(ticket) = ticket {
            let reached = self.node.connect(ticket.0.clone()).await;
            reached.map_err(|error| format!("the ticket leads to nobody: {error}"))?;
        }
        let by: Vec<NodeAddr> = ticket.iter().map(|ticket| ticket.0.clone()).collect();
        // Without it nobody would hear which rooms there are.
        self.join(LOBBY, &by).await?;
        self.go(room, &by).await
    }

    /// Looks at a room, which is joined if need be.
    pub(crate) async fn go(&mut self, room: &str, by: &[NodeAddr]) -> Result<(), String> {
        self.join(room, by).await?;
        self.current = self.rooms.iter().position(|one| one.name == room).unwrap_or(0);
        self.read();
        Ok(())
    }

    async fn join(&mut self, room: &str, by: &[NodeAddr]) -> Result<(), String> {
        if self.rooms.iter().any(|one| one.name == room) {
            return Ok(());
        }
        let known = self.here.get(room).into_iter().flatten().map(|(_, addr)| addr.clone());
        let contacts: Vec<NodeAddr> = by.iter().cloned().chain(known).collect();
        let topic =
            self.gossip.join(format!("chat.{room}"), contacts).await.map_err(|error| error.to_string())?;
        let mut events = topic.subscribe_from(Cursor::Oldest);
        let (sender, name) = (self.sender.clone(), room.to_owned());
        let reader = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if sender.send((name.clone(), event)).await.is_err() {
                    break;
                }
            }
        });
        self.rooms.push(Room::new(room.to_owned(), topic, reader.abort_handle()));
        if room != LOBBY {
            let here = Said::Here { room: room.to_owned(), addr: self.node.addr() };
            self.publish(LOBBY, &here).await?;
        }
        Ok(())
    }

    pub(crate) fn room(&self) -> Option<&Room> {
        self.rooms.get(self.current)
    }

    pub(crate) fn next_room(&mut self) {
        self.current = (self.current + 1) % self.rooms.len().max(1);
        self.read();
    }

    fn read(&mut self) {
        if let Some(room) = self.rooms.get_mut(self.current) {
            room.unread = 0;
        }
    }

    pub(crate) async fn say(&mut self, text: &str) -> Result<(), String> {
        let Some(room) = self.room().map(|room| room.name.clone()) else { return Ok(()) };
        let line = Said::Line { nick: self.nick.clone(), text: text.to_owned() };
        self.publish(&room, &line).await
    }

    async fn publish(&self, room: &str, said: &Said) -> Result<(), String> {
        let Some(room) = self.rooms.iter().find(|one| one.name == room) else { return Ok(()) };
        room.topic.publish(said.encode()).await.map(drop).map_err(|error| error.to_string())
    }

    /// Waits for what happens next. Cancel safety: safe.
    pub(crate) async fn next(&mut self) -> Option<(String, Event)> {
        self.events.recv().await
    }

    /// What follows from it.
    pub(crate) async fn take(&mut self, name: String, event: Event) -> News {
        match event {
            Event::Message(message) => self.hear(&name, &message).await,
            Event::PeerUp(peer) => News::Peer { room: name, peer, up: true },
            Event::PeerDown(peer) => News::Peer { room: name, peer, up: false },
            Event::Lagged { skipped } => News::Missed { room: name, count: skipped },
            _ => News::Other,
        }
    }

    async fn hear(&mut self, name: &str, message: &Message) -> News {
        let (me, origin) = (self.node.id(), message.origin);
        let at = self.rooms.iter().position(|room| room.name == name);
        let said = Said::decode(&message.payload);
        let Some(room) = at.and_then(|at| self.rooms.get_mut(at)) else { return News::Other };
        match said {
            Some(Said::Line { nick, text }) => {
                let (nick, text) = (clean(&nick, 24), clean(&text, 2_000));
                room.line(me, message, nick.clone(), text.clone());
                if at == Some(self.current) {
                    room.unread = 0;
                }
                News::Line { room: name.to_owned(), nick, text }
            }
            Some(Said::Seen { nick, lines }) => {
                room.seen(origin, &clean(&nick, 24), lines);
                News::Other
            }
            Some(Said::Here { room, addr }) if addr.id == origin && origin != me => {
                // Whoever is there already may not know of the other.
                if let Some(room) = self.rooms.iter().find(|one| one.name == room) {
                    // If the node has ended there is nothing to do.
                    let _ = room.topic.contact([addr.clone()]).await;
                }
                if self.here.len() < 256 || self.here.contains_key(&room) {
                    let known = self.here.entry(room).or_default();
                    if known.len() < 16 {
                        known.insert(origin, addr);
                    }
                }
                News::Other
            }
            _ => News::Other,
        }
    }

    /// Says which lines of the room that is looked at are on our screen now.
    pub(crate) async fn say_seen(&mut self) {
        let nick = self.nick.clone();
        let Some(room) = self.rooms.get_mut(self.current).filter(|room| !room.unsaid.is_empty()) else {
            return;
        };
        let lines = std::mem::take(&mut room.unsaid).into_iter().collect();
        let name = room.name.clone();
        drop(self.publish(&name, &Said::Seen { nick, lines }).await);
    }

    /// Pulls the cable.
    pub(crate) fn cut(&self) {
        self.switch.cut(&self.node);
    }

    /// Puts it in again; the nodes find each other by themselves.
    pub(crate) fn heal(&self) {
        self.switch.heal();
    }

    pub(crate) async fn end(self) {
        let Session { node, rooms, gossip, .. } = self;
        drop(rooms);
        // Neighbours are told before the connections go.
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(gossip);
        node.shutdown(Duration::from_secs(2)).await;
    }
}
