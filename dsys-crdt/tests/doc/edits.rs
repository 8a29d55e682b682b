//! What edits do, at one replica and where two meet.

use dsys_crdt::blob::{Blob, BlobError, Blobs, FolderBlobs, MemoryBlobs};
use dsys_crdt::change::Members;
use dsys_crdt::doc::{Doc, DocError, Event, TreeNode, Value};
use dsys_crdt::laws::Random;
use dsys_crdt::types::TreeError;
use dsys_crdt::{Edit, EditError, ListEdit, Units};

use crate::{DOCUMENT, empty, json, key, meet};

#[test]
fn json_goes_in_and_comes_out() {
    let source =
        r#"{"a":[1,-2.5,true,null,"x",{"deep":[[]]}],"b/c":{"~":{}},"big":18446744073709551615,"é":"漢"}"#;
    let Value::Map(values) = serde_json::from_str(source).unwrap() else { panic!("a map") };
    let mut doc = empty();
    doc.change(&key(1), 0, |doc| doc.set_all(values)).unwrap();
    assert_eq!(json(&doc), source.replace("18446744073709551615", "1.8446744073709552e+19"));
    assert_eq!(doc.get("/b~1c/~0"), Some(Value::Map([].into())));
    assert_eq!((doc.get("/a/5/deep/0"), doc.get("/a/6")), (Some(Value::List(vec![])), None));
    let mut there = empty();
    there.decode_and_receive(&doc.encode_since(&[]), 0).unwrap();
    assert_eq!(there.value(), doc.value());
}

