//! What others say of nodes, and what we make of it.

use dsys_core::{Context, NodeAddr, NodeId};

use super::{Claim, Event, Full, Member, Meta, Timer, Update, member};

/// An incarnation that nobody gets to by living.
const HIGHEST: u64 = 1 << 62;

impl Full {
    /// What is said of ourselves: refuted if it is wrong (SWIM §4.2).
    fn about_me(&mut self, update: &Update) {
        let wrong = match &update.claim {
            Claim::Alive { addr, meta } => {
                update.incarnation > self.incarnation
                    || (update.incarnation == self.incarnation && (*addr != self.me || *meta != self.meta))
            }
            Claim::Suspect(_) | Claim::Down => update.incarnation >= self.incarnation,
        };
        if wrong {
            // By no more than others believe at once; if that was not enough we shall hear it again.
            let jump = self.incarnation.saturating_add(self.config.max_jump.saturating_sub(1));
            self.incarnation = update.incarnation.min(jump) + 1;
            self.stats.refuted += 1;
            self.well(false);
            self.gossip.add(self.myself());
        } else if !matches!(update.claim, Claim::Alive { .. }) {
            // They have missed that it was refuted.
            self.gossip.add(self.myself());
        }
    }

    /// Takes in what `from` says. `false` if nobody honest says it.
    pub(super) fn learn(&mut self, from: NodeId, update: Update, cx: &mut Context<'_, Self>) -> bool {
        if update.incarnation >= HIGHEST {
            return false;
        }
        if update.id == self.me.id {
            self.about_me(&update);
            return true;
        }
        let Update { id, incarnation, claim } = update;
        match claim {
            Claim::Alive { addr, meta } => {
                if addr.id != id || member::size(&meta) > self.config.max_meta {
                    return false;
                }
                self.learn_alive(from, id, incarnation, (addr, meta), cx)
            }
            // Of an incarnation that is over nothing can be said.
            Claim::Suspect(by) => {
                if self.members.get(&id).is_some_and(|member| incarnation >= member.incarnation) {
                    self.suspect(id, Some(by), cx);
                }
                true
            }
            Claim::Down => {
                self.learn_down(from, id, incarnation, cx);
                true
            }
        }
    }

    fn learn_alive(
        &mut self,
        from: NodeId,
        id: NodeId,
        incarnation: u64,
        (addr, meta): (NodeAddr, Meta),
        cx: &mut Context<'_, Self>,
    ) -> bool {
        let Some(member) = self.members.get_mut(&id) else {
            if self.members.len() >= self.config.max_members {
                self.stats.members_refused += 1;
                return true;
            }
            if !addr.direct().is_empty() {
                cx.learn(addr.clone());
            }
            let member = Member { addr, incarnation, meta, doubt: None, down: None };
            self.gossip.add(Self::alive(id, &member));
            self.members.insert(id, member);
            self.up += 1;
            // Somewhere in the present round (SWIM §4.3); one that has not begun will have it.
            if !self.round.is_empty() {
                let at = cx.rng().index(self.round.len() + 1);
                self.round.insert(at, id);
            }
            cx.emit(Event::Up(id));
            return true;
        };
        // The node itself may say anything of itself; others not what is far from what we know.
        if from != id && incarnation > member.incarnation.saturating_add(self.config.max_jump) {
            return false;
        }
        if incarnation <= member.incarnation {
            return true;
        }
        let changed = member.meta != meta;
        if member.addr != addr && !addr.direct().is_empty() {
            cx.learn(addr.clone());
        }
        (member.addr, member.meta, member.incarnation) = (addr, meta, incarnation);
        if member.doubt.take().is_some() {
            cx.cancel_timer(Timer::Verify(id));
        }
        let back = member.down.take().is_some();
        self.gossip.add(Self::alive(id, member));
        if back {
            self.up += 1;
            if !self.round.contains(&id) {
                self.round.push(id);
            }
            cx.emit(Event::Up(id));
        }
        if changed {
            cx.emit(Event::Changed(id));
        }
        true
    }

    fn learn_down(&mut self, from: NodeId, id: NodeId, incarnation: u64, cx: &mut Context<'_, Self>) {
        let known = self.members.get(&id).filter(|member| member.is_up());
        if known.is_none_or(|member| incarnation < member.incarnation) {
            return;
        }
        if from == id {
            // It leaves.
            self.declare_down(id, cx);
            return;
        }
        // Hearsay: we look for ourselves, now.
        self.suspect(id, Some(from), cx);
        let doubt = self.members.get_mut(&id).and_then(|member| member.doubt.as_mut());
        let unseen = doubt.is_some_and(|doubt| {
            doubt.claimed = true;
            doubt.pings == 0
        });
        if unseen {
            self.verify(id, cx);
        }
    }
}
