//! Signed hop paths: a node that tells two stories is found, and an honest one is never blamed.

use std::collections::BTreeMap;

use dsys_core::{NodeId, Rng, SecretKey, Signature};
use dsys_gossip::MessageId;
use dsys_gossip::path::{BadPath, Hops, Path, Proof, Statement, blame, extend};
use proptest::prelude::*;

const ID: MessageId = MessageId([5; 16]);

fn keys(count: u8) -> Vec<SecretKey> {
    (0..count).map(|byte| SecretKey::from_bytes([byte + 1; 32])).collect()
}

/// The way over these nodes to `to`, everybody signing.
fn way(keys: &[SecretKey], nodes: &[usize], to: usize) -> Path {
    let origin = keys[nodes[0]].public();
    let mut came: Option<Path> = None;
    for (at, node) in nodes.iter().enumerate() {
        let next = keys[*nodes.get(at + 1).unwrap_or(&to)].public();
        let (me, previous) = (keys[*node].public(), keys[nodes[at.saturating_sub(1)]].public());
        let hops = extend(&keys[*node], ID, came.as_ref(), previous, next, 32);
        came = Some(Path::check(ID, origin, me, next, hops, 32).unwrap());
    }
    came.unwrap()
}

#[test]
fn a_path_says_who_passed_a_message_on_and_every_part_of_it_is_checked() {
    let keys = keys(5);
    let id = |at: usize| keys[at].public();
    let path = way(&keys, &[0, 1, 2], 3);
    assert_eq!(path.nodes().collect::<Vec<_>>(), [id(0), id(1), id(2)]);
    assert_eq!(path.from(), id(0), "the origin wrote it");
    let said: Vec<Statement> = path.statements().collect();
    assert_eq!((said[1].previous, said[1].node, said[1].next), (id(0), id(1), id(2)));
    assert!(said.iter().all(Statement::is_signed));

    let hops = extend(&keys[3], ID, Some(&path), id(2), id(4), 32);
    let check = |hops: &Hops, sender, most| Path::check(ID, id(0), sender, id(4), hops.clone(), most);
    assert!(check(&hops, id(3), 4).is_ok());
    assert_eq!(check(&hops, id(3), 3), Err(BadPath::Length));
    assert_eq!(check(&Hops { from: id(0), signed: vec![] }, id(3), 4), Err(BadPath::Length));
    assert_eq!(check(&hops, id(2), 4), Err(BadPath::OtherSender));
    assert_eq!(Path::check(ID, id(1), id(3), id(4), hops.clone(), 4), Err(BadPath::OtherOrigin));
    assert_eq!(Path::check(ID, id(0), id(3), id(2), hops.clone(), 4), Err(BadPath::Forged), "for another");
    assert_eq!(
        Path::check(MessageId([6; 16]), id(0), id(3), id(4), hops.clone(), 4),
        Err(BadPath::Forged),
        "another message's"
    );
    for at in 0..4 {
        let mut forged = hops.clone();
        forged.signed[at].1 = Signature::from_bytes([1; 64]);
        assert_eq!(check(&forged, id(3), 4), Err(BadPath::Forged), "hop {at}");
    }
    let mut shorter = hops.clone();
    shorter.signed.remove(1);
    assert_eq!(check(&shorter, id(3), 4), Err(BadPath::Forged), "a node left out");
    let mut round = hops.clone();
    round.signed.insert(1, round.signed[3]);
    assert_eq!(check(&round, id(3), 9), Err(BadPath::Loop));
    // Cut at its beginning it is a path still, of those who are left.
    let cut = extend(&keys[3], ID, Some(&path), id(2), id(4), 2);
    let cut = check(&cut, id(3), 2).unwrap();
    assert_eq!((cut.from(), cut.nodes().collect::<Vec<_>>()), (id(1), vec![id(2), id(3)]));
}

