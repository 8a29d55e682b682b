//! The same work, done by each library as its documentation does it.

use std::any::Any;

use crate::data::{Trace, Txn};

pub mod automerge_peer;
pub mod cola_peer;

/// What is measured of a library.
pub struct Peer {
    pub name: &'static str,
    /// Replays a sequential trace as local edits; gives the length of the text.
    pub local: fn(&Trace) -> usize,
    /// The whole history, as it goes to a peer who has nothing, and as it is saved.
    pub history: fn(&Trace) -> Option<(Vec<u8>, Vec<u8>)>,
    /// Merges a whole history into an empty document; gives the text.
    pub merge: fn(&[u8]) -> String,
    /// The text in a saved document.
    pub load: fn(&[u8]) -> String,
    /// A saved document, open to be edited.
    pub open: fn(&[u8]) -> Box<dyn Any>,
    /// The text of what `open` gave.
    pub read: fn(&dyn Any) -> Option<String>,
    /// Of a saved document the text, with the means to go on merging: where that is to be had.
    pub trim: Option<fn(&[u8]) -> Vec<u8>>,
}

pub mod ours {
    use super::*;
    use dsys_crdt::{Agent, Text, VersionVector};

    pub const PEER: Peer = Peer {
        name: "dsys-crdt 0.1",
        local,
        history,
        merge,
        load: |saved| Text::read_saved(saved).unwrap(),
        open: |saved| Box::new(opened(saved)),
        read: |open| Some(open.downcast_ref::<Text>()?.to_string()),
        trim: Some(|saved| {
            let text = opened(saved);
            text.save_since(&text.version()).unwrap()
        }),
    };

    fn opened(saved: &[u8]) -> Text {
        Text::load(saved, Agent::new("x").unwrap()).unwrap()
    }

    fn new(name: usize) -> Text {
        Text::new(Agent::new(format!("author{name}")).unwrap())
    }

    fn edit(text: &mut Text, (at, deleted, inserted): &(usize, usize, String)) {
        if *deleted > 0 {
            text.delete(*at..*at + deleted).unwrap();
        }
        if !inserted.is_empty() {
            text.insert(*at, inserted).unwrap();
        }
    }

    fn replay(trace: &Trace) -> Text {
        let mut text = new(0);
        text.insert(0, &trace.start_content).unwrap();
        trace.patches().for_each(|patch| edit(&mut text, patch));
        text
    }

    fn local(trace: &Trace) -> usize {
        replay(trace).len()
    }

    fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
        let text = if trace.kind.is_none() { replay(trace) } else { branches(trace) };
        Some((text.changes_since(&VersionVector::default()).unwrap(), text.save().unwrap()))
    }

    /// A replica for each branch, as long as it goes on. An author with several branches gets a name for each.
    fn branches(trace: &Trace) -> Text {
        let mut children = vec![0; trace.txns.len()];
        trace.txns.iter().flat_map(|txn| &txn.parents).for_each(|&parent| children[parent] += 1);
        let mut replicas: Vec<Option<Text>> = Vec::new();
        let mut made = std::collections::HashMap::new();
        for txn in &trace.txns {
            let mut text = new(0);
            for (index, &parent) in txn.parents.iter().enumerate() {
                children[parent] -= 1;
                let other =
                    if children[parent] == 0 { replicas[parent].take() } else { replicas[parent].clone() };
                let other = other.expect("it is kept until its last child");
                if index == 0 {
                    text = other;
                } else {
                    text.apply(&other.changes_since(&text.version()).unwrap()).unwrap();
                }
            }
            let names = (0..).map(|branch| Agent::new(format!("author{}-{branch}", txn.agent)).unwrap());
            let mut free =
                names.filter(|name| made.get(name).is_none_or(|&count| count == text.version().get(name)));
            let name = free.next().expect("names do not end");
            text.set_agent(name.clone());
            txn.patches.iter().for_each(|patch| edit(&mut text, patch));
            made.insert(name.clone(), text.version().get(&name));
            replicas.push(Some(text));
        }
        let mut all = new(0);
        for text in replicas.iter().flatten() {
            all.apply(&text.changes_since(&all.version()).unwrap()).unwrap();
        }
        all
    }

    fn merge(bytes: &[u8]) -> String {
        let mut text = new(9);
        text.apply(bytes).unwrap();
        text.to_string()
    }

    /// The whole history with positions, which one who has something is sent, whatever is concurrent.
    pub fn with_positions(text: &Text) -> Vec<u8> {
        let mut other = Text::new(Agent::new("nobody knows").unwrap());
        other.insert(0, "x").unwrap();
        text.changes_since(&other.version()).unwrap()
    }

    /// A text with its history read.
    pub fn read(saved: &[u8]) -> Text {
        let mut text = opened(saved);
        text.read_past().unwrap();
        text
    }

    /// The whole history, for one who has nothing.
    pub fn send(text: &Text) -> usize {
        text.changes_since(&VersionVector::default()).unwrap().len()
    }

    /// A change that is concurrent with everything.
    pub fn stranger() -> Vec<u8> {
        let mut text = Text::new(Agent::new("stranger").unwrap());
        text.insert(0, "x").unwrap();
        text.changes_since(&VersionVector::default()).unwrap()
    }

    /// As `merge`, and what was put off then: the history is read, and a change is merged if there is one.
    pub fn merge_and(bytes: &[u8], change: Option<&[u8]>) -> usize {
        let mut text = new(9);
        text.apply(bytes).unwrap();
        text.read_past().unwrap();
        change.iter().for_each(|change| drop(text.apply(change).unwrap()));
        text.len()
    }

    /// The same, with the history read.
    pub fn read_past(saved: &[u8]) -> String {
        let mut text = opened(saved);
        text.read_past().unwrap();
        text.to_string()
    }

    /// Ready for edits.
    pub fn open(saved: &[u8]) -> String {
        opened(saved).to_string()
    }
}

pub mod diamond {
    use super::*;
    use diamond_types::list::{Branch, ListCRDT, OpLog, encoding::ENCODE_FULL};

    pub const PEER: Peer = Peer {
        name: "diamond-types 1.0.0",
        local,
        history,
        merge,
        load: merge,
        open: |saved| {
            let log = OpLog::load_from(saved).unwrap();
            let branch = log.checkout_tip();
            Box::new((log, branch))
        },
        read: |open| Some(open.downcast_ref::<(OpLog, Branch)>()?.1.content().to_string()),
        trim: None,
    };

    fn replay(trace: &Trace) -> ListCRDT {
        let mut doc = ListCRDT::new();
        let agent = doc.get_or_create_agent_id("author0");
        if !trace.start_content.is_empty() {
            doc.insert(agent, 0, &trace.start_content);
        }
        for (at, deleted, inserted) in trace.patches() {
            if *deleted > 0 {
                doc.delete_without_content(agent, *at..*at + deleted);
            }
            if !inserted.is_empty() {
                doc.insert(agent, *at, inserted);
            }
        }
        doc
    }

    fn local(trace: &Trace) -> usize {
        replay(trace).len()
    }

    fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
        let log = if trace.kind.is_none() { replay(trace).oplog } else { log(trace) };
        let bytes = log.encode(ENCODE_FULL);
        Some((bytes.clone(), bytes))
    }

    fn log(trace: &Trace) -> OpLog {
        let mut log = OpLog::new();
        let mut last = Vec::new();
        for txn in &trace.txns {
            let agent = log.get_or_create_agent_id(&format!("author{}", txn.agent));
            let mut parents: Vec<usize> = txn.parents.iter().map(|&parent| last[parent]).collect();
            parents.sort_unstable();
            for (at, deleted, inserted) in &txn.patches {
                if *deleted > 0 {
                    parents = vec![log.add_delete_at(agent, &parents, *at..*at + deleted)];
                }
                if !inserted.is_empty() {
                    parents = vec![log.add_insert_at(agent, &parents, *at, inserted)];
                }
            }
            last.push(parents[0]);
        }
        log
    }

    fn merge(bytes: &[u8]) -> String {
        OpLog::load_from(bytes).unwrap().checkout_tip().content().to_string()
    }
}

