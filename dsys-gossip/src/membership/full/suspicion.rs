//! From doubt to certainty: suspicions, what ends them, and who declares whom down.

use std::collections::BTreeSet;

use dsys_core::{Context, NodeId};

use super::member::Doubt;
use super::{Claim, Event, Full, Timer, Update};

impl Full {
    /// Begins a suspicion, or adds to it; `by` is whoever else has it.
    pub(super) fn suspect(&mut self, id: NodeId, by: Option<NodeId>, cx: &mut Context<'_, Self>) {
        // The first, and those who share it.
        let (now, me, most) = (cx.now(), self.me.id, self.config.confirmations.saturating_add(1));
        let Some(member) = self.members.get_mut(&id).filter(|member| member.is_up()) else { return };
        let incarnation = member.incarnation;
        let new = member.doubt.is_none();
        let doubt = member.doubt.get_or_insert_with(|| Doubt {
            since: now,
            own: false,
            claimed: false,
            by: BTreeSet::new(),
            pings: 0,
        });
        let changed = match by {
            None => !std::mem::replace(&mut doubt.own, true),
            Some(by) => by != id && doubt.by.len() < most && doubt.by.insert(by),
        };
        if !changed && !new {
            return;
        }
        let by = by.unwrap_or(me);
        self.gossip.add(Update { id, incarnation, claim: Claim::Suspect(by) });
        if new {
            self.stats.suspected += 1;
            cx.emit(Event::Suspected(id));
        }
        self.plan(id, cx);
    }

    /// When to see for ourselves: at once if the doubt is our own, and the sooner the more share it (Lifeguard §IV.B).
    fn plan(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let least = self.suspicion();
        let Some(doubt) = self.members.get(&id).and_then(|member| member.doubt.as_ref()) else { return };
        if doubt.pings > 0 {
            return;
        }
        let shared = if doubt.own {
            1.0
        } else {
            let (heard, needed) = (doubt.by.len() as f64, self.config.confirmations.max(1) as f64 + 1.0);
            (heard.max(1.0).ln() / needed.ln()).min(1.0)
        };
        let more = least.mul_f64(f64::from(self.config.hearsay.saturating_sub(1)) * (1.0 - shared));
        let begin = doubt.since + more;
        if begin <= cx.now() {
            self.verify(id, cx);
        } else {
            cx.set_timer(Timer::Verify(id), begin - cx.now());
        }
    }

    /// Pings a suspect, or declares it down if it was pinged often enough.
    pub(super) fn verify(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let lasting = self.suspicion();
        let Some(doubt) = self.members.get_mut(&id).and_then(|member| member.doubt.as_mut()) else { return };
        // Where several others have looked before us, and all look at once, fewer will do.
        let looked = doubt.claimed || doubt.by.len() >= self.config.confirmations;
        let most = if looked && !doubt.own { self.config.verify / 3 } else { self.config.verify }.max(1);
        let step = lasting / u32::from(most);
        if doubt.pings >= most {
            self.declare_down(id, cx);
            return;
        }
        doubt.pings += 1;
        self.stats.verified += 1;
        self.ping(id, cx);
        cx.set_timer(Timer::Verify(id), step);
    }

    pub(super) fn declare_down(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let now = cx.now();
        let Some(member) = self.members.get_mut(&id).filter(|member| member.is_up()) else { return };
        (member.down, member.doubt) = (Some(now), None);
        let incarnation = member.incarnation;
        self.up -= 1;
        self.stats.downs += 1;
        cx.cancel_timer(Timer::Verify(id));
        self.gossip.add(Update { id, incarnation, claim: Claim::Down });
        cx.emit(Event::Down(id));
    }

    /// A word from the node itself: whatever was said of it, it is there.
    pub(super) fn heard_from(&mut self, id: NodeId, cx: &mut Context<'_, Self>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.doubt.take().is_some() {
            cx.cancel_timer(Timer::Verify(id));
            let update = Self::alive(id, member);
            self.gossip.add(update);
        }
    }
}
