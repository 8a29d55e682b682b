//! On a terminal: the room, who has seen each line, and a line to type in.

use std::io::{self, Write};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, event, execute, queue, style, terminal};
use tokio::sync::mpsc;

use crate::plain::obey;
use crate::session::{SAY_SEEN, Session};

pub(crate) async fn run(session: &mut Session) -> Result<(), String> {
    let _raw = Raw::enter().map_err(|error| format!("the terminal cannot be used: {error}"))?;
    let (sender, mut inputs) = mpsc::channel(64);
    // crossterm waits for keys in a thread of its own; it ends with the program.
    std::thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                break;
            }
        }
    });
    let (mut typed, mut hint) = (String::new(), String::new());
    let mut seen = tokio::time::interval(SAY_SEEN);
    loop {
        draw(session, &typed, &hint).map_err(|error| format!("the terminal is gone: {error}"))?;
        tokio::select! {
            _ = seen.tick() => session.say_seen().await,
            input = inputs.recv() => match input {
                Some(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                    hint.clear();
                    match press(session, key, &mut typed).await {
                        Ok(()) => {}
                        Err(Some(why)) => hint = why,
                        Err(None) => return Ok(()),
                    }
                }
                Some(_) => {}
                None => return Err("the keyboard is gone".into()),
            },
            event = session.next() => match event {
                Some((room, event)) => drop(session.take(room, event).await),
                None => return Err("the node has ended".into()),
            },
        }
    }
}

async fn press(session: &mut Session, key: KeyEvent, typed: &mut String) -> Result<(), Option<String>> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => return Err(None),
        KeyCode::Char('u') if control => typed.clear(),
        KeyCode::Char(character) if !control => typed.push(character),
        KeyCode::Backspace => drop(typed.pop()),
        KeyCode::Tab => session.next_room(),
        KeyCode::F(2) => session.cut(),
        KeyCode::F(3) => session.heal(),
        KeyCode::Enter => return obey(session, &std::mem::take(typed)).await,
        _ => {}
    }
    Ok(())
}

fn draw(session: &Session, typed: &str, hint: &str) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let (width, height) = (usize::from(width.max(20)), usize::from(height.max(6)));
    let mut rows = Vec::new();
    let Some(room) = session.room() else { return Ok(()) };
    for line in &room.lines {
        let seen = match room.seen_by(line).as_slice() {
            [] => String::from("  \u{b7} seen by nobody yet"),
            nicks => format!("  \u{2713} {}", nicks.join(", ")),
        };
        let late = if line.took.as_secs() >= 2 {
            format!(" ({} s late)", line.took.as_secs())
        } else {
            String::new()
        };
        let text = format!("{} {}: {}{late}", clock(line.time), line.nick, line.text);
        let mine = line.origin == session.node.id();
        rows.extend(
            wrap(&text, width).into_iter().map(|row| (row, if mine { Look::Mine } else { Look::Plain })),
        );
        rows.push((cut(&format!("         {seen}"), width), Look::Faint));
    }
    let space = height - 4;
    let skip = rows.len().saturating_sub(space);
    let tabs: Vec<String> = session
        .rooms
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let unread = if one.unread > 0 { format!(" +{}", one.unread) } else { String::new() };
            if at == session.current { format!("[{}]", one.name) } else { format!(" {}{unread} ", one.name) }
        })
        .collect();
    let link = if session.switch.is_cut() { "LINK CUT (F3 heals)" } else { "F2 cuts the link" };
    let neighbours = match room.topic.neighbours().len() {
        1 => "1 neighbour".to_owned(),
        count => format!("{count} neighbours"),
    };
    let top = format!("{}   {neighbours}   {link}", tabs.join(" "));
    let below = if hint.is_empty() { format!("{}", room.topic.quality()) } else { hint.to_owned() };
    let ticket = format!("ticket: {}", session.node.ticket());

    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut out = io::stdout().lock();
    queue!(out, cursor::Hide)?;
    let mut put = |at: usize, text: &str, look: Look| -> io::Result<()> {
        queue!(out, cursor::MoveTo(0, at as u16), terminal::Clear(terminal::ClearType::CurrentLine))?;
        match look {
            Look::Bar => queue!(out, style::SetAttribute(style::Attribute::Reverse))?,
            Look::Mine if colours => queue!(out, style::SetForegroundColor(style::Color::Cyan))?,
            Look::Faint if colours => queue!(out, style::SetForegroundColor(style::Color::DarkGrey))?,
            _ => {}
        }
        queue!(out, style::Print(text), style::SetAttribute(style::Attribute::Reset), style::ResetColor)
    };
    put(0, &format!("{:width$}", cut(&top, width)), Look::Bar)?;
    for at in 0..space {
        let (text, look) =
            rows.get(skip + at).map_or(("", Look::Plain), |(text, look)| (text.as_str(), *look));
        put(1 + at, text, look)?;
    }
    put(height - 3, &cut(&ticket, width), Look::Faint)?;
    put(height - 2, &cut(&below, width), Look::Faint)?;
    // The end of what is typed stays in sight.
    let shown: Vec<char> = typed.chars().collect();
    let from = shown.len().saturating_sub(width - 4);
    let prompt = format!("> {}", shown.iter().skip(from).collect::<String>());
    put(height - 1, &prompt, Look::Plain)?;
    queue!(out, cursor::MoveTo(prompt.chars().count() as u16, height as u16 - 1), cursor::Show)?;
    out.flush()
}

#[derive(Clone, Copy)]
enum Look {
    Plain,
    Mine,
    Faint,
    Bar,
}

/// Hours, minutes and seconds (UTC) of milliseconds since 1970.
fn clock(millis: u64) -> String {
    let seconds = millis / 1_000;
    format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(width.max(1)).map(|row| row.iter().collect()).collect()
}

/// The terminal as we need it; given back when this is dropped.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let raw = Raw;
        execute!(io::stdout(), terminal::EnterAlternateScreen)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_and_times_are_told() {
        assert_eq!(wrap("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(clock(1_800_000_000_000), "08:00:00");
    }
}
