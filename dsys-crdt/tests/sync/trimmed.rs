//! A document whose history one has cut stays in step with those who had that; who had not gets it from others.

use dsys_core::NodeAddr;
use dsys_crdt::repo::Doc;

use crate::network::{begun, peer, text, until};

#[tokio::test(flavor = "multi_thread")]
async fn who_has_cut_goes_on_with_those_who_have_what_was_cut() {
    let (anna, ben, carla) = (peer(), peer(), peer());
    let here = begun(&anna.repo);
    for _ in 0..60 {
        here.change(|doc| doc.insert_text("/body", 0, "a")).unwrap();
    }
    anna.sync.share(&here, [] as [NodeAddr; 0]).await.unwrap();
    let there: Doc = ben.repo.join("notes", here.link()).unwrap();
    ben.sync.share(&there, [anna.node.ticket().0]).await.unwrap();
    until("all of it with Ben", || there.heads().unwrap() == here.heads().unwrap()).await;
    assert_eq!(here.trim(&here.heads().unwrap()).unwrap(), 61);
    there.change(|doc| doc.insert_text("/body", 0, "b")).unwrap();
    here.change(|doc| doc.insert_text("/body", 0, "c")).unwrap();
    until("each other's", || text(&here).len() == 62 && text(&there) == text(&here)).await;

    // Anna has nothing that Carla could take in; Ben has.
    let late: Doc = carla.repo.join("notes", here.link()).unwrap();
    carla.sync.share(&late, [anna.node.ticket().0]).await.unwrap();
    here.change(|doc| doc.insert_text("/body", 0, "d")).unwrap();
    until("it with Ben", || text(&there) == text(&here)).await;
    assert_eq!(late.read(|doc| doc.log().len()).unwrap(), 0);
    carla.sync.share(&late, [ben.node.ticket().0]).await.unwrap();
    until("all of it with Carla", || late.heads().unwrap() == here.heads().unwrap()).await;
    late.change(|doc| doc.insert_text("/body", 0, "e")).unwrap();
    until("Carla's with Anna", || text(&here) == text(&late) && text(&here).len() == 64).await;
    assert_eq!(here.read(|doc| doc.log().trimmed()).unwrap(), 61);
}
