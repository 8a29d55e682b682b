//! One node's judgement of others.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeAddr, NodeId, Time};

use super::{Config, Detection, Judge, Message};
use crate::compose::hand;
use crate::detector::{Deadline, Detector, PhiAccrual, Watch};
use crate::membership::full::{self, Full, Meta, State};

/// What those above ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// This node is a neighbour now.
    Watch(NodeId),
    /// And now it is not, in any topic.
    Unwatch(NodeId),
    /// These nodes may know others. For SWIM.
    Join(Vec<NodeAddr>),
    /// From now on we say this of ourselves. For SWIM.
    Meta(Meta),
}

/// What those above are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This node is dead, as far as can be told.
    Down(NodeId),
    /// How this member is, whenever that changes. Of SWIM.
    Member(MemberInfo),
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Which.
    pub id: NodeId,
    /// Where it is reached.
    pub addr: NodeAddr,
    /// How it is.
    pub state: State,
    /// What it says of itself.
    pub meta: Meta,
    /// The version of that: it only rises. By more than one if the member had to refute that it was dead.
    pub version: u64,
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Look who is late; now and then send a heartbeat.
    Look,
    /// Of SWIM.
    Swim(full::Timer),
}

/// What a node counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Heartbeats sent.
    pub beats: u64,
    /// Nodes found dead.
    pub downs: u64,
    /// Neighbours not watched because there were `max_watched`.
    pub unwatched: u64,
    /// Heartbeats of nodes that are no neighbours, each answered, and messages of another detector than ours.
    pub strange: u64,
}

/// So often in the time between two heartbeats is looked who is late.
const LOOKS: u32 = 4;

/// One node's judgement of others.
#[derive(Debug)]
pub struct Links {
    watched: BTreeSet<NodeId>,
    most: usize,
    way: Way,
    stats: Stats,
}

#[derive(Debug)]
enum Way {
    Connections,
    Heartbeats { every: Duration, judge: Judge, watch: Watch<Judged>, looks: u32 },
    Swim(Box<Full>),
}

