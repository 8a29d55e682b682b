//! The face of `Text`, as an app meets it.
#![allow(clippy::unwrap_used)] // clippy.toml's leave is for test functions, not their helpers

use dsys_crdt::{Agent, AgentError, EditError, Text};

fn text(content: &str) -> Text {
    let mut text = Text::new(Agent::new("a").unwrap());
    text.insert(0, content).unwrap();
    text
}

#[test]
fn positions_are_code_points_and_convert() {
    let mut text = text("aé漢😀z");
    assert_eq!((text.len(), text.len_utf8(), text.len_utf16()), (5, 11, 6));
    assert_eq!((text.to_utf8(4), text.from_utf8(10), text.to_utf16(4), text.from_utf16(5)), (10, 4, 5, 4));
    // Within a character: its start. Past the end: the end.
    assert_eq!((text.from_utf8(8), text.from_utf16(4)), (3, 3));
    assert_eq!((text.to_utf8(99), text.from_utf16(usize::MAX)), (11, 5));
    text.delete(1..4).unwrap();
    assert_eq!(text.to_string(), "az");
    assert_eq!((text.len_utf8(), text.len_utf16(), text.events()), (2, 2, 8));
}

#[test]
fn edits_outside_are_refused_and_change_nothing() {
    let mut text = text("abc");
    let saved = text.save().unwrap();
    assert_eq!(text.insert(4, "x"), Err(EditError::OutOfRange { position: 4, length: 3 }));
    assert_eq!(text.delete(2..4), Err(EditError::OutOfRange { position: 4, length: 3 }));
    assert_eq!(
        text.delete(usize::MAX - 1..usize::MAX),
        Err(EditError::OutOfRange { position: usize::MAX, length: 3 })
    );
    // Nothing to do is no error, and no event.
    text.insert(3, "").unwrap();
    text.delete(3..3).unwrap();
    assert_eq!(text.save().unwrap(), saved);
}

#[test]
fn agents_are_named_in_1_to_64_bytes() {
    assert_eq!(Agent::new(""), Err(AgentError(0)));
    assert_eq!(Agent::new([7; 65]), Err(AgentError(65)));
    assert_eq!(Agent::new([7; 64]).unwrap().as_bytes(), [7; 64]);
}

#[test]
fn versions_say_who_made_how_many_events() {
    let mut text = text("abc");
    let before = text.version();
    let ben = Agent::new("ben").unwrap();
    text.set_agent(ben.clone());
    text.delete(0..2).unwrap();
    let after = text.version();
    assert_eq!((after.get(&ben), before.get(&ben)), (2, 0));
    assert!(after.includes(&before) && !before.includes(&after));
    let all: Vec<_> = after.iter().map(|(agent, count)| (format!("{agent:?}"), count)).collect();
    assert_eq!(all, [("a".to_string(), 3), ("ben".to_string(), 2)]);
}
