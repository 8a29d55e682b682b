//! The faults of one run, as a value, as text, and drawn at random.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::Faults;
use crate::math::Dice;

/// A kind of fault. Its intensity is a number whose meaning depends on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// `loss`: the probability that a message is lost.
    Loss,
    /// `dup`: the probability that a message arrives twice.
    Duplication,
    /// `reorder`: the probability that a message is taken out of order.
    Reordering,
    /// `cut`: partitions in two random halves, per second.
    Cut,
    /// `oneway`: one-way cuts between two random halves, per second.
    OneWayCut,
    /// `crash`: processes dying, per second; they start again with their disk.
    Crash,
    /// `power`: power failures of one node, per second; it starts again with its disk, peers hear nothing.
    Power,
    /// `skew`: the largest offset of a clock, in seconds, with a drift of up to a thousandth of it per second.
    Skew,
    /// `amnesia`: machines burning, per second; they start again without their disk.
    Amnesia,
    /// `join`: nodes joining, per second.
    Join,
    /// `leave`: nodes leaving for good, per second.
    Leave,
    /// `liars`: the part of the nodes, rounded down, that lie, and go on when all else is healed; see
    /// [`Campaign::lie`](super::Campaign::lie).
    Liars,
}

impl Fault {
    /// Those that a sound protocol survives without further conditions: all but the last four.
    pub const SURVIVABLE: &'static [Fault] = Self::ALL.split_at(8).0;

    /// All of them.
    pub const ALL: [Fault; 12] = [
        Fault::Loss,
        Fault::Duplication,
        Fault::Reordering,
        Fault::Cut,
        Fault::OneWayCut,
        Fault::Crash,
        Fault::Power,
        Fault::Skew,
        Fault::Amnesia,
        Fault::Join,
        Fault::Leave,
        Fault::Liars,
    ];

    /// The name in a mix's text.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Loss => "loss",
            Fault::Duplication => "dup",
            Fault::Reordering => "reorder",
            Fault::Cut => "cut",
            Fault::OneWayCut => "oneway",
            Fault::Crash => "crash",
            Fault::Power => "power",
            Fault::Skew => "skew",
            Fault::Amnesia => "amnesia",
            Fault::Join => "join",
            Fault::Leave => "leave",
            Fault::Liars => "liars",
        }
    }

    /// The largest intensity drawn, in hundredths.
    fn most(self) -> u64 {
        match self {
            Fault::Loss => 40,
            Fault::Duplication | Fault::Reordering => 30,
            Fault::Cut | Fault::OneWayCut | Fault::Crash | Fault::Power => 50,
            Fault::Skew => 500,
            Fault::Amnesia | Fault::Join | Fault::Leave => 20,
            // Fewer than a third: what Byzantine agreement bears (Pease, Shostak and Lamport 1980).
            Fault::Liars => 33,
        }
    }
}

/// The faults of one run. Its text, `nodes=5,ms=20000,loss=0.1,crash=0.05`, parses back to the same mix.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Nodes at the start.
    pub nodes: u32,
    /// How long the faults last.
    pub lasting: Duration,
    /// In the order of the kinds.
    faults: Vec<(Fault, f64)>,
}

/// A text is not a mix. Each variant names what it stumbled on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseMixError {
    /// A part has no `=`.
    #[error("`{0}` is not of the form name=number; write for example nodes=5,ms=20000,loss=0.1")]
    Form(String),
    /// A name is none of ours.
    #[error(
        "`{0}` is no fault; there are nodes, ms, loss, dup, reorder, cut, oneway, crash, power, skew, amnesia, join, leave, liars"
    )]
    Name(String),
    /// A number is none, or out of range.
    #[error("`{0}` needs a number of at least 0; probabilities are at most 1, rates at most 1000")]
    Number(String),
}

impl Mix {
    /// So many nodes for so long without faults.
    pub fn new(nodes: u32, lasting: Duration) -> Self {
        Mix { nodes, lasting, faults: Vec::new() }
    }

