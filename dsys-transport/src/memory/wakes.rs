//! Who is to be woken once the lock is released. Waking under the lock could run a future's drop, which takes it.

use std::task::{Context, Waker};

use tokio::sync::Notify;

use super::frame::{Kind, Side, Sides};

/// What the methods of a connection wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A stream of this kind waits to be accepted.
    Arrived(Kind),
    /// One more stream of this kind may be opened.
    Slot(Kind),
    Datagram,
    /// The end is closed: everybody who waits for anything must look.
    Closed,
}

#[derive(Debug, Default)]
pub(super) struct Wakes {
    wakers: Vec<Waker>,
    replaced: Option<Waker>,
    events: Vec<(Side, Event)>,
    driver: bool,
}

impl Wakes {
    pub(super) fn waker(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    /// Leaves the caller's waker in `slot`. The one that was there is dropped after the lock is released, too.
    pub(super) fn park(&mut self, slot: &mut Option<Waker>, cx: &Context<'_>) {
        if !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.replaced = slot.replace(cx.waker().clone());
        }
    }

    pub(super) fn event(&mut self, side: Side, event: Event) {
        self.events.push((side, event));
    }

    /// The driver has something new to wait for.
    pub(super) fn driver(&mut self) {
        self.driver = true;
    }

    pub(super) fn fire(self, signals: &Sides<Signals>, driver: &Notify) {
        for waker in self.wakers {
            waker.wake();
        }
        for (side, event) in self.events {
            signals.get(side).fire(event);
        }
        if self.driver {
            driver.notify_one();
        }
    }
}

/// Where the methods of one end wait. Each thing that happens wakes one waiter; tokio passes the permit on when a
/// waiter that got it is dropped, so none is lost by cancelling.
#[derive(Debug, Default)]
pub(super) struct Signals {
    arrived_bi: Notify,
    arrived_uni: Notify,
    slot_bi: Notify,
    slot_uni: Notify,
    datagram: Notify,
    closed: Notify,
}

impl Signals {
    pub(super) fn of(&self, event: Event) -> &Notify {
        match event {
            Event::Arrived(Kind::Bi) => &self.arrived_bi,
            Event::Arrived(Kind::Uni) => &self.arrived_uni,
            Event::Slot(Kind::Bi) => &self.slot_bi,
            Event::Slot(Kind::Uni) => &self.slot_uni,
            Event::Datagram => &self.datagram,
            Event::Closed => &self.closed,
        }
    }

    fn fire(&self, event: Event) {
        if event != Event::Closed {
            return self.of(event).notify_one();
        }
        for notify in
            [&self.arrived_bi, &self.arrived_uni, &self.slot_bi, &self.slot_uni, &self.datagram, &self.closed]
        {
            notify.notify_waiters();
        }
    }
}
