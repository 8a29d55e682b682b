//! The choices of the paper.

/// Which of the paper's epidemics (Demers et al. 1987, §1.4). Every combination of these choices is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Who sends the rumour: the one that makes contact, the other, or both.
    pub direction: Direction,
    /// Whether a node counts every contact, or only those that were no news.
    pub judgement: Judgement,
    /// What such a contact does.
    pub loss: Loss,
    /// A node takes so many contacts in one cycle and refuses further ones; `None`: as many as
    /// [`Config::max_partners`](super::Config::max_partners).
    pub connection_limit: Option<u32>,
    /// After a refusal a node tries another one, so many times in one cycle.
    pub hunt: u32,
}

/// Who sends the rumour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The node that makes contact. Quiet while there is no rumour; good while few have heard it.
    Push,
    /// The node that is contacted. Every node makes contact in every cycle; good once most have heard it.
    Pull,
    /// Both.
    PushPull,
}

/// Which contacts make a node lose interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All of them; the other node is not asked.
    Blind,
    /// Those with nodes that knew already. It takes an answer to each contact.
    Feedback,
}

/// How a node loses interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// By chance: one in `k` for each contact that counts.
    Coin {
        /// The higher, the fewer nodes never hear, and the more messages. 0 counts as 1.
        k: u32,
    },
    /// After `k` contacts that count.
    Counter {
        /// As for the coin.
        k: u32,
        /// A contact that was news starts the count again.
        reset: bool,
    },
}

impl Variant {
    /// Push, feedback, counter: table 1 of the paper. The paper does not spell out that news resets the counter; its
    /// figures come out only so.
    pub const fn push(k: u32) -> Self {
        Variant { direction: Direction::Push, ..Self::push_pull(k) }
    }

    /// Push, blind, coin: table 2.
    pub const fn push_blind_coin(k: u32) -> Self {
        Variant { judgement: Judgement::Blind, loss: Loss::Coin { k }, ..Self::push(k) }
    }

    /// Pull, feedback, counter: table 3.
    pub const fn pull(k: u32) -> Self {
        Variant { direction: Direction::Pull, ..Self::push_pull(k) }
    }

    /// Push and pull, feedback, counter.
    pub const fn push_pull(k: u32) -> Self {
        Variant {
            direction: Direction::PushPull,
            judgement: Judgement::Feedback,
            loss: Loss::Counter { k, reset: true },
            connection_limit: None,
            hunt: 0,
        }
    }

    /// Whether whoever makes contact sends.
    pub(super) fn pushes(self) -> bool {
        self.direction != Direction::Pull
    }

    /// Whether whoever is contacted sends.
    pub(super) fn pulls(self) -> bool {
        self.direction != Direction::Push
    }

    pub(super) fn asks(self) -> bool {
        self.judgement == Judgement::Feedback
    }
}

impl Default for Variant {
    /// Push and pull with feedback, a counter and `k` 2: the soonest done, and next to nobody never hears.
    fn default() -> Self {
        Self::push_pull(2)
    }
}