#[test]
fn two_stories_of_one_node_are_a_proof_that_anybody_can_check() {
    let keys = keys(7);
    let (one, other) = (way(&keys, &[0, 1, 3], 5), way(&keys, &[0, 2, 3], 6));
    let proofs = blame(&one, &other);
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].culprit(), Some(keys[3].public()));
    let bytes = postcard::to_allocvec(&proofs[0]).unwrap();
    assert_eq!(postcard::from_bytes::<Proof>(&bytes).unwrap().culprit(), Some(keys[3].public()));
    assert!(blame(&one, &way(&keys, &[0, 1, 3], 6)).is_empty(), "one story told to two");
    // What proves nothing: the same twice, another's words, words that were not signed.
    let proof = &proofs[0];
    let said = |one: &Statement, other: &Statement| Proof { one: one.clone(), other: other.clone() };
    assert_eq!(said(&proof.one, &proof.one).culprit(), None);
    let stranger = one.statements().next().unwrap();
    assert_eq!(said(&proof.one, &stranger).culprit(), None);
    let altered = Statement { previous: keys[4].public(), ..proof.other.clone() };
    assert_eq!(said(&proof.one, &altered).culprit(), None);
    let elsewhere = Statement { id: MessageId([6; 16]), ..proof.other.clone() };
    assert_eq!(said(&proof.one, &elsewhere).culprit(), None);
}

/// A message spreads through a random graph. Honest nodes take it from whoever is first; liars pass on to each neighbour
/// another one of the ways they have heard, if they have heard several.
fn spread(seed: u64, nodes: usize, liars: usize) -> (Vec<Path>, Vec<NodeId>, Vec<NodeId>) {
    let (keys, mut rng) = (keys(nodes as u8), Rng::from_seed(seed));
    let id = |at: usize| keys[at].public();
    let links: Vec<Vec<usize>> = (0..nodes).map(|_| (0..4).map(|_| rng.index(nodes)).collect()).collect();
    let mut heard: BTreeMap<usize, Vec<Path>> = BTreeMap::new();
    let mut told_two = Vec::new();
    let mut next: Vec<usize> = vec![0];
    let mut spoken = vec![false; nodes];
    while let Some(node) = next.pop() {
        if std::mem::replace(&mut spoken[node], true) {
            continue;
        }
        let ways = heard.get(&node).cloned().unwrap_or_default();
        let mut stories = std::collections::BTreeSet::new();
        for (at, to) in links[node].iter().enumerate().filter(|(_, to)| **to != node) {
            let came =
                if (1..=liars).contains(&node) { ways.get(at % ways.len().max(1)) } else { ways.first() };
            let previous = came.map_or(id(node), |path| path.nodes().last().unwrap());
            let hops = extend(&keys[node], ID, came, previous, id(*to), 32);
            // Honest receivers refuse what is no path.
            if let Ok(path) = Path::check(ID, id(0), id(node), id(*to), hops, 32) {
                stories.insert(previous);
                heard.entry(*to).or_default().push(path);
                next.insert(0, *to);
            }
        }
        if stories.len() > 1 {
            told_two.push(id(node));
        }
    }
    let all = heard.into_values().flatten().collect();
    (all, (1..=liars).map(id).collect(), told_two)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_honest_node_is_never_blamed_and_whoever_tells_two_stories_is(
        seed in any::<u64>(), nodes in 3usize..14, liars in 0usize..3,
    ) {
        let (paths, liars, told_two) = spread(seed, nodes, liars.min(nodes - 1));
        let mut blamed: Vec<NodeId> = Vec::new();
        for one in &paths {
            for other in &paths {
                blamed.extend(blame(one, other).iter().filter_map(Proof::culprit));
            }
        }
        for node in &blamed {
            prop_assert!(liars.contains(node), "an honest node is blamed");
        }
        for node in &told_two {
            prop_assert!(blamed.contains(node), "two stories and no proof");
        }
    }
}

#[test]
fn in_these_graphs_lies_are_told() {
    let told = (0..20).filter(|seed| !spread(*seed, 12, 2).2.is_empty()).count();
    assert!(told > 3, "{told} of 20: the property would say nothing");
}
