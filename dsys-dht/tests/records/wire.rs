//! Golden bytes of `dsys/dht/kad/1` beside the overlay's own, of what is signed, and of what is written to a disk. Changed
//! bytes mean a new tag, a new domain, a new version.

use std::time::Duration;

use dsys_core::{NodeAddr, NodeId};
use dsys_dht::Key;
use dsys_dht::kademlia::{self, Ask as KadAsk};
use dsys_dht::records::{
    Ask, Change, Invalid, Kind, Letter, Message, Offered, Record, RecordId, Refused, Tell, UnixTime, Value,
};

use crate::world::{EPOCH, mutable, provider, value};

type Sent = Message<kademlia::Message>;

fn check(message: Sent, golden: &[u8]) {
    assert_eq!(postcard::to_allocvec(&message).unwrap(), golden);
    assert_eq!(postcard::from_bytes::<Sent>(golden).unwrap(), message);
}

fn letter(letter: Letter) -> Sent {
    Message { overlay: None, letter: Some(letter) }
}

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

#[test]
fn the_bytes_are_what_they_were() {
    let ping = kademlia::Message::Request { call: 5, server: None, ask: KadAsk::Ping };
    check(Message { overlay: Some(ping), letter: None }, &[1, 0, 5, 0, 0, 0]);
    let get = Ask::Get { key: key(7), kind: Kind::Custom(300) };
    let mut golden = vec![0, 1, 0, 9, 0];
    golden.extend([7; 32]);
    golden.extend([3, 0xac, 2]);
    check(letter(Letter::Ask { call: 9, ask: get }), &golden);
    let store = Ask::Store { record: value("hi"), ttl: 300, after: Some(4), cached: true };
    check(letter(Letter::Ask { call: 1, ask: store }), &[0, 1, 0, 1, 1, 0, 2, b'h', b'i', 0xac, 2, 1, 4, 1]);
    let id = RecordId { key: key(1), kind: Kind::Provider, owner: NodeId::from_bytes([2; 32]) };
    let offer = Ask::Offer(vec![Offered { id, version: 5 }].into());
    let mut golden = vec![0, 1, 0, 1, 2, 1];
    golden.extend([1; 32]);
    golden.push(2);
    golden.extend([2; 32]);
    golden.push(5);
    check(letter(Letter::Ask { call: 1, ask: offer }), &golden);
    check(letter(Letter::Ask { call: 1, ask: Ask::Pull }), &[0, 1, 0, 1, 3]);
    let tell = |tell| letter(Letter::Tell { call: 2, tell });
    check(tell(Tell::Found(vec![(value("hi"), 60)].into())), &[0, 1, 1, 2, 0, 1, 0, 2, b'h', b'i', 60]);
    check(tell(Tell::Stored), &[0, 1, 1, 2, 1]);
    check(tell(Tell::Refused(Refused::Invalid(Invalid::Expired))), &[0, 1, 1, 2, 2, 0, 1]);
    check(tell(Tell::Refused(Refused::Full)), &[0, 1, 1, 2, 2, 1]);
    check(tell(Tell::Refused(Refused::TooFast)), &[0, 1, 1, 2, 2, 2]);
    check(tell(Tell::Refused(Refused::Newer(Box::new(value(""))))), &[0, 1, 1, 2, 2, 3, 0, 0]);
    check(tell(Tell::Wanted(vec![3, 200].into())), &[0, 1, 1, 2, 3, 2, 3, 200]);
    let custom = Record::Custom { namespace: 1, key: key(6), value: Value::new(b"c".to_vec()).unwrap() };
    let mut golden = vec![3, 1];
    golden.extend([6; 32]);
    golden.extend([1, b'c']);
    assert_eq!(postcard::to_allocvec(&custom).unwrap(), golden);
}

#[test]
fn signatures_and_places_are_what_they_were() {
    // Ed25519ph is deterministic: other bytes would be signed, or under another domain, if these changed.
    let hash = |record: &Record| blake3::hash(&postcard::to_allocvec(record).unwrap()).to_hex().to_string();
    assert_eq!(hash(&mutable(1, 2, "v")), GOLDEN_MUTABLE);
    assert_eq!(hash(&provider(1, key(3))), GOLDEN_PROVIDER);
    assert_eq!(format!("{:?}", mutable(1, 2, "v").id().key), "Key(ce6cd9b7..)");
    // BLAKE3 of nothing, as its authors print it.
    assert_eq!(format!("{:?}", value("").id().key), "Key(af1349b9..)");
}

const GOLDEN_MUTABLE: &str = "c35e4e3f2d8065e9cd3e06eb3a391624d7ac74b1c8a8fb3e30b9981bb8167e72";
const GOLDEN_PROVIDER: &str = "d835ccbe816f2da3c38a2023157cf8707e817ec5b8996aeb99e1c9f611d46174";

#[test]
fn what_is_too_long_does_not_decode() {
    // A value of 65,537 bytes: its length is 0x81 0x80 0x04.
    let mut bytes = vec![0, 0x81, 0x80, 4];
    bytes.extend(vec![0; 65_537]);
    assert!(postcard::from_bytes::<Record>(&bytes).is_err());
    bytes[1] = 0x80;
    assert!(postcard::take_from_bytes::<Record>(&bytes).is_ok());
    // A claimed length of 4 GiB, and more answers than fit.
    assert!(postcard::from_bytes::<Record>(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    let mut found = vec![0, 1, 1, 2, 0, 33];
    (0..33).for_each(|_| found.extend([0, 0, 1]));
    assert!(postcard::from_bytes::<Sent>(&found).is_err());
    found[5] = 32;
    assert!(postcard::take_from_bytes::<Sent>(&found).is_ok());
}

#[test]
fn what_is_written_to_a_disk_is_what_it_was() {
    let keep = Change::Keep { record: value("hi"), expires: UnixTime(300), own: true };
    let remove =
        Change::Remove(RecordId { key: key(1), kind: Kind::Mutable, owner: NodeId::from_bytes([0; 32]) });
    let contact = (NodeAddr::new(NodeId::from_bytes([9; 32])), Duration::from_secs(3));
    let contacts = Change::Contacts(vec![contact]);
    assert_eq!(keep.encode(), [1, 0, 0, 2, b'h', b'i', 0xac, 2, 1]);
    let mut golden = vec![1, 1];
    golden.extend([1; 32]);
    golden.push(1);
    golden.extend([0; 32]);
    assert_eq!(remove.encode(), golden);
    let mut golden = vec![1, 2, 1];
    golden.extend([9; 32]);
    golden.extend([0, 3, 0]);
    assert_eq!(contacts.encode(), golden);
    for change in [keep, remove, contacts] {
        let bytes = change.encode();
        assert_eq!(Change::decode(&bytes), Some(change));
        assert_eq!(Change::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Change::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Change::decode(&[&[2], &bytes[1..]].concat()), None, "a later version");
    }
    assert!(EPOCH.since(UnixTime(0)) > Duration::ZERO);
}
