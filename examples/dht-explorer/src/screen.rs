//! On a terminal.

use std::io::{self, Write};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color};
use crossterm::{cursor, event, execute, queue, style, terminal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::explorer::{Explorer, TICK};
use crate::view::{self, Look};

pub(crate) async fn run(explorer: &mut Explorer) -> Result<(), String> {
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
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        draw(explorer).map_err(|error| format!("the terminal is gone: {error}"))?;
        tokio::select! {
            _ = ticks.tick() => explorer.tick().await,
            input = inputs.recv() => match input {
                Some(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                    if !press(explorer, key).await? {
                        return Ok(());
                    }
                }
                Some(_) => {}
                None => return Err("the keyboard is gone".into()),
            },
        }
    }
}

/// Whether it goes on.
async fn press(explorer: &mut Explorer, key: KeyEvent) -> Result<bool, String> {
    explorer.note.clear();
    match key.code {
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(false),
        KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
        KeyCode::Char('l') => explorer.look_up(),
        KeyCode::Char(' ') => explorer.paused = !explorer.paused,
        KeyCode::Char('a') => explorer.add().await,
        KeyCode::Char('k') => explorer.kill(1),
        KeyCode::Char('x') => explorer.kill(explorer.nodes().len() / 4),
        KeyCode::Char('c') => explorer.churns = !explorer.churns,
        KeyCode::Char('+' | '=') => explorer.faster(),
        KeyCode::Char('-') => explorer.slower(),
        KeyCode::Char('o') | KeyCode::Tab => explorer.switch().await?,
        _ => {}
    }
    Ok(true)
}

fn draw(explorer: &Explorer) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let canvas = view::draw(explorer, usize::from(width.max(20)), usize::from(height.max(8)));
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut out = io::stdout().lock();
    queue!(out, cursor::Hide)?;
    for (at, row) in canvas.rows().enumerate() {
        queue!(out, cursor::MoveTo(0, at as u16))?;
        for (text, look) in row {
            match look {
                Look::Bar => queue!(out, style::SetAttribute(Attribute::Reverse))?,
                Look::Title | Look::Asker => queue!(out, style::SetAttribute(Attribute::Bold))?,
                _ => {}
            }
            if let (true, Some(colour)) = (colours, colour(look)) {
                queue!(out, style::SetForegroundColor(colour))?;
            }
            queue!(out, style::Print(text), style::SetAttribute(Attribute::Reset), style::ResetColor)?;
        }
    }
    out.flush()
}

fn colour(look: Look) -> Option<Color> {
    match look {
        Look::Plain | Look::Bar | Look::Title => None,
        Look::Faint => Some(Color::DarkGrey),
        Look::Asker => Some(Color::Cyan),
        Look::Waiting => Some(Color::Yellow),
        Look::Good => Some(Color::Green),
        Look::Bad => Some(Color::Red),
        Look::Key => Some(Color::Magenta),
    }
}

/// The terminal as we need it; given back when this is dropped.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let raw = Raw;
        execute!(io::stdout(), terminal::EnterAlternateScreen, terminal::Clear(terminal::ClearType::All))?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