/// Marks and trees go out as JSON, and come in again.
#[test]
fn marks_and_trees_go_out_and_come_in() {
    let mut doc = empty();
    let part = |text: &str, marks: &[(&str, &str)]| dsys_crdt::Span {
        range: 0..0,
        text: text.into(),
        marks: marks.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    };
    let spans = vec![
        part("a ", &[]),
        part("bold ", &[("bold", "")]),
        part("link", &[("bold", ""), ("link", "https://example.org")]),
        part(", é", &[]),
    ];
    doc.change(&key(1), 0, |doc| {
        doc.set("/tree", Value::Tree(vec![]))?;
        let node = doc.create_node("/tree", None, None)?;
        let below = doc.create_node("/tree", Some(&node), None)?;
        doc.set(&format!("/tree/{below}/text"), Value::Marked(spans.clone()))?;
        doc.set("/list", Value::List(vec![Value::Text("plain".into()), Value::Marked(spans)]))
    })
    .unwrap();
    assert_eq!(doc.get("/list/1"), Some(Value::Text("a bold link, é".into())));
    let out = doc.value_with_marks().unwrap();
    let out = serde_json::to_string(&out).unwrap();
    let marked = concat!(
        r#"[{"insert":"a "},{"insert":"bold ","attributes":{"bold":""}},"#,
        r#"{"insert":"link","attributes":{"bold":"","link":"https://example.org"}},{"insert":", é"}]"#
    );
    assert!(
        out.contains(&format!(r#""list":["plain",{marked}]"#)) && out.contains(r#""parent":null"#),
        "{out}"
    );
    // One mark each, which grows, and a link, which does not.
    doc.change(&key(1), 0, |doc| doc.insert_text("/list/1", 11, "!")).unwrap();
    let bold = |span: &dsys_crdt::Span| span.marks.keys().cloned().collect::<Vec<_>>() == ["bold"];
    assert!(doc.spans("/list/1").unwrap().iter().any(|span| span.text == "!" && bold(span)));
    // In again.
    let Value::Map(mut all) = serde_json::from_str(&out).unwrap() else { panic!("a map") };
    let Some(Value::List(list)) = all.remove("list") else { panic!("a list") };
    let tree = all.remove("tree").unwrap().into_tree().unwrap();
    let text = list[1].clone().into_marked().unwrap();
    let mut copy = empty();
    copy.change(&key(1), 0, |doc| {
        let Value::Tree(mut nodes) = tree else { panic!("a tree") };
        let inner = nodes[1].value.remove("text").unwrap().into_marked().unwrap();
        nodes[1].value.insert("text".into(), inner);
        doc.set("/tree", Value::Tree(nodes))?;
        doc.set("/list", Value::List(vec![Value::Text("plain".into()), text]))
    })
    .unwrap();
    let again = serde_json::to_string(&copy.value_with_marks().unwrap()).unwrap();
    let masked = |json: &str| json.split(r#""id":""#).map(|it| it.to_owned()).collect::<Vec<_>>().len();
    assert_eq!((masked(&again), again.contains(marked), again.len()), (masked(&out), true, out.len()));
    for wrong in [
        r#"[{"insert":1}]"#,
        r#"[{"insert":"a","more":1}]"#,
        r#"{}"#,
        r#"[{"insert":"a","attributes":{"b":2}}]"#,
    ] {
        assert_eq!(serde_json::from_str::<Value>(wrong).unwrap().into_marked(), None, "{wrong}");
    }
    for wrong in [
        r#"[{"id":"a","parent":"a","value":{}}]"#,
        r#"[{"id":"a","value":1}]"#,
        r#"[{"id":"a","value":{}},{"id":"a","value":{}}]"#,
        "1",
    ] {
        assert_eq!(serde_json::from_str::<Value>(wrong).unwrap().into_tree(), None, "{wrong}");
    }
}

#[test]
fn each_edit_sees_the_one_before() {
    let mut doc = empty();
    doc.change(&key(1), 0, |doc| {
        doc.set("/text", Value::Text("hällo".into()))?;
        doc.insert_text("/text", 5, " wörld")?;
        doc.delete_text("/text", 0..1)?;
        doc.insert_text("/text", 0, "H")?;
        doc.insert_text("/text", 1, "")?;
        doc.set("/list", vec![1, 2, 3])?;
        doc.insert("/list/-", "last")?;
        doc.insert("/list/0", Value::Counter(5))?;
        doc.add("/list/0", -7)?;
        doc.move_to("/list/0", 4)?;
        doc.remove("/list/1")?;
        doc.set("/gone", true)?;
        doc.remove("/gone")?;
        assert_eq!(doc.get("/list/0"), Some(Value::Int(1)));
        Ok(())
    })
    .unwrap();
    assert_eq!(json(&doc), r#"{"list":[1,3,"last",-2],"text":"Hällo wörld"}"#);
    assert_eq!((doc.count("/list"), doc.count("/text"), doc.count("")), (Some(4), Some(11), Some(2)));
    assert_eq!(doc.text("/text").unwrap().to_utf8(11), 13);
}

#[test]
fn what_cannot_be_done_is_said_and_undone() {
    let mut doc = empty();
    doc.change(&key(1), 0, |doc| {
        doc.set("/text", Value::Text("abc".into()))?;
        doc.set("/list", vec![1])
    })
    .unwrap();
    let before = (json(&doc), doc.heads());
    let mut fails = |edit: &dyn Fn(&mut dsys_crdt::doc::Edit<'_>) -> Result<(), DocError>, why: DocError| {
        let failed = doc.change(&key(1), 0, |doc| {
            doc.set("/undone", 1)?;
            doc.delete_text("/text", 0..2)?;
            doc.move_to("/list/0", 0)?;
            edit(doc)
        });
        assert_eq!((failed, json(&doc), doc.heads()), (Err(why), before.0.clone(), before.1.clone()));
    };
    fails(&|doc| doc.set("/no/where", 1), DocError::NotFound);
    fails(&|doc| doc.set("", 1), DocError::NotFound);
    fails(&|doc| doc.set("pointer", 1), DocError::NotFound);
    fails(&|doc| doc.set("/text/0", 1), DocError::WrongKind);
    fails(&|doc| doc.set("/list/1", 1), DocError::NotFound);
    let beyond = DocError::Place(EditError::OutOfRange { position: 2, length: 1 });
    fails(&|doc| doc.insert("/list/2", 1), beyond.clone());
    fails(&|doc| doc.move_to("/list/0", 2), beyond.clone());
    fails(&|doc| doc.move_to("/list/1", 0), DocError::NotFound);
    fails(&|doc| doc.remove("/list/1"), DocError::NotFound);
    fails(&|doc| doc.add("/text", 1), DocError::WrongKind);
    fails(&|doc| doc.insert_text("/text", 2, "x"), beyond);
    let deep = (0..70).fold(Value::Null, |value, _| Value::List(vec![value]));
    fails(&|doc| doc.set("/deep", deep.clone()), DocError::TooDeep);
    doc.change(&key(1), 0, |doc| doc.insert_text("/text", 3, "d")).unwrap();
    assert_eq!(json(&doc), r#"{"list":[1],"text":"abcd"}"#);
}

#[test]
fn concurrent_changes_meet_as_documented() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| {
        doc.set("/title", "none")?;
        doc.set("/list", vec![1, 2, 3])?;
        doc.set("/votes", Value::Counter(0))?;
        doc.set("/text", Value::Text("milk\n".into()))
    })
    .unwrap();
    let mut there = empty();
    meet(&mut here, &mut there);
    here.change(&key(1), 0, |doc| {
        doc.set("/title", "left")?;
        doc.remove("/list/0")?;
        doc.add("/votes", 2)?;
        doc.insert_text("/text", 5, "eggs\n")
    })
    .unwrap();
    there
        .change(&key(2), 0, |doc| {
            doc.set("/title", "right")?;
            doc.move_to("/list/2", 1)?;
            doc.insert("/list/-", 4)?;
            doc.add("/votes", -1)?;
            doc.insert_text("/text", 0, "oat ")
        })
        .unwrap();
    let (_, events) = here.decode_and_receive(&there.encode_since(&here.heads()), 0).unwrap();
    let pointer = |pointer: &str| pointer.to_string();
    // The move of 3 before 2, and 4 behind; 1 is gone here.
    let theirs = [(1, 1, None), (0, 0, Some(3)), (2, 0, Some(4))].map(|(at, deleted, inserted)| ListEdit {
        at,
        deleted,
        inserted: inserted.into_iter().map(|value: i64| value.into()).collect(),
    });
    let theirs = theirs.to_vec();
    let oat = Edit { at: Units::default(), deleted: Units::default(), inserted: "oat ".into() };
    assert_eq!(
        events,
        [
            Event::Map { pointer: pointer(""), key: pointer("title") },
            Event::List { pointer: pointer("/list"), edits: theirs },
            Event::Counter { pointer: pointer("/votes"), by: -1 },
            Event::Text { pointer: pointer("/text"), edits: vec![oat], marked: vec![] },
        ]
    );
    meet(&mut here, &mut there);
    let title = &here.conflicts("/title");
    assert_eq!((title.len(), Some(&title[0])), (2, here.get("/title").as_ref()));
    assert_eq!(here.get("/list"), Some(Value::List(vec![3.into(), 2.into(), 4.into()])));
    assert_eq!(here.get("/votes"), Some(Value::Counter(1)));
    assert_eq!(here.get("/text"), Some(Value::Text("oat milk\neggs\n".into())));
    here.change(&key(1), 0, |doc| doc.set("/title", "both")).unwrap();
    meet(&mut here, &mut there);
    assert_eq!(there.conflicts("/title"), ["both".into()]);
}

/// What each puts into a list at one place, one by one, forwards or backwards, stays together (Fugue).
#[test]
fn concurrent_runs_of_a_list_are_not_interleaved() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| doc.set("/list", vec![0, 9])).unwrap();
    let mut others: Vec<Doc<_>> = (0..3).map(|_| here.clone()).collect();
    for (at, doc) in others.iter_mut().enumerate() {
        for number in 0..6 {
            let index = if at == 1 { 1 } else { 1 + number };
            let value = 100 * (at as i64 + 1) + number as i64;
            doc.change(&key(1 + at as u8), 0, |doc| doc.insert(&format!("/list/{index}"), value)).unwrap();
        }
    }
    for other in &mut others {
        meet(&mut here, other);
    }
    let Some(Value::List(values)) = here.get("/list") else { panic!("a list") };
    let authors: Vec<i64> =
        values.iter().map(|value| if let Value::Int(value) = value { value / 100 } else { -1 }).collect();
    let runs = authors.chunk_by(|a, b| a == b).count();
    assert_eq!((authors.len(), runs), (20, 5), "{authors:?}");
}

/// A view that follows the told edits shows what the list shows, whoever edits what, here or elsewhere.
#[test]
fn a_view_of_a_list_follows_its_edits() {
    let mut random = Random::new(3);
    let mut docs = vec![empty(); 3];
    docs[0].change(&key(0), 0, |doc| doc.set("/list", vec![0])).unwrap();
    let start = docs[0].encode_since(&[]);
    docs.iter_mut().for_each(|doc| drop(doc.decode_and_receive(&start, 0).unwrap()));
    let mut views = vec![vec![Value::Int(0)]; 3];
    let mut undos: Vec<_> =
        docs.iter_mut().zip(1..).map(|(doc, at)| doc.undo(&key(at).public(), "/list").unwrap()).collect();
    let (mut undone, mut redone) = (0, 0);
    for step in 0..1_500 {
        let (at, other) = (random.below(3) as usize, random.below(3) as usize);
        let long = docs[at].count("/list").unwrap() as u64;
        let place = |random: &mut Random| random.below(long.max(1)) as usize;
        let (from, to) = (place(&mut random), place(&mut random));
        let element = format!("/list/{from}");
        let lacking = docs[other].log().since(&docs[at].heads());
        let undo = &mut undos[at];
        let mut edit = |doc: &mut dsys_crdt::doc::Edit<'_>, random: &mut Random| match random.below(10) {
            0..3 => doc.insert(&element, step),
            3 => doc.move_to(&element, to).and_then(|()| doc.insert("/list/-", Value::Text("text".into()))),
            4 | 5 => doc.move_to(&element, to),
            6 => doc.remove(&element),
            7 => doc.set(&element, step),
            8 => doc.undo(undo).map(|some| undone += usize::from(some)),
            _ => doc.redo(undo).map(|some| redone += usize::from(some)),
        };
        let events = match random.below(4) {
            0 => docs[at].receive(lacking, 0).1,
            _ if long == 0 => continue,
            _ => match docs[at].change_telling(&key(1 + at as u8), 0, |doc| edit(doc, &mut random)) {
                Ok((_, events)) => events,
                Err(error) => panic!("step {step}: {error}"),
            },
        };
        for event in events {
            let Event::List { edits, .. } = event else { continue };
            for ListEdit { at: from, deleted, inserted } in edits {
                views[at].splice(from..from + deleted, inserted);
            }
        }
        let Some(Value::List(shown)) = docs[at].get("/list") else { panic!("a list") };
        assert_eq!(shown, views[at], "step {step}");
        if random.below(3) == 0 {
            docs[at].end_group(&mut undos[at]);
        }
    }
    assert!(undone > 20 && redone > 5, "{undone} {redone}");
}