impl Links {
    /// A node that watches nobody. `me` is what others are told of us.
    pub fn new(me: impl Into<NodeAddr>, config: Config) -> Self {
        let me = me.into();
        let way = match config.detection {
            Detection::Connections => Way::Connections,
            Detection::Heartbeats { every, judge } => {
                // A time that is no time would have its timer set itself again for ever.
                let every = every.max(Duration::from_millis(1));
                Way::Heartbeats { every, judge, watch: Watch::new(me.id, config.max_watched), looks: 0 }
            }
            Detection::Swim(config) => Way::Swim(Box::new(Full::new(me, config))),
        };
        Links { watched: BTreeSet::new(), most: config.max_watched, way, stats: Stats::default() }
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// SWIM's part, if that is the detector.
    pub fn swim(&self) -> Option<&Full> {
        match &self.way {
            Way::Swim(full) => Some(full),
            _ => None,
        }
    }

    fn watch(&mut self, peer: NodeId) {
        if self.watched.len() >= self.most && !self.watched.contains(&peer) {
            self.stats.unwatched += 1;
        } else {
            self.watched.insert(peer);
        }
    }

    fn unwatch(&mut self, peer: NodeId) {
        self.watched.remove(&peer);
        if let Way::Heartbeats { watch, .. } = &mut self.way {
            watch.remove(peer);
        }
    }

    fn look(&mut self, cx: &mut Context<'_, Self>) {
        let Way::Heartbeats { every, watch, looks, .. } = &mut self.way else { return };
        cx.set_timer(Timer::Look, *every / LOOKS);
        if looks.is_multiple_of(LOOKS) {
            let beat = watch.beat();
            self.watched.iter().for_each(|peer| cx.send(*peer, Message::Beat(beat)));
            self.stats.beats += self.watched.len() as u64;
        }
        *looks = looks.wrapping_add(1);
        let late = watch.suspicions(cx.now()).filter(|(_, suspicion)| *suspicion >= 1.0);
        for (peer, _) in late.collect::<Vec<_>>() {
            self.unwatch(peer);
            self.stats.downs += 1;
            cx.emit(Event::Down(peer));
        }
    }

    fn heard(&mut self, from: NodeId, beat: u64, answer: bool, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        match &mut self.way {
            Way::Heartbeats { judge, watch, .. } if self.watched.contains(&from) => {
                watch.hear(from, beat, now, || Judged::new(judge, now));
            }
            Way::Heartbeats { watch, .. } => {
                self.stats.strange += 1;
                if answer {
                    cx.send(from, Message::Here(watch.number()));
                }
            }
            _ => self.stats.strange += 1,
        }
    }

    fn tell_swim(&mut self, input: Input<Full>, cx: &mut Context<'_, Self>) {
        let Way::Swim(full) = &mut self.way else { return };
        for event in hand(&mut **full, input, |_, message| Message::Swim(message), Timer::Swim, cx) {
            let (full::Event::Up(id)
            | full::Event::Suspected(id)
            | full::Event::Down(id)
            | full::Event::Changed(id)) = event;
            if let Some(member) = full.member(id) {
                let (addr, meta) = (member.addr.clone(), member.meta.clone());
                let (state, version) = (member.state(), member.incarnation);
                cx.emit(Event::Member(MemberInfo { id, addr, state, meta, version }));
            }
            if event == full::Event::Down(id) {
                self.stats.downs += 1;
                cx.emit(Event::Down(id));
            }
        }
    }
}

impl Machine for Links {
    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start => {
                self.look(cx);
                self.tell_swim(Input::Start, cx);
            }
            Input::Command(Command::Watch(peer)) => self.watch(peer),
            Input::Command(Command::Unwatch(peer)) => self.unwatch(peer),
            Input::Command(Command::Join(contacts)) => {
                self.tell_swim(Input::Command(full::Command::Join(contacts)), cx);
            }
            Input::Command(Command::Meta(meta)) => {
                self.tell_swim(Input::Command(full::Command::Meta(meta)), cx);
            }
            Input::Message(from, Message::Beat(beat)) => self.heard(from, beat, true, cx),
            Input::Message(from, Message::Here(beat)) => self.heard(from, beat, false, cx),
            Input::Message(from, Message::Swim(message)) => {
                self.stats.strange += u64::from(self.swim().is_none());
                self.tell_swim(Input::Message(from, message), cx);
            }
            Input::Timer(Timer::Look) => self.look(cx),
            Input::Timer(Timer::Swim(timer)) => self.tell_swim(Input::Timer(timer), cx),
            Input::PeerUp(peer) => self.tell_swim(Input::PeerUp(peer), cx),
            Input::PeerDown(peer) => self.tell_swim(Input::PeerDown(peer), cx),
            Input::Stored(_) | Input::Probed(..) => {}
        }
    }
}

/// Either of the judges.
#[derive(Debug)]
enum Judged {
    Deadline(Deadline),
    Phi(Box<PhiAccrual>),
}

impl Judged {
    fn new(judge: &Judge, now: Time) -> Self {
        match judge {
            Judge::Deadline(timeout) => Judged::Deadline(Deadline::new(*timeout, now)),
            Judge::Phi(config) => Judged::Phi(Box::new(PhiAccrual::new(config.clone(), now))),
        }
    }
}

impl Detector for Judged {
    fn heard(&mut self, beat: u64, now: Time) {
        match self {
            Judged::Deadline(one) => one.heard(beat, now),
            Judged::Phi(one) => one.heard(beat, now),
        }
    }

    fn beat(&self) -> Option<u64> {
        match self {
            Judged::Deadline(one) => one.beat(),
            Judged::Phi(one) => one.beat(),
        }
    }

    fn suspicion(&self, now: Time) -> f64 {
        match self {
            Judged::Deadline(one) => one.suspicion(now),
            Judged::Phi(one) => one.suspicion(now),
        }
    }
}
