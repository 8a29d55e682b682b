//! What holds for whatever a person pastes or a file contains. Compiled for our own tests and under
//! `cargo fuzz` only; `fuzz/` at the root of the repository has a target for each function.

use crate::{NodeAddr, NodeId, SecretKey, Ticket, key_file, ticket};

/// A text is refused as an id, or is the one text of a sound id.
pub fn node_id(text: &str) {
    if let Ok(id) = text.parse::<NodeId>() {
        assert!(id.is_sound());
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}

/// A text is refused as a ticket, or is the one text of a sound address.
pub fn ticket(text: &str) {
    if let Ok(Ticket(addr)) = text.parse::<Ticket>() {
        assert!(addr.id.is_sound());
        assert!(addr.direct().len() <= NodeAddr::MAX_DIRECT);
        assert_eq!(Ticket(addr).to_string(), text.trim().to_ascii_lowercase());
    }
}

/// The same for a text whose check sum fits, which no fuzzer would guess. The id is made sound where it is needed.
pub fn ticket_content(content: &[u8]) {
    ticket(&ticket::seal(content.to_vec()));
    if let Some((seed, rest)) = content.split_first_chunk::<32>() {
        let id = SecretKey::from_bytes(*seed).public();
        ticket(&ticket::seal([id.as_bytes(), rest].concat()));
    }
}

/// A text is refused as a key file, or is the one text of a seed but for the case of its digits.
pub fn key_file(text: &str) {
    if let Some(seed) = key_file::parse(text) {
        assert_eq!(key_file::text(&seed), text.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "7jfgaa9nutjyixzikb7tgmsf9gkwq7iqz498zr1nd5ig1fng4esy";

    proptest! {
        #[test]
        fn any_text(text: String) {
            node_id(&text);
            ticket(&text);
            ticket(&format!("dsys1{text}"));
            key_file(&text);
        }

        #[test]
        fn a_sound_id_with_changes(at in 0..52usize, with in "[a-z0-9A-Z]") {
            node_id(&[&ID[..at], &with, &ID[at + 1..]].concat());
        }

        #[test]
        fn any_content_of_a_ticket(content: Vec<u8>, id: [u8; 32], count in 0..20u8, kind in prop::sample::select(vec![4u8, 6])) {
            ticket_content(&content);
            ticket_content(&[&id[..], &[count, kind], &content].concat());
        }

        #[test]
        fn any_digits_of_a_key_file(digits in "[0-9a-fA-F]{63,65}", end in "\n?") {
            key_file(&format!("dsys-secret-key-1\n{digits}{end}"));
        }
    }
}
