use dsys_core::Rng;

use super::*;

const ME: NodeId = NodeId::from_bytes([0; 32]);

/// A node that shares exactly this many bits with us.
fn node(bits: usize, seed: u64) -> NodeAddr {
    let key = Key::of_node(ME).random_at(bits, &mut Rng::from_seed(seed));
    NodeAddr::new(NodeId::from_bytes(*key.as_bytes()))
}

fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

fn table(k: usize) -> Table {
    Table::new(ME, &Config { k, ..Config::default() })
}

#[test]
fn only_the_bucket_that_covers_our_own_place_splits() {
    let mut table = table(2);
    // Far nodes fill one bucket, and a third finds no place.
    assert!(table.answered(&node(0, 1), at(0)));
    assert!(table.answered(&node(0, 2), at(0)));
    assert!(!table.answered(&node(0, 3), at(0)));
    // Near ones split it as often as it takes.
    assert!(table.answered(&node(5, 4), at(0)));
    assert!(table.answered(&node(5, 5), at(0)));
    assert!(table.answered(&node(9, 6), at(0)));
    assert!(!table.answered(&node(5, 7), at(0)));
    let lens: Vec<usize> = (0..table.buckets()).map(|bucket| table.bucket_len(bucket)).collect();
    assert_eq!(lens, [2, 0, 0, 0, 0, 2, 1]);
    assert_eq!(table.len(), 5);
    for bucket in &table.buckets {
        assert!(bucket.contacts.is_sorted_by_key(|contact| contact.seen));
    }
}

#[test]
fn who_answers_stays_and_who_fails_makes_room() {
    let mut table = table(2);
    let (a, b, c) = (node(0, 1), node(0, 2), node(0, 3));
    table.answered(&a, at(0));
    table.answered(&b, at(1));
    // A near one, so that theirs is no longer the bucket that splits.
    table.answered(&node(3, 4), at(1));
    let stale = Duration::from_secs(60);
    // §2.2: the oldest is asked only when it was not heard of for a while.
    assert_eq!(table.heard(&c, at(30), stale), Heard::Spare(None));
    assert_eq!(table.heard(&c, at(70), stale), Heard::Spare(Some(a.id)));
    // It answers: it becomes the newest, and the next oldest is the one to ask.
    table.answered(&a, at(70));
    assert_eq!(table.heard(&c, at(71), stale), Heard::Spare(Some(b.id)));
    // The other one fails: the spare is to be asked, and takes its place once it has answered.
    assert_eq!(table.failed(b.id), Some(c.clone()));
    assert_eq!(table.heard(&c, at(72), stale), Heard::Wanted);
    assert_eq!(table.len(), 3, "a failure alone drops nobody: it might be our own line");
    assert!(table.answered(&c, at(73)));
    let ids: Vec<NodeId> = table.contacts().map(|contact| contact.id).collect();
    assert_eq!(ids, [a.id, c.id, node(3, 4).id]);
    // Without a spare it takes three.
    assert_eq!((table.failed(c.id), table.failed(c.id), table.len()), (None, None, 3));
    assert_eq!((table.failed(c.id), table.len()), (None, 2));
}

#[test]
fn doubtful_contacts_are_named_only_if_there_are_no_others() {
    let mut table = table(4);
    let (a, b) = (node(0, 1), node(0, 2));
    table.answered(&a, at(0));
    table.answered(&b, at(0));
    table.failed(a.id);
    assert_eq!(table.nearest(Key::of_node(a.id), 4).iter().collect::<Vec<_>>(), [&b]);
    table.failed(b.id);
    assert_eq!(table.nearest(Key::of_node(a.id), 4), [a, b]);
}

#[test]
fn the_nearest_are_those_that_a_full_search_finds() {
    let mut rng = Rng::from_seed(1);
    let mut table = table(5);
    for seed in 0..500 {
        table.answered(&node((seed % 12) as usize, seed), at(0));
    }
    let all: Vec<NodeId> = table.contacts().map(|contact| contact.id).collect();
    assert!(all.len() > 50);
    for bits in (0..14).chain([255, 256]) {
        let key = Key::of_node(ME).random_at(bits, &mut rng);
        let mut sorted = all.clone();
        sorted.sort_by_key(|id| Key::of_node(*id).xor(key));
        for most in [1, 5, 20, 100] {
            let nearest: Vec<NodeId> = table.nearest(key, most).into_iter().map(|node| node.id).collect();
            assert_eq!(nearest, sorted[..most.min(sorted.len())], "{bits} bits, {most}");
            let mut unsorted: Vec<_> = table.nearest_in_any_order(key, most).iter().map(|n| n.id).collect();
            unsorted.sort_by_key(|id| Key::of_node(*id).xor(key));
            assert_eq!(unsorted, nearest);
        }
    }
}

#[test]
fn spares_are_bounded_and_the_last_seen_is_tried_first() {
    let mut table = Table::new(ME, &Config { k: 1, spares: 2, ..Config::default() });
    let nodes: Vec<NodeAddr> = (0..5).map(|seed| node(0, seed)).collect();
    for node in &nodes {
        table.answered(node, at(0));
    }
    assert_eq!(table.buckets[0].spares.len(), 2);
    assert_eq!(table.failed(nodes[0].id), Some(nodes[4].clone()));
    assert_eq!(table.failed(nodes[0].id), Some(nodes[3].clone()));
    assert_eq!(table.failed(nodes[0].id), None);
}

#[test]
fn a_contact_may_move_within_its_networks_once_it_has_answered_there() {
    let mut table = table(4);
    let moved = |addr: &str| node(0, 1).with(addr.parse().unwrap());
    let stale = Duration::from_secs(60);
    let (old, port, far) = (moved("192.0.2.1:1"), moved("192.0.2.1:2"), moved("198.51.100.1:1"));
    table.answered(&old, at(0));
    assert_eq!(table.heard(&old, at(1), stale), Heard::Known);
    assert_eq!(table.heard(&port, at(1), stale), Heard::Wanted);
    assert_eq!(table.nearest(Key::of_node(old.id), 1), std::slice::from_ref(&old), "a claim changes nothing");
    table.answered(&port, at(2));
    assert_eq!(table.nearest(Key::of_node(old.id), 1), std::slice::from_ref(&port));
    // Into another network only by being dropped first, or the limits could be walked around.
    assert_eq!(table.heard(&far, at(3), stale), Heard::Known);
    table.answered(&far, at(3));
    assert_eq!(table.nearest(Key::of_node(old.id), 1), [port]);
}

#[test]
fn a_doubtful_contact_that_asks_is_asked_whether_it_is_back() {
    let mut table = table(4);
    let (a, b) = (node(0, 1), node(0, 2));
    let stale = Duration::from_secs(60);
    table.answered(&a, at(0));
    table.answered(&b, at(0));
    assert_eq!(table.heard(&a, at(1), stale), Heard::Known);
    table.failed(a.id);
    assert_eq!(table.nearest(Key::of_node(a.id), 4), std::slice::from_ref(&b), "it is gone around");
    assert_eq!(table.heard(&a, at(2), stale), Heard::Wanted);
    table.answered(&a, at(3));
    assert_eq!(table.heard(&a, at(4), stale), Heard::Known);
}
