//! Golden bytes: what is serialized today must be read tomorrow. A change here is a new version of the format.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use dsys_core::{Domain, NodeAddr, NodeId, SecretKey, Signature, Ticket, Time};

fn key() -> SecretKey {
    SecretKey::from_bytes([7; 32])
}

fn addr() -> NodeAddr {
    NodeAddr::new(key().public())
        .with("192.0.2.1:7000".parse().unwrap())
        .with("[2001:db8::1]:7001".parse().unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ID: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

#[test]
fn a_node_id_is_its_32_bytes_and_52_characters() {
    let bytes = postcard::to_allocvec(&key().public()).unwrap();
    assert_eq!(hex(&bytes), ID);
    assert_eq!(postcard::from_bytes::<NodeId>(&bytes).unwrap(), key().public());
    let text = "7jfgaa9nutjyixzikb7tgmsf9gkwq7iqz498zr1nd5ig1fng4esy";
    assert_eq!(key().public().to_string(), text);
    assert_eq!(text.parse::<NodeId>().unwrap(), key().public());
}

#[test]
fn an_address_is_its_id_and_a_list() {
    let bytes = postcard::to_allocvec(&addr()).unwrap();
    let expected = format!("{ID}02{}{}", "00c0000201d836", "0120010db8000000000000000000000001d936");
    assert_eq!(hex(&bytes), expected);
    assert_eq!(postcard::from_bytes::<NodeAddr>(&bytes).unwrap(), addr());
}

#[test]
fn a_time_is_a_varint_of_nanoseconds() {
    assert_eq!(postcard::to_allocvec(&Time::from_nanos(300)).unwrap(), [0xac, 0x02]);
}

#[test]
fn a_signature_is_its_64_bytes() {
    let signature = key().sign(Domain::from_static("dsys/test/1"), b"message");
    let bytes = postcard::to_allocvec(&signature).unwrap();
    assert_eq!(bytes, signature.as_bytes());
    assert_eq!(postcard::from_bytes::<Signature>(&bytes).unwrap(), signature);
    // Ed25519ph is deterministic (RFC 8032 §5.1.6).
    assert_eq!(
        hex(&bytes),
        "defb28143f7592acabb3c34d3fdb96381edac486ae571808a43c4eb1a7c62567\
         1226c2736c90035b64f8bbd615e998ca7a1dab74f0c080ea85344ee98281c108"
    );
}

#[test]
fn a_ticket_is_one_word() {
    let text = Ticket(addr()).to_string();
    assert_eq!(
        text,
        "dsys17jfgaa9nutjyixzikb7tgmsf9gkwq7iqz498zr1nd5ig1fng4esyrbgyyybyng4ay\
         aoyndpayyyyyyyyyyyyyyyyyyytssp9yeghs"
    );
    assert_eq!(text.parse::<Ticket>().unwrap(), Ticket(addr()));
}

#[test]
fn too_many_addresses_are_refused_before_they_are_kept() {
    let mut bytes = postcard::to_allocvec(&key().public()).unwrap();
    bytes.push(17);
    for port in 0..17u8 {
        bytes.extend([0, 127, 0, 0, 1, port]);
    }
    assert!(postcard::from_bytes::<NodeAddr>(&bytes).is_err());
    bytes[32] = 16;
    assert_eq!(postcard::from_bytes::<NodeAddr>(&bytes[..bytes.len() - 6]).unwrap().direct().len(), 16);
}
