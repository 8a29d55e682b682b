//! The passive view: nodes exchange parts of what they know (§4.4).

use std::time::Duration;

use dsys_core::{Context, NodeAddr, NodeId};

use super::Message;
use super::machine::{Partial, Timer};

impl Partial {
    pub(super) fn plan_shuffle(&mut self, cx: &mut Context<'_, Self>) {
        // Sooner at first: whoever has just come knows few.
        let period = self.config.shuffle_every / (1 << self.soon);
        self.soon = self.soon.saturating_sub(1);
        let more = u64::try_from(period.as_nanos() / 2).unwrap_or(u64::MAX);
        let wait = period + Duration::from_nanos(cx.rng().below(more));
        cx.set_timer(Timer::Shuffle, wait);
    }

    pub(super) fn shuffle(&mut self, cx: &mut Context<'_, Self>) {
        self.plan_shuffle(cx);
        // With their memory: those who join or lose somebody need room, once.
        self.refused = Vec::new();
        self.asked.shrink_to_fit();
        self.unmet.shrink_to_fit();
        [self.joins, self.shuffles] = [0; 2];
        self.asking.clear();
        if self.away {
            return;
        }
        self.fill(cx);
        self.exchange(cx);
        self.retry(cx);
        self.turn_to_an_unmet(cx);
    }

    /// Sends a part of our views to somebody a walk away.
    pub(super) fn exchange(&mut self, cx: &mut Context<'_, Self>) {
        let Some(peer) = self.views.pick(cx.rng(), &[]) else { return };
        let mut nodes = self.views.sample_active(self.config.shuffle_active, cx.rng());
        nodes.extend(self.views.sample_passive(self.config.shuffle_passive, cx.rng()));
        self.shuffled = Some(nodes.iter().map(|addr| addr.id).collect());
        cx.send(
            peer,
            Message::Shuffle { origin: Box::new(self.me.clone()), ttl: self.config.shuffle_walk, nodes },
        );
    }

    pub(super) fn shuffled(
        &mut self,
        from: NodeId,
        origin: Box<NodeAddr>,
        ttl: u8,
        nodes: Vec<NodeAddr>,
        cx: &mut Context<'_, Self>,
    ) {
        let ttl = ttl.min(self.config.shuffle_walk);
        let next = if ttl == 0 { None } else { self.views.pick(cx.rng(), &[from, origin.id]) };
        if let Some(next) = next {
            cx.send(next, Message::Shuffle { origin, ttl: ttl - 1, nodes });
        } else if origin.id != self.me.id {
            let ours = self.views.sample_passive(nodes.len(), cx.rng());
            let sent: Vec<NodeId> = ours.iter().map(|addr| addr.id).collect();
            cx.send(origin.id, Message::ShuffleReply(ours));
            self.integrate(nodes, &sent, cx);
            self.views.add_passive(*origin, &sent, cx.rng());
        }
    }

    /// §4.4: what came takes the place of what went.
    pub(super) fn integrate(&mut self, nodes: Vec<NodeAddr>, sent: &[NodeId], cx: &mut Context<'_, Self>) {
        for addr in nodes {
            if self.asked.iter().all(|(asked, _)| asked.id != addr.id) {
                self.views.add_passive(addr, sent, cx.rng());
            }
        }
        self.fill(cx);
    }
}