pub mod yrs_peer {
    use super::*;
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

    pub const PEER: Peer = Peer {
        name: "yrs 0.28",
        local,
        history,
        merge,
        load: merge,
        open: |saved| Box::new(opened(saved)),
        read: |open| {
            let doc = open.downcast_ref::<Doc>()?;
            let text = doc.get_or_insert_text("text");
            Some(text.get_string(&doc.transact()))
        },
        trim: None,
    };

    fn opened(bytes: &[u8]) -> Doc {
        let doc = new(9);
        doc.get_or_insert_text("text");
        doc.transact_mut().apply_update(Update::decode_v1(bytes).unwrap()).unwrap();
        doc
    }

    fn new(name: usize) -> Doc {
        Doc::with_options(Options {
            client_id: yrs::block::ClientID::new(name as u64 + 1),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        })
    }

    fn edit(doc: &mut Doc, patches: &[(usize, usize, String)]) -> Vec<u8> {
        let text = doc.get_or_insert_text("text");
        let mut txn = doc.transact_mut();
        for (at, deleted, inserted) in patches {
            if *deleted > 0 {
                text.remove_range(&mut txn, *at as u32, *deleted as u32);
            }
            if !inserted.is_empty() {
                text.insert(&mut txn, *at as u32, inserted);
            }
        }
        txn.encode_update_v1()
    }

    fn replay(trace: &Trace) -> Doc {
        let mut doc = new(0);
        if !trace.start_content.is_empty() {
            edit(&mut doc, &[(0, 0, trace.start_content.clone())]);
        }
        for txn in &trace.txns {
            edit(&mut doc, &txn.patches);
        }
        doc
    }

    fn local(trace: &Trace) -> usize {
        let doc = replay(trace);
        let text = doc.get_or_insert_text("text");
        text.len(&doc.transact()) as usize
    }

    fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
        let doc = if trace.kind.is_none() {
            replay(trace)
        } else {
            trace.by_authors(new, hear, |doc, txn: &Txn| edit(doc, &txn.patches))
        };
        let bytes = doc.transact().encode_state_as_update_v1(&StateVector::default());
        Some((bytes.clone(), bytes))
    }

    fn hear(doc: &mut Doc, change: &Vec<u8>) {
        doc.transact_mut().apply_update(Update::decode_v1(change).unwrap()).unwrap();
    }

    fn merge(bytes: &[u8]) -> String {
        let doc = opened(bytes);
        let text = doc.get_or_insert_text("text");
        text.get_string(&doc.transact())
    }
}

pub mod loro_peer {
    use super::*;
    use loro::{ExportMode, LoroDoc};

    pub const PEER: Peer = Peer {
        name: "loro 1",
        local,
        history,
        merge,
        load: merge,
        open: |saved| Box::new(opened(saved)),
        read: |open| Some(open.downcast_ref::<LoroDoc>()?.get_text("text").to_string()),
        trim: Some(|saved| {
            let doc = opened(saved);
            doc.export(ExportMode::shallow_snapshot(&doc.oplog_frontiers())).unwrap()
        }),
    };

    fn opened(bytes: &[u8]) -> LoroDoc {
        let doc = LoroDoc::new();
        doc.import(bytes).unwrap();
        doc
    }

    fn new(name: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        doc.set_peer_id(name as u64 + 1).unwrap();
        doc
    }

