//! A message of any protocol of gossip: what is read is written as the same bytes, and is about as large as it says.
#![no_main]

use dsys_gossip::{agent, certificate, flood, rumor, scuttlebutt};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn read<M: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<M> {
    let (message, rest) = postcard::take_from_bytes::<M>(bytes).ok()?;
    let read = &bytes[..bytes.len() - rest.len()];
    let again = postcard::to_allocvec(&message).expect("it was read");
    // postcard reads longer forms of a number, too.
    assert!(again.len() <= read.len());
    let (same, _) = postcard::take_from_bytes::<M>(&again).expect("it was written");
    assert_eq!(postcard::to_allocvec(&same).expect("it was read"), again);
    Some(message)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 5 {
        0 => {
            if let Some(message) = read::<agent::Message>(bytes) {
                let (size, real) = (message.size(), postcard::to_allocvec(&message).expect("it was read").len());
                // Numbers are counted as if they were small or large, and addresses as if they were of one kind.
                assert!(size <= 2 * real + 64 && real <= 3 * size + 64, "{size} is said, {real} it is");
            }
        }
        1 => drop(read::<rumor::Message>(bytes)),
        2 => drop(read::<flood::Message>(bytes)),
        3 => drop(read::<certificate::Message>(bytes)),
        _ => drop(read::<scuttlebutt::Message>(bytes)),
    }
});
