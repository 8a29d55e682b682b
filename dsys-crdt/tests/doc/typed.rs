//! Documents with a type.

use dsys_crdt::doc::{DocError, Value};
use dsys_crdt::repo::{ChangeError, Doc, Repo, Rule};
use dsys_crdt::schema::{Counter, Crdt, List, Map, Records, Register, Set, Text, Tree};

#[derive(Crdt)]
struct Note {
    title: Register<String>,
    body: Text,
    tags: Set<String>,
    votes: Counter,
    r#type: Register<i64>,
    about: About,
}

#[derive(Crdt)]
struct About {
    lines: List<String>,
    sizes: Map<u32>,
}

#[test]
fn all_fields_can_be_edited_and_read() {
    let repo = Repo::memory().unwrap();
    let doc: Doc<Note> = repo.create("a").unwrap();
    doc.change(|n| {
        n.title.set("Saturday")?;
        n.body.insert(0, "milk\n")?;
        n.body.replace(0..4, "oats")?;
        n.tags.insert("food/drink")?;
        n.tags.insert("~")?;
        assert!(n.tags.remove("~")? && !n.tags.remove("~")?);
        n.votes.increment(3)?;
        n.r#type.set(7)?;
        n.about.lines.push("one")?;
        n.about.lines.insert(0, "zero")?;
        n.about.lines.move_to(0, 1)?;
        n.about.lines.push("none")?;
        n.about.lines.set(0, "one!")?;
        n.about.lines.set(0, "one")?;
        n.about.lines.remove(2)?;
        assert_eq!(
            (n.about.lines.len(), n.about.lines.at(1), n.about.lines.at(2)),
            (2, Some("zero".into()), None)
        );
        n.about.sizes.set("big", 9u32)
    })
    .unwrap();
    doc.look(|n| {
        assert_eq!((n.title.get(), n.body.get()), (Some("Saturday".into()), "oats\n".into()));
        assert_eq!((n.tags.get(), n.votes.value(), n.r#type.get()), (vec!["food/drink".into()], 3, Some(7)));
        assert!(n.tags.contains("food/drink") && !n.tags.contains("~"));
        assert_eq!(n.about.lines.get(), ["one", "zero"]);
        assert_eq!((n.about.sizes.get("big"), n.about.sizes.keys()), (Some(9), vec!["big".into()]));
        assert_eq!(n.votes.increment(1), Err(DocError::ReadOnly));
    })
    .unwrap();
    let expected = r#"{"about":{"lines":["one","zero"],"sizes":{"big":9}},"body":"oats\n","tags":{"food/drink":true},"title":"Saturday","type":7,"votes":3}"#;
    assert_eq!(serde_json::to_string(&doc.value().unwrap()).unwrap(), expected);
    assert_eq!(doc.read(|doc| doc.log().len()).unwrap(), 1, "one change");
    let far = doc.change(|n| n.body.insert(99, "far")).unwrap_err();
    assert!(matches!(far, ChangeError::Doc(DocError::Place(_))));
}

#[test]
fn who_joins_waits_for_the_beginning_and_other_versions_are_met() {
    let (anna, ben) = (Repo::memory().unwrap(), Repo::memory().unwrap());
    let here: Doc<About> = anna.create_with("a", Rule::Open).unwrap();
    let there: Doc<About> = ben.join("a", here.link()).unwrap();
    let early = there.change(|n| n.lines.push("early"));
    assert_eq!(early, Err(ChangeError::Doc(DocError::NotBegun)));
    here.change(|n| n.lines.push("first")).unwrap();
    // Somebody's other program has put something else there.
    here.change_raw(|doc| doc.insert("/lines/0", 5)).unwrap();
    assert_eq!(here.look(|n| n.lines.get()).unwrap(), ["first"]);
    let wrong =
        here.change_raw(|doc| doc.set("/sizes", 1)).and_then(|()| here.change(|n| n.sizes.set("a", 1u32)));
    assert_eq!(wrong, Err(ChangeError::Doc(DocError::WrongKind)));
    assert_eq!(here.get("/sizes").unwrap(), Some(Value::Int(1)));
}

#[derive(Crdt)]
struct Board {
    cards: Records<Card>,
    outline: Tree<Card>,
}

#[derive(Crdt)]
struct Card {
    title: Register<String>,
    notes: Text,
    votes: Counter,
}

#[test]
fn lists_and_trees_of_structs_are_edited_in_place() {
    let repo = Repo::memory().unwrap();
    let doc: Doc<Board> = repo.create("a").unwrap();
    let mut name = String::new();
    doc.change(|board| {
        for title in ["one", "two", "three"] {
            board.cards.push(|card| card.title.set(title))?;
        }
        board.cards.insert(0, |card| card.notes.insert(0, "first"))?;
        board.cards.move_to(3, 1)?;
        board.cards.remove(2)?;
        name = board.outline.create(None, None, |card| card.title.set("above"))?;
        let below = board.outline.create(None, None, |card| card.title.set("below"))?;
        board.outline.move_to(&below, Some(&name), None)?;
        board.outline.node(&below, |card| card.votes.increment(2)).unwrap()
    })
    .unwrap();
    doc.change(|board| board.cards.at(1, |card| card.votes.increment(7)).unwrap()).unwrap();
    doc.look(|board| {
        let mut titles = Vec::new();
        for at in 0..board.cards.len() {
            titles.extend(board.cards.at(at, |card| card.title.get().unwrap_or(card.notes.get())));
        }
        assert_eq!(titles, ["first", "three", "two"]);
        assert_eq!(board.cards.at(1, |card| card.votes.value()), Some(7));
        assert!(board.cards.at(3, |_| ()).is_none() && board.outline.node("1-00", |_| ()).is_none());
        let below = board.outline.children(Some(&name));
        assert_eq!((board.outline.children(None), below.len()), (vec![name.clone()], 1));
        assert_eq!(board.outline.node(&below[0], |card| card.votes.value()), Some(2));
    })
    .unwrap();
    doc.change(|board| board.outline.remove(&name)).unwrap();
    assert!(doc.look(|board| board.outline.children(None)).unwrap().is_empty());
}
