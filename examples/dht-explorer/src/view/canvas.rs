//! A grid of characters.

/// How a character is set off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Faint,
    Bar,
    Title,
    Asker,
    Waiting,
    Good,
    Bad,
    Key,
}

#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    rows: Vec<Vec<(char, Look)>>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Canvas { rows: vec![vec![(' ', Look::Plain); width]; height] }
    }

    /// Writes a text from here to the right; what does not fit is left out.
    pub(crate) fn put(&mut self, x: usize, y: usize, text: &str, look: Look) {
        for (at, character) in text.chars().enumerate() {
            self.set(x + at, y, character, look);
        }
    }

    pub(crate) fn set(&mut self, x: usize, y: usize, character: char, look: Look) {
        if let Some(cell) = self.rows.get_mut(y).and_then(|row| row.get_mut(x)) {
            *cell = (character, look);
        }
    }

    pub(crate) fn is_free(&self, x: usize, y: usize) -> bool {
        self.rows.get(y).and_then(|row| row.get(x)).is_some_and(|(character, _)| *character == ' ')
    }

    /// The rows, each as pieces of one look.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<(String, Look)>> + '_ {
        self.rows.iter().map(|row| {
            let mut pieces: Vec<(String, Look)> = Vec::new();
            for (character, look) in row {
                match pieces.last_mut() {
                    Some((text, last)) if last == look => text.push(*character),
                    _ => pieces.push((character.to_string(), *look)),
                }
            }
            pieces
        })
    }

    /// Without looks.
    pub(crate) fn text(&self) -> String {
        let line = |row: &Vec<(char, Look)>| row.iter().map(|(character, _)| character).collect::<String>();
        self.rows.iter().map(|row| line(row).trim_end().to_owned() + "\n").collect()
    }
}