    fn edit(doc: &mut LoroDoc, patches: &[(usize, usize, String)]) {
        let text = doc.get_text("text");
        for (at, deleted, inserted) in patches {
            if *deleted > 0 {
                text.delete(*at, *deleted).unwrap();
            }
            if !inserted.is_empty() {
                text.insert(*at, inserted).unwrap();
            }
        }
    }

    fn replay(trace: &Trace) -> LoroDoc {
        let mut doc = new(0);
        edit(&mut doc, &[(0, 0, trace.start_content.clone())]);
        trace.txns.iter().for_each(|txn| edit(&mut doc, &txn.patches));
        doc.commit();
        doc
    }

    fn local(trace: &Trace) -> usize {
        replay(trace).get_text("text").len_unicode()
    }

    fn history(trace: &Trace) -> Option<(Vec<u8>, Vec<u8>)> {
        let doc = if trace.kind.is_none() {
            replay(trace)
        } else {
            let hear = |doc: &mut LoroDoc, change: &Vec<u8>| drop(doc.import(change).unwrap());
            trace.by_authors(new, hear, |doc, txn| {
                let before = doc.oplog_vv();
                edit(doc, &txn.patches);
                doc.commit();
                doc.export(ExportMode::updates(&before)).unwrap()
            })
        };
        Some((doc.export(ExportMode::all_updates()).unwrap(), doc.export(ExportMode::Snapshot).unwrap()))
    }

    fn merge(bytes: &[u8]) -> String {
        opened(bytes).get_text("text").to_string()
    }
}

/// Ropes, which keep no history: what a local replay cannot go below.
pub mod ropes {
    use super::*;

    pub fn jumprope(trace: &Trace) -> usize {
        let mut rope = jumprope::JumpRopeBuf::new();
        rope.insert(0, &trace.start_content);
        for (at, deleted, inserted) in trace.patches() {
            if *deleted > 0 {
                rope.remove(*at..*at + deleted);
            }
            if !inserted.is_empty() {
                rope.insert(*at, inserted);
            }
        }
        rope.len_chars()
    }

    /// The trace with positions in bytes, as crop and cola count.
    pub fn by_bytes(trace: &Trace) -> Trace {
        let mut rope = jumprope::JumpRope::from(trace.start_content.as_str());
        let mut patches = Vec::new();
        for (at, deleted, inserted) in trace.patches() {
            let bytes =
                |from: usize, to: usize| rope.slice_chars(from..to).map(char::len_utf8).sum::<usize>();
            let (before, within) = if rope.len_bytes() == rope.len_chars() {
                (*at, *deleted)
            } else {
                (bytes(0, *at), bytes(*at, at + deleted))
            };
            patches.push((before, within, inserted.clone()));
            rope.remove(*at..*at + deleted);
            rope.insert(*at, inserted);
        }
        let txns = vec![Txn { patches, parents: Vec::new(), agent: 0 }];
        Trace {
            start_content: trace.start_content.clone(),
            end_content: trace.end_content.clone(),
            txns,
            kind: None,
        }
    }

    pub fn crop(trace: &Trace) -> usize {
        let mut rope = crop::Rope::from(trace.start_content.as_str());
        for (at, deleted, inserted) in trace.patches() {
            rope.replace(*at..*at + deleted, inserted);
        }
        rope.byte_len()
    }

    /// cola's replica, which holds no text, with crop for the text.
    pub fn cola(trace: &Trace) -> usize {
        let mut rope = crop::Rope::from(trace.start_content.as_str());
        let mut replica = cola::Replica::new(1, rope.byte_len());
        for (at, deleted, inserted) in trace.patches() {
            if *deleted > 0 {
                std::hint::black_box(replica.deleted(*at..*at + deleted));
            }
            if !inserted.is_empty() {
                std::hint::black_box(replica.inserted(*at, inserted.len()));
            }
            rope.replace(*at..*at + deleted, inserted);
        }
        rope.byte_len()
    }
}
