//! Without a terminal: lines in, lines out.

use dsys_gossip::Event;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::output::{say, tell};
use crate::session::{News, SAY_SEEN, Session};

pub(crate) async fn run(session: &mut Session) -> Result<(), String> {
    say(&format!("ticket: {}", session.node.ticket()));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut open = true;
    let mut seen = tokio::time::interval(SAY_SEEN);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = seen.tick() => session.say_seen().await,
            line = lines.next_line(), if open => match line {
                Ok(Some(line)) => {
                    if let Err(why) = obey(session, &line).await {
                        match why {
                            Some(why) => tell(&why),
                            None => return Ok(()),
                        }
                    }
                }
                // Goes on listening.
                Ok(None) | Err(_) => open = false,
            },
            event = session.next() => match event {
                Some((room, event)) => show(session, room, event).await,
                None => return Err("the node has ended".into()),
            },
        }
    }
}

async fn show(session: &mut Session, room: String, event: Event) {
    match session.take(room, event).await {
        News::Line { room, nick, text } => say(&format!("[{room}] {nick}: {text}")),
        News::Peer { room, peer, up } => {
            tell(&format!(
                "[{room}] {} is {} a neighbour",
                peer.short(),
                if up { "now" } else { "no longer" }
            ));
        }
        News::Missed { room, count } => tell(&format!("[{room}] {count} lines were missed")),
        News::Other => {}
    }
}

/// Does what a line says. `Err(None)`: leave.
pub(crate) async fn obey(session: &mut Session, line: &str) -> Result<(), Option<String>> {
    let line = line.trim();
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "" => Ok(()),
        "/quit" => Err(None),
        "/cut" => {
            session.cut();
            Ok(())
        }
        "/heal" => {
            session.heal();
            Ok(())
        }
        "/room" => session.go(rest.trim(), &[]).await.map_err(Some),
        command if command.starts_with('/') => {
            Err(Some(format!("{command} is no command: there are /room NAME, /cut, /heal and /quit")))
        }
        _ => session.say(line).await.map_err(Some),
    }
}
