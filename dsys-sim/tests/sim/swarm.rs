//! Planted bugs: found, and shrunk to what they need.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId, Time};
use dsys_sim::swarm::{Campaign, Fault, Mix};
use dsys_sim::{Connections, Network};

/// Adds up what all nodes contribute. A contribution is sent again until it is acknowledged.
#[derive(Debug)]
struct Sum {
    peers: Vec<NodeId>,
    unacknowledged: BTreeSet<NodeId>,
    counted: BTreeSet<NodeId>,
    total: u32,
    bug: Bug,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    None,
    /// Counts a contribution as often as it comes; it comes once unless the network doubles it.
    CountsTwice,
    /// Takes it for granted that a contribution comes once.
    Panics,
    /// Sends once and does not ask.
    NeverRepeats,
}

#[derive(Clone, Debug)]
enum Message {
    Add,
    Ack,
}

impl Machine for Sum {
    type Message = Message;
    type Command = ();
    type Event = ();
    type Timer = ();

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start | Input::Timer(()) => {
                for peer in &self.unacknowledged {
                    cx.send(*peer, Message::Add);
                }
                // The bug that counts twice must not repeat, or no fault would be needed to show it.
                if self.bug == Bug::None {
                    cx.set_timer((), Duration::from_secs(1));
                }
            }
            Input::Message(from, Message::Add) => {
                let new = self.counted.insert(from);
                assert!(new || self.bug != Bug::Panics, "{from:?} contributes twice");
                if new || self.bug == Bug::CountsTwice {
                    self.total += 1;
                }
                cx.send(from, Message::Ack);
            }
            Input::Message(from, Message::Ack) => {
                self.unacknowledged.remove(&from);
            }
            _ => {}
        }
    }
}

fn campaign(bug: Bug) -> Campaign<Sum> {
    let mut campaign = Campaign::new(move |me, _, peers: &[NodeId]| {
        let others: Vec<NodeId> = peers.iter().copied().filter(|peer| *peer != me).collect();
        Sum {
            unacknowledged: others.iter().copied().collect(),
            peers: others,
            counted: BTreeSet::new(),
            total: 0,
            bug,
        }
    })
    .invariant(|network: &Network<Sum>| {
        let wrong = network.machines().find(|(_, sum)| sum.total as usize > sum.peers.len());
        wrong.map_or(Ok(()), |(id, sum)| Err(format!("{id:?} counts {} contributions", sum.total)))
    })
    .goal(|network| {
        let late = network.machines().find(|(_, sum)| (sum.total as usize) < sum.peers.len());
        late.map_or(Ok(()), |(id, sum)| Err(format!("{id:?} has only {} contributions", sum.total)))
    });
    campaign.config.connections = Connections::None;
    campaign.faults.retain(|fault| !matches!(fault, Fault::Crash | Fault::Power));
    campaign.longest = Duration::from_secs(5);
    campaign
}

#[test]
fn a_sound_machine_passes_every_seed_and_recovers() {
    let campaign = campaign(Bug::None);
    assert_eq!(campaign.run(0..150), Ok(150));
    let recoveries = (0..150).map(|seed| campaign.check(seed, &campaign.mix(seed)).unwrap().recovery);
    assert!(recoveries.max() > Some(Duration::from_millis(500)), "some run had something to recover from");
}

#[test]
fn a_bug_of_duplication_shrinks_to_duplication() {
    let failure = campaign(Bug::CountsTwice).run(0..100).unwrap_err();
    assert!(failure.broken, "{failure}");
    assert_eq!(failure.mix.faults(), [Fault::Duplication]);
    assert_eq!(failure.mix.nodes, 2);
    assert!(failure.mix.lasting < Duration::from_millis(500), "{failure}");
}

#[test]
fn a_missing_repetition_is_found_as_a_goal_not_reached() {
    let failure = campaign(Bug::NeverRepeats).run(0..100).unwrap_err();
    assert!(!failure.broken, "{failure}");
    let faults = failure.mix.faults();
    assert!(faults.len() == 1 && faults != [Fault::Duplication] && faults != [Fault::Skew], "{failure}");
}

#[test]
fn the_printed_command_line_shows_the_same_failure_again() {
    let campaign = campaign(Bug::CountsTwice);
    let failure = campaign.run(0..100).unwrap_err();
    let text = failure.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |flag| words[words.iter().position(|word| *word == flag).unwrap() + 1];
    let mix: Mix = after("--faults").parse().unwrap();
    assert_eq!(campaign.check(after("--seed").parse().unwrap(), &mix), Err(failure));
}

#[test]
fn a_panic_is_a_failure_and_shrinks_too() {
    let failure = campaign(Bug::Panics).run(0..100).unwrap_err();
    assert!(
        failure.broken && failure.what.starts_with("panicked: ") && failure.what.ends_with("twice"),
        "{failure}"
    );
    assert_eq!(failure.mix.faults(), [Fault::Duplication]);
    assert!(failure.at > Time::ZERO);
}

#[test]
fn liars_withhold_and_a_sound_machine_outlasts_it() {
    let mut campaign = campaign(Bug::None);
    campaign.faults = vec![Fault::Liars];
    campaign.nodes = 4..=10;
    assert_eq!(campaign.run(0..50), Ok(50));
    let withheld = |seed| campaign.check(seed, &campaign.mix(seed)).unwrap().recovery > Duration::ZERO;
    assert!((0..50).any(withheld), "some liar kept somebody waiting");
}

#[test]
fn a_bug_that_a_liar_shows_shrinks_to_one_liar() {
    let mut campaign = campaign(Bug::CountsTwice).lie(|_, _, letter| vec![letter.clone(), letter]);
    campaign.faults = vec![Fault::Reordering, Fault::Skew, Fault::Liars];
    campaign.nodes = 2..=9;
    let failure = campaign.run(0..100).unwrap_err();
    assert_eq!(failure.mix.faults(), [Fault::Liars]);
    assert!(failure.to_string().contains(",liars=0."), "{failure}");
    assert_eq!((failure.mix.intensity(Fault::Liars) * f64::from(failure.mix.nodes)) as u32, 1, "{failure}");
}