/// One takes back what it did, and what others did stays.
#[test]
fn what_one_did_to_a_list_is_taken_back() {
    let mut here = empty();
    here.change(&key(1), 0, |doc| doc.set("/list", vec![1, 2, 3])).unwrap();
    let mut there = here.clone();
    let mut undo = here.undo(&key(1).public(), "/list").unwrap();
    here.change(&key(1), 0, |doc| {
        doc.insert("/list/0", Value::List(vec!["inner".into()]))?;
        doc.move_to("/list/3", 1)?;
        doc.set("/list/2", Value::Text("one".into()))?;
        doc.remove("/list/3")
    })
    .unwrap();
    assert_eq!(json(&here), r#"{"list":[["inner"],3,"one"]}"#);
    there.change(&key(2), 0, |doc| doc.insert("/list/-", 4)).unwrap();
    meet(&mut here, &mut there);
    here.change(&key(1), 0, |doc| doc.undo(&mut undo).map(|some| assert!(some))).unwrap();
    meet(&mut here, &mut there);
    assert_eq!(json(&there), r#"{"list":[1,2,3,4]}"#);
    here.change(&key(1), 0, |doc| doc.redo(&mut undo).map(|some| assert!(some))).unwrap();
    meet(&mut here, &mut there);
    assert_eq!(json(&there), r#"{"list":[["inner"],3,"one",4]}"#);
    // The elements are those that they were, with what others have done to them meanwhile.
    there.change(&key(2), 0, |doc| doc.insert("/list/0/-", "more")).unwrap();
    meet(&mut here, &mut there);
    here.change(&key(1), 0, |doc| doc.undo(&mut undo).map(drop)).unwrap();
    here.change(&key(1), 0, |doc| doc.redo(&mut undo).map(drop)).unwrap();
    meet(&mut here, &mut there);
    assert_eq!(json(&there), r#"{"list":[["inner","more"],3,"one",4]}"#);
}

#[test]
fn who_is_revoked_leaves_no_trace_that_nobody_built_on() {
    let mut owner = Doc::new(DOCUMENT, Members::owned_by(key(0).public()));
    owner.log_mut(|log| log.grant(&key(0), 0, [key(1).public(), key(2).public()])).unwrap();
    owner.change(&key(0), 0, |doc| doc.set("/text", Value::Text("base".into()))).unwrap();
    let mut mallory = owner.clone();
    let mut carla = owner.clone();
    mallory.change(&key(1), 0, |doc| doc.insert_text("/text", 4, " seen")).unwrap();
    meet(&mut mallory, &mut carla);
    carla.change(&key(2), 0, |doc| doc.insert_text("/text", 9, " carla")).unwrap();
    mallory.change(&key(1), 0, |doc| doc.delete_text("/text", 0..4)).unwrap();
    owner.log_mut(|log| log.revoke(&key(0), 0, [key(1).public()])).unwrap();
    meet(&mut owner, &mut mallory);
    assert_eq!(json(&mallory), r#"{"text":"base"}"#);
    meet(&mut owner, &mut carla);
    meet(&mut owner, &mut mallory);
    assert_eq!(json(&mallory), r#"{"text":"base seen carla"}"#);
}

#[test]
fn a_tree_has_no_cycle_and_its_nodes_carry_what_they_carry() {
    let mut here = empty();
    let mut names = Vec::new();
    here.change(&key(1), 0, |doc| {
        doc.set("/tree", Value::Tree(vec![]))?;
        for title in ["a", "b"] {
            let name = doc.create_node("/tree", None, None)?;
            doc.set(&format!("/tree/{name}/title"), title)?;
            names.push(name);
        }
        let below = doc.create_node("/tree", Some(&names[0]), Some(0))?;
        doc.set(&format!("/tree/{below}/text"), Value::Text("deep".into()))?;
        names.push(below);
        assert_eq!(doc.move_node("/tree", &names[0], Some(&names[2]), None), Err(TreeError::Cycle.into()));
        assert_eq!(doc.create_node("/tree", Some("1-ff"), None), Err(DocError::NotFound));
        assert_eq!(doc.create_node("/tree", None, Some(9)), Err(TreeError::OutOfRange(2).into()));
        Ok(())
    })
    .unwrap();
    let mut there = empty();
    meet(&mut here, &mut there);
    here.change(&key(1), 0, |doc| doc.move_node("/tree", &names[0], Some(&names[1]), None)).unwrap();
    there.change(&key(2), 0, |doc| doc.move_node("/tree", &names[1], Some(&names[0]), None)).unwrap();
    let deep = format!("/tree/{}/text", names[2]);
    let (_, events) = here.decode_and_receive(&there.encode_since(&here.heads()), 0).unwrap();
    assert_eq!(events, [Event::Tree { pointer: "/tree".into() }]);
    meet(&mut here, &mut there);
    let Some(Value::Tree(nodes)) = here.get("/tree") else { panic!("a tree") };
    assert_eq!(
        (nodes.len(), here.count("/tree"), here.children("/tree", None).unwrap().len()),
        (3, Some(3), 1)
    );
    assert_eq!(here.get(&deep), Some(Value::Text("deep".into())));
    // Set again from what was read, with other names.
    there
        .change(&key(2), 0, |doc| {
            doc.set("/copy", Value::Tree(nodes.clone()))?;
            doc.remove(&format!("/tree/{}", names[0]))
        })
        .unwrap();
    meet(&mut here, &mut there);
    assert_eq!(here.get(&deep), None);
    let Some(Value::Tree(copy)) = here.get("/copy") else { panic!("a tree") };
    let values = |nodes: &[TreeNode]| nodes.iter().map(|node| node.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&copy), values(&nodes));
    assert!(json(&here).contains(r#""copy":[{"id":""#));
    // Deeper than any stack.
    here.change(&key(1), 0, |doc| {
        doc.set("/deep", Value::Tree(vec![]))?;
        let mut last = None;
        for _ in 0..20_000 {
            last = Some(doc.create_node("/deep", last.as_deref(), None)?);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(here.count("/deep"), Some(20_000));
}

#[test]
fn blobs_stand_elsewhere_and_are_what_they_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let (memory, files) = (MemoryBlobs::default(), FolderBlobs::open(folder.path().join("blobs")).unwrap());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let (picture, song) = (vec![7; 100_000], b"la".to_vec());
        let (a, b) = (files.put(picture.clone()).await.unwrap(), memory.put(song.clone()).await.unwrap());
        assert_eq!(
            (a, files.put(picture.clone()).await.unwrap()),
            (memory.put(picture.clone()).await.unwrap(), a)
        );
        let mut doc = empty();
        doc.change(&key(1), 0, |doc| {
            doc.set("/picture", a)?;
            doc.set("/songs", vec![b])
        })
        .unwrap();
        let mut there = empty();
        meet(&mut doc, &mut there);
        assert_eq!(there.blobs().into_iter().collect::<Vec<_>>().len(), 2);
        assert_eq!(there.get("/songs/0"), Some(Value::Blob(b)));
        assert_eq!((files.get(&a).await, memory.get(&b).await), (Ok(Some(picture)), Ok(Some(song))));
        assert_eq!(files.get(&b).await, Ok(None));
        assert!(json(&there).contains(&format!(r#""songs":[{{"hash":"{}","length":2}}]"#, b.to_hex())));
        // Of another length, or other bytes: not what the document means.
        let longer = Blob { length: 9, ..a };
        assert_eq!(files.get(&longer).await, Err(BlobError::Damaged(longer)));
        std::fs::write(folder.path().join("blobs").join(a.to_hex()), b"other").unwrap();
        assert_eq!(files.get(&a).await, Err(BlobError::Damaged(a)));
        assert_eq!(files.put(vec![7; 100_000]).await, Ok(a));
        assert!(files.get(&a).await.unwrap().is_some());
        there.change(&key(1), 0, |doc| doc.remove("/picture")).unwrap();
        assert_eq!(there.blobs(), [b].into());
    });
}

/// More than a change may follow have written, and have never met.
#[test]
fn a_thousand_who_never_met_are_joined() {
    let author = |number: u32| {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        dsys_core::SecretKey::from_bytes(bytes)
    };
    let mut begun = empty();
    begun.change(&key(1), 0, |doc| doc.set("/text", Value::Text(String::new()))).unwrap();
    let mut all = begun.clone();
    for number in 0..512 {
        let mut log = begun.log().clone();
        // As the edit would, under each key: one character at the beginning.
        let mut one = Doc::of(std::mem::replace(&mut log, begun.log().clone()));
        let typed = one.change(&author(number), 0, |doc| doc.insert_text("/text", 0, "x")).unwrap();
        all.receive([typed], 0);
    }
    // By one who is new, and one who is not; each names what another has made.
    for number in [900, 3] {
        let before = all.heads();
        let change = all.change(&author(number), 0, |doc| doc.insert_text("/text", 512, "!")).unwrap();
        assert_eq!((all.heads(), all.void().count()), (vec![change.header.id()], 0));
        let mut there = empty();
        there.decode_and_receive(&all.encode_since(&[]), 0).unwrap();
        assert_eq!((json(&there), there.void().count()), (json(&all), 0));
        let opened = Doc::restore(dsys_crdt::change::Open, &all.snapshot(0).unwrap()).unwrap();
        assert_eq!(json(&opened), json(&all));
        assert_eq!(all.log().since(&before).len(), if number == 900 { 2 } else { 1 });
    }
}
