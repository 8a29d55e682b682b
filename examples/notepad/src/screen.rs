//! On a terminal: the panes beside each other, and keys for the one that is looked at.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, event, execute, queue, style, terminal};
use dsys_crdt::Agent;
use tokio::sync::mpsc;

use crate::pane::{Pane, View};

const COLOURS: [style::Color; 6] = [
    style::Color::Cyan,
    style::Color::Yellow,
    style::Color::Green,
    style::Color::Magenta,
    style::Color::Blue,
    style::Color::Red,
];

pub(crate) async fn run(panes: &mut [Pane]) -> Result<(), String> {
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
    let (mut current, mut hint) = (
        0,
        String::from("Tab next pane  Ctrl-Z/Y undo, redo  F2 off or on the net  F5 for others  Ctrl-C ends"),
    );
    let mut authors = BTreeMap::new();
    // Changes come faster than anybody reads: a picture ten times a second is enough.
    let mut pictures = tokio::time::interval(Duration::from_millis(100));
    loop {
        draw(panes, current, &hint, &mut authors)
            .map_err(|error| format!("the terminal is gone: {error}"))?;
        tokio::select! {
            _ = pictures.tick() => {}
            input = inputs.recv() => match input {
                Some(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                    match press(panes, &mut current, key) {
                        Ok(None) => return Ok(()),
                        Ok(Some(said)) if said.is_empty() => {}
                        Ok(Some(said)) | Err(said) => hint = said,
                    }
                }
                Some(_) => {}
                None => return Err("the keyboard is gone".into()),
            },
        }
    }
}

/// Gives what is to be said, or nothing to end.
fn press(panes: &mut [Pane], current: &mut usize, key: KeyEvent) -> Result<Option<String>, String> {
    let count = panes.len().max(1);
    let Some(pane) = panes.get_mut(*current) else { return Ok(None) };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let length = pane.text().chars().count();
    match key.code {
        KeyCode::Char('c' | 'd' | 'q') if control => return Ok(None),
        KeyCode::Char('z') if control => drop(pane.take_back(false)?),
        KeyCode::Char('y') if control => drop(pane.take_back(true)?),
        KeyCode::Char(character) if !control => pane.insert(&character.to_string())?,
        KeyCode::Enter => pane.insert("\n")?,
        KeyCode::Backspace => pane.delete()?,
        KeyCode::Left => pane.cursor = pane.cursor.saturating_sub(1),
        KeyCode::Right => pane.cursor = (pane.cursor + 1).min(length),
        KeyCode::Home => pane.cursor = 0,
        KeyCode::End => pane.cursor = length,
        KeyCode::Tab => *current = (*current + 1) % count,
        KeyCode::F(2) => pane.flip(),
        KeyCode::F(5) => return Ok(Some(format!("notepad --panes 1 --join {}", pane.word()))),
        _ => {}
    }
    Ok(Some(String::new()))
}

fn draw(panes: &[Pane], current: usize, hint: &str, authors: &mut BTreeMap<Agent, usize>) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let (width, height) = (usize::from(width.max(20)), usize::from(height.max(4)));
    let each = (width / panes.len().max(1)).max(8);
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // What is said may be long, and is to be copied whole.
    let below = hint.chars().count().div_ceil(width).clamp(1, height / 2);
    let space = height - 1 - below;
    let mut out = io::stdout().lock();
    queue!(out, cursor::Hide)?;
    let mut caret = (0, 1);
    for (at, pane) in panes.iter().enumerate() {
        let View { text, hash, synced, online } = pane.view(authors);
        let left = (at * each) as u16;
        let mark = if at == current { "\u{25b8}" } else { " " };
        let net = if online { "online" } else { "OFFLINE" };
        let top = format!("{mark}{}  {net}  {hash} {synced} B synced", pane.name);
        let top: String = format!("{top:each$}").chars().take(each).collect();
        queue!(
            out,
            cursor::MoveTo(left, 0),
            style::SetAttribute(style::Attribute::Reverse),
            style::Print(top)
        )?;
        queue!(out, style::SetAttribute(style::Attribute::Reset))?;
        let (rows, place) = rows(&text, each - 1, pane.cursor);
        let skip = (place.1 + 1).saturating_sub(space);
        for line in 0..space {
            queue!(out, cursor::MoveTo(left, 1 + line as u16))?;
            let row = rows.get(skip + line).map(Vec::as_slice).unwrap_or_default();
            for (character, author) in row {
                let colour = COLOURS.get(author % COLOURS.len()).filter(|_| colours);
                queue!(out, style::SetForegroundColor(colour.copied().unwrap_or(style::Color::Reset)))?;
                queue!(out, style::Print(character))?;
            }
            let blank = " ".repeat(each - 1 - row.len());
            queue!(out, style::ResetColor, style::Print(blank), style::Print("\u{2502}"))?;
        }
        if at == current {
            caret = (left + place.0 as u16, 1 + (place.1 - skip) as u16);
        }
    }
    for line in 0..below {
        let part: String = hint.chars().skip(line * width).take(width).collect();
        queue!(out, cursor::MoveTo(0, (1 + space + line) as u16), style::Print(format!("{part:width$}")))?;
    }
    queue!(out, cursor::MoveTo(caret.0, caret.1), cursor::Show)?;
    out.flush()
}

/// Characters, with the numbers of their authors.
type Row = Vec<(char, usize)>;

/// The rows of a text, and where in them the cursor is.
fn rows(text: &[(char, usize)], width: usize, cursor: usize) -> (Vec<Row>, (usize, usize)) {
    let (mut rows, mut row, mut place) = (Vec::new(), Vec::new(), None);
    for (at, (character, author)) in text.iter().enumerate() {
        if row.len() >= width {
            rows.push(std::mem::take(&mut row));
        }
        if at == cursor {
            place = Some((row.len(), rows.len()));
        }
        match character {
            '\n' => rows.push(std::mem::take(&mut row)),
            other if other.is_control() => row.push(('\u{fffd}', *author)),
            other => row.push((*other, *author)),
        }
    }
    let place = place.unwrap_or((row.len().min(width.saturating_sub(1)), rows.len()));
    rows.push(row);
    (rows, place)
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
    fn rows_end_at_the_width_and_the_cursor_is_found() {
        let text: Vec<(char, usize)> = "abc\nde".chars().map(|character| (character, 0)).collect();
        let lines = |rows: Vec<Vec<(char, usize)>>| -> Vec<String> {
            rows.iter().map(|row| row.iter().map(|(character, _)| character).collect()).collect()
        };
        let (all, place) = rows(&text, 2, 4);
        assert_eq!((lines(all), place), (vec!["ab".into(), "c".into(), "de".into()], (0, 2)));
        assert_eq!(rows(&text, 9, 6).1, (2, 1));
        assert_eq!(rows(&[], 9, 0).1, (0, 0));
    }
}
