//! What every machine may rely on about connections, under all faults.

use std::collections::BTreeSet;
use std::time::Duration;

use dsys_core::{Context, Input, Machine, NodeId};
use dsys_sim::swarm::{Campaign, Fault};
use dsys_sim::{Connections, Notice};

/// Talks to everybody all the time, hangs up now and then, and checks what it is told about connections.
#[derive(Debug, Default)]
struct Chatter {
    peers: Vec<NodeId>,
    up: BTreeSet<NodeId>,
    wrong: Option<String>,
}

impl Chatter {
    fn check(&mut self, right: bool, otherwise: std::fmt::Arguments<'_>) {
        if !right {
            self.wrong = Some(otherwise.to_string());
        }
    }
}

impl Machine for Chatter {
    type Message = ();
    type Command = ();
    type Event = ();
    type Timer = ();

    fn handle(&mut self, input: Input<Self>, cx: &mut Context<'_, Self>) {
        match input {
            Input::Start | Input::Timer(()) => {
                cx.set_timer((), Duration::from_millis(200));
                for peer in &self.peers {
                    cx.send(*peer, ());
                }
                if cx.rng().chance(0.05)
                    && let Some(peer) = cx.rng().choose(&self.peers).copied()
                {
                    cx.disconnect(peer);
                    self.up.remove(&peer);
                }
            }
            Input::PeerUp(peer) => {
                let new = self.up.insert(peer);
                self.check(new, format_args!("{peer:?} is up twice"));
            }
            Input::PeerDown(peer) => {
                self.up.remove(&peer);
            }
            Input::Message(peer, ()) => {
                let up = self.up.contains(&peer);
                self.check(up, format_args!("{peer:?} talks without a connection"));
            }
            _ => {}
        }
    }
}

#[test]
fn messages_come_over_connections_that_are_up_and_connections_come_back() {
    for absent in [Notice::Refused, Notice::Silent] {
        let mut campaign = Campaign::new(|me, _, peers: &[NodeId]| Chatter {
            peers: peers.iter().copied().filter(|peer| *peer != me).collect(),
            ..Chatter::default()
        })
        .invariant(|network| {
            let mut wrongs = network.machines().filter_map(|(_, chatter)| chatter.wrong.clone());
            wrongs.next().map_or(Ok(()), Err)
        })
        .goal(|network| {
            let apart = network.machines().find(|(_, chatter)| chatter.up.len() < chatter.peers.len());
            apart.map_or(Ok(()), |(id, chatter)| Err(format!("{id:?} reaches only {}", chatter.up.len())))
        });
        campaign.faults = Fault::SURVIVABLE.iter().chain([&Fault::Amnesia]).copied().collect();
        campaign.config.connections = Connections::Tracked { timeout: Some(Duration::from_secs(3)), absent };
        campaign.longest = Duration::from_secs(6);
        campaign.nodes = 2..=5;
        if let Err(failure) = campaign.run(0..150) {
            panic!("{failure}");
        }
    }
}
