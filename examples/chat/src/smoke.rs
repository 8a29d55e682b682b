//! Several nodes in one process, without a person: what the chat promises, asserted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::output::say;
use crate::session::Session;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn run() -> Result<(), String> {
    let began = Instant::now();
    let mut all = Vec::new();
    for nick in ["ana", "bo", "cy", "di"] {
        let mut session = Session::start(LISTEN, &Some(nick.into())).await?;
        let ticket = all.first().map(|first: &Session| first.node.ticket());
        session.enter("lobby", ticket.as_ref()).await?;
        all.push(session);
    }
    until(&mut all, "everybody has a neighbour", |all| all.iter().all(|one| neighbours(one) > 0)).await?;
    let step = |what: &str| say(&format!("{:5.1} s  {what}", began.elapsed().as_secs_f64()));

    speak(&mut all, 0, "hello").await?;
    until(&mut all, "a line is seen by all", |all| seen(all, 0, "hello") == Some(3)).await?;
    step("a line was seen by all three others");

    for one in all.iter_mut().skip(1).take(2) {
        one.go("den", &[]).await?;
    }
    speak(&mut all, 1, "in the den").await?;
    until(&mut all, "a line in another room", |all| has(all, 2, "in the den")).await?;
    if has(&all, 0, "in the den") || has(&all, 3, "in the den") {
        return Err("a line of the den was heard outside".into());
    }
    step("two went to a room of their own, and were heard only there");
    for one in all.iter_mut().skip(1).take(2) {
        one.go("lobby", &[]).await?;
    }

    let cut = all.get(3).ok_or("there are four")?;
    cut.cut();
    until(&mut all, "the cut is noticed", |all| all.get(3).is_some_and(|one| neighbours(one) == 0)).await?;
    speak(&mut all, 3, "is anybody there?").await?;
    speak(&mut all, 0, "where is di?").await?;
    until(&mut all, "the others hear each other", |all| seen(all, 0, "where is di?") == Some(2)).await?;
    if has(&all, 3, "where is di?") || has(&all, 0, "is anybody there?") {
        return Err("a line crossed a link that is cut".into());
    }
    step("with its link cut, one heard nothing and was not heard");

    all.get(3).ok_or("there are four")?.heal();
    until(&mut all, "all is heard in the end", |all| {
        seen(all, 0, "where is di?") == Some(3) && seen(all, 3, "is anybody there?") == Some(3)
    })
    .await?;
    let order = |one: &Session| -> Vec<String> {
        one.room().map(|room| room.lines.iter().map(|line| line.text.clone()).collect()).unwrap_or_default()
    };
    let first = all.first().map(order).unwrap_or_default();
    if first.len() != 3 || all.iter().any(|one| order(one) != first) {
        return Err("the four do not have the same three lines in the same order".into());
    }
    step("healed, everybody had every line, in one order, seen by all");
    for session in all {
        session.end().await;
    }
    step("all four have left");
    Ok(())
}

fn neighbours(session: &Session) -> usize {
    session.room().map_or(0, |room| room.topic.neighbours().len())
}

fn has(all: &[Session], at: usize, text: &str) -> bool {
    let rooms = all.get(at).into_iter().flat_map(|session| &session.rooms);
    rooms.flat_map(|room| &room.lines).any(|line| line.text == text)
}

/// By how many others a line was seen, as its writer knows.
fn seen(all: &[Session], writer: usize, text: &str) -> Option<usize> {
    let rooms = all.get(writer).into_iter().flat_map(|session| &session.rooms);
    let mut found = rooms.flat_map(|room| room.lines.iter().map(move |line| (room, line)));
    found.find(|(_, line)| line.text == text).map(|(room, line)| room.seen_by(line).len())
}

async fn speak(all: &mut [Session], at: usize, text: &str) -> Result<(), String> {
    all.get_mut(at).ok_or("there are four")?.say(text).await
}

/// Lets all nodes do what they do until it is so.
async fn until(all: &mut [Session], what: &str, so: impl Fn(&[Session]) -> bool) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(8);
    while !so(all) {
        if Instant::now() > end {
            return Err(format!("still waiting after 8 s: {what}"));
        }
        for session in all.iter_mut() {
            while let Ok(Some((room, event))) =
                tokio::time::timeout(Duration::from_millis(1), session.next()).await
            {
                session.take(room, event).await;
            }
            session.say_seen().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
