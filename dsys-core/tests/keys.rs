//! Keys, their files, and the texts that people paste.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use dsys_core::{
    Domain, KeyFileError, NodeAddr, NodeId, ParseIdError, ParseTicketError, SecretKey, Signature, Ticket,
    VerifyError,
};
use proptest::prelude::*;

const A1: Domain = Domain::from_static("a/1");

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    }
    out
}

#[test]
fn a_signature_holds_for_its_key_domain_and_message_alone() {
    let (one, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let signature = one.sign(A1, b"m");
    let bad = Err(VerifyError::BadSignature);
    assert_eq!(one.public().verify(A1, b"m", &signature), Ok(()));
    assert_eq!(one.public().verify(Domain::from_static("a/2"), b"m", &signature), bad);
    assert_eq!(one.public().verify(A1, b"n", &signature), bad);
    assert_eq!(other.public().verify(A1, b"m", &signature), bad);
    assert_eq!(one.public().verify_plain(b"m", &signature), bad);
    // S + L is the same number to the curve: malleable, and refused (RFC 8032 §5.1.7).
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut malleable = *signature.as_bytes();
    let mut carry = 0u16;
    for (at, limb) in order.iter().enumerate() {
        carry += u16::from(malleable[32 + at]) + u16::from(*limb);
        malleable[32 + at] = carry as u8;
        carry >>= 8;
    }
    assert_eq!(one.public().verify(A1, b"m", &Signature::from_bytes(malleable)), bad);
}

#[test]
fn weak_and_malformed_keys_are_refused() {
    // The points of small order (Cremers and Jackson 2019, table 1): the identity, order 2, order 4, order 8.
    for weak in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        let id = NodeId::from_bytes(bytes(weak));
        assert!(!id.is_sound());
        assert_eq!(id.to_string().parse::<NodeId>(), Err(ParseIdError::WeakKey));
        let forged = Signature::from_bytes([0; 64]);
        assert_eq!(id.verify(A1, b"m", &forged), Err(VerifyError::BadKey));
    }
    // y = 2 is on no point of the curve; y = p + 3 is 3 in a second spelling.
    for malformed in [
        "0200000000000000000000000000000000000000000000000000000000000000",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let id = NodeId::from_bytes(bytes(malformed));
        assert!(!id.is_sound());
        assert_eq!(id.to_string().parse::<NodeId>(), Err(ParseIdError::NotAKey));
    }
    assert_eq!("abc".parse::<NodeId>(), Err(ParseIdError::Length(3)));
    let cut = &SecretKey::generate().unwrap().public().to_string()[..51];
    assert_eq!(format!("{cut}2").parse::<NodeId>(), Err(ParseIdError::Character('2', 52)));
}

#[test]
fn a_secret_is_never_printed() {
    let key = SecretKey::from_bytes([0xab; 32]);
    let text = format!("{key:?}");
    assert!(
        text.contains(&key.public().short()) && !text.contains("ab, ab") && !text.contains("abab"),
        "{text}"
    );
}

#[test]
fn a_key_file_is_made_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    assert!(matches!(SecretKey::load(&path), Err(KeyFileError::Missing(_))));
    let made = SecretKey::load_or_create(&path).unwrap();
    assert_eq!(SecretKey::load_or_create(&path).unwrap().expose_bytes(), made.expose_bytes());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o644);
        assert!(matches!(SecretKey::load(&path), Err(KeyFileError::TooOpen { mode: 0o644, .. })));
        mode(0o400);
        assert!(SecretKey::load(&path).is_ok());
        mode(0o600);
    }
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(SecretKey::load_or_create(&path), Err(KeyFileError::Malformed(_))), "cut at {cut}");
        assert_eq!(std::fs::read(&path).unwrap(), &whole[..cut], "a damaged file is left alone");
    }
    std::fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
    assert!(matches!(SecretKey::load(&path), Err(KeyFileError::Malformed(_))));
    std::fs::write(&path, vec![0xff; whole.len()]).unwrap();
    assert!(matches!(SecretKey::load(&path), Err(KeyFileError::Malformed(_))));
    let nowhere = folder.path().join("missing").join("key");
    let error = SecretKey::load_or_create(&nowhere).unwrap_err().to_string();
    assert!(error.contains("cannot create") && error.contains("missing"), "{error}");
}

#[test]
#[allow(clippy::disallowed_methods)] // No machine here.
fn two_processes_that_create_one_file_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SecretKey::load_or_create(path).unwrap().public())
        })
        .collect();
    let ids: Vec<NodeId> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn a_wrong_ticket_says_what_is_wrong() {
    let addr = NodeAddr::new(SecretKey::from_bytes([1; 32]).public()).with("127.0.0.1:7000".parse().unwrap());
    let text = Ticket(addr.clone()).to_string();
    let parse = |text: &str| text.parse::<Ticket>();
    assert_eq!(parse(&format!("  {}\n", text.to_uppercase())), Ok(Ticket(addr.clone())));
    assert_eq!(parse(""), Err(ParseTicketError::Prefix));
    assert_eq!(parse("hello"), Err(ParseTicketError::Prefix));
    assert_eq!(parse("dsys1"), Err(ParseTicketError::Length));
    assert_eq!(parse(&format!("dsys1{}", "y".repeat(10_000))), Err(ParseTicketError::Length));
    assert_eq!(parse(&format!("dsys1!{}", &text[6..])), Err(ParseTicketError::Character('!', 6)));
    let swapped = if &text[20..21] == "y" { "b" } else { "y" };
    assert_eq!(parse(&format!("{}{swapped}{}", &text[..20], &text[21..])), Err(ParseTicketError::Check));
    for cut in 6..text.len() {
        assert!(
            matches!(parse(&text[..cut]), Err(ParseTicketError::Length | ParseTicketError::Check)),
            "{cut}"
        );
    }
    let weak = Ticket(NodeAddr::new(NodeId::from_bytes([0; 32]))).to_string();
    assert_eq!(parse(&weak), Err(ParseTicketError::Key));
}

proptest! {
    #[test]
    fn tickets_return(seed: [u8; 32], v4: Vec<(u32, u16)>, v6: Vec<(u128, u16)>) {
        let mut addr = NodeAddr::new(SecretKey::from_bytes(seed).public());
        for (ip, port) in v4 {
            addr.insert((std::net::Ipv4Addr::from(ip), port).into());
        }
        for (ip, port) in v6 {
            addr.insert((std::net::Ipv6Addr::from(ip), port).into());
        }
        prop_assert_eq!(Ticket(addr.clone()).to_string().parse::<Ticket>(), Ok(Ticket(addr)));
    }
}