    /// The same with this fault at this intensity, instead of its former one; 0 takes it out.
    #[must_use]
    pub fn with(mut self, fault: Fault, intensity: f64) -> Self {
        self.faults.retain(|(kind, _)| *kind != fault);
        if intensity > 0.0 {
            self.faults.push((fault, intensity));
            self.faults.sort_by_key(|(kind, _)| *kind);
        }
        self
    }

    /// The faults that are on.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.iter().map(|(kind, _)| *kind).collect()
    }

    /// The intensity of a fault; 0 if it is off.
    pub fn intensity(&self, fault: Fault) -> f64 {
        self.faults.iter().find(|(kind, _)| *kind == fault).map_or(0.0, |(_, intensity)| *intensity)
    }

    /// Each fault on or off by a coin, at a tenth to ten tenths of the most.
    pub(crate) fn random(seed: u64, faults: &[Fault], nodes: RangeInclusive<u32>, longest: Duration) -> Self {
        let mut dice = Dice::new(seed ^ 0xa54f_f53a_5f1d_36f1);
        let spread = nodes.end().saturating_sub(*nodes.start());
        let count = nodes.start() + dice.below(u64::from(spread) + 1) as u32;
        // Between a tenth and all of the longest time.
        let tenths = 1 + dice.below(10) as u32;
        let mut mix = Mix::new(count, longest / 10 * tenths);
        for fault in faults {
            if dice.below(2) == 1 {
                let tenths = 1 + dice.below(10);
                mix = mix.with(*fault, (tenths * fault.most()) as f64 / 1_000.0);
            }
        }
        mix
    }

    pub(crate) fn message_faults(&self) -> Faults {
        Faults {
            loss: self.intensity(Fault::Loss),
            duplication: self.intensity(Fault::Duplication),
            reordering: self.intensity(Fault::Reordering),
            ..Faults::NONE
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nodes={},ms={}", self.nodes, self.lasting.as_millis())?;
        self.faults.iter().try_for_each(|(fault, intensity)| write!(f, ",{}={intensity}", fault.name()))
    }
}

impl FromStr for Mix {
    type Err = ParseMixError;

    fn from_str(text: &str) -> Result<Self, ParseMixError> {
        let mut mix = Mix::new(5, Duration::from_secs(20));
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or_else(|| ParseMixError::Form(part.into()))?;
            let wrong = || ParseMixError::Number(name.into());
            match name {
                "nodes" => mix.nodes = number.parse().map_err(|_| wrong())?,
                "ms" => mix.lasting = Duration::from_millis(number.parse().map_err(|_| wrong())?),
                _ => {
                    let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
                    let fault = fault.ok_or_else(|| ParseMixError::Name(name.into()))?;
                    let intensity: f64 = number.parse().map_err(|_| wrong())?;
                    let probability =
                        matches!(fault, Fault::Loss | Fault::Duplication | Fault::Reordering | Fault::Liars);
                    if !(0.0..=if probability { 1.0 } else { 1_000.0 }).contains(&intensity) {
                        return Err(wrong());
                    }
                    mix = mix.with(fault, intensity);
                }
            }
        }
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_parses_back() {
        let mut sizes = Vec::new();
        for seed in 0..200 {
            let mix = Mix::random(seed, &Fault::ALL, 2..=7, Duration::from_secs(20));
            assert_eq!(mix.to_string().parse(), Ok(mix.clone()));
            assert!((2..=7).contains(&mix.nodes));
            sizes.push(mix.faults().len());
        }
        // Subsets of all sizes, not all faults at once.
        assert!(sizes.iter().min() < Some(&3) && sizes.iter().max() > Some(&8));
    }

    #[test]
    fn what_is_no_mix_is_refused_by_name() {
        let error = |text: &str| text.parse::<Mix>().unwrap_err();
        assert_eq!(error("loss"), ParseMixError::Form("loss".into()));
        assert_eq!(error("lose=1"), ParseMixError::Name("lose".into()));
        assert_eq!(error("loss=1.5"), ParseMixError::Number("loss".into()));
        assert_eq!(error("loss=NaN"), ParseMixError::Number("loss".into()));
        assert_eq!(error("nodes=-1"), ParseMixError::Number("nodes".into()));
    }
}
