//! Markdown (CommonMark 0.31) out of spans.
#![allow(clippy::indexing_slicing)] // Styles are numbers in the table; pieces of strings are cut where they were found.

use super::Span;

/// The marks that Markdown has, in the order in which they enclose each other: key, delimiter, tag.
const STYLES: [(&str, &str, &str); 4] =
    [("bold", "**", "strong"), ("italic", "*", "em"), ("strike", "~~", "del"), ("code", "`", "code")];

/// A piece of a line with the same styles and link.
struct Piece {
    text: String,
    styles: Vec<usize>,
    link: Option<String>,
}

pub(super) fn write(spans: &[Span]) -> String {
    let mut out = String::new();
    let mut gap = "";
    for line in lines(spans) {
        if line.iter().all(|piece| piece.text.trim().is_empty()) {
            // An empty line ends a paragraph.
            gap = if out.is_empty() { "" } else { "\n\n" };
            continue;
        }
        out.push_str(gap);
        write_line(&mut out, line);
        gap = "\\\n";
    }
    out
}

/// The pieces of each line.
fn lines(spans: &[Span]) -> Vec<Vec<Piece>> {
    let mut lines: Vec<Vec<Piece>> = vec![Vec::new()];
    for span in spans {
        let styles: Vec<usize> =
            (0..STYLES.len()).filter(|&at| span.marks.contains_key(STYLES[at].0)).collect();
        let link = span.marks.get("link");
        for (at, part) in span.text.split(['\n', '\r']).enumerate() {
            if at > 0 {
                lines.push(Vec::new());
            }
            let Some(line) = lines.last_mut().filter(|_| !part.is_empty()) else { continue };
            match line.last_mut().filter(|last| last.styles == styles && last.link.as_ref() == link) {
                Some(last) => last.text.push_str(part),
                None => line.push(Piece { text: part.into(), styles: styles.clone(), link: link.cloned() }),
            }
        }
    }
    lines
}

fn write_line(out: &mut String, line: Vec<Piece>) {
    let start = out.len();
    let mut link: Option<String> = None;
    for piece in line {
        if piece.link != link {
            close_link(out, link.take());
            if piece.link.is_some() {
                out.push('[');
            }
            link = piece.link.clone();
        }
        write_piece(out, &piece, start);
    }
    close_link(out, link);
}

fn close_link(out: &mut String, link: Option<String>) {
    let Some(address) = link else { return };
    out.push_str("](<");
    for each in address.chars().filter(|each| !each.is_control()) {
        if matches!(each, '<' | '>' | '\\' | '&') {
            out.push('\\');
        }
        out.push(each);
    }
    out.push_str(">)");
}

fn write_piece(out: &mut String, piece: &Piece, start: usize) {
    // White space stands outside: a delimiter beside it is none.
    let inner = piece.text.trim();
    let (before, after) = match piece.text.find(inner) {
        Some(at) if !inner.is_empty() => (&piece.text[..at], &piece.text[at + inner.len()..]),
        _ => (&piece.text[..], ""),
    };
    escape(out, before, start);
    if !inner.is_empty() {
        let edges = [inner.chars().next(), inner.chars().next_back()];
        let plain = edges.iter().flatten().all(|each| each.is_ascii_alphanumeric())
            && !out[start..].ends_with(['*', '~', '`', '>']);
        match piece.styles[..] {
            // Whether a delimiter is one depends on what stands around it; around letters it always is.
            [style] if plain && STYLES[style].0 != "code" => {
                out.push_str(STYLES[style].1);
                escape(out, inner, start);
                out.push_str(STYLES[style].1);
            }
            [style] if plain && !inner.contains('`') && !out[start..].ends_with('\\') => {
                out.push_str(STYLES[style].1);
                out.push_str(inner);
                out.push_str(STYLES[style].1);
            }
            _ => {
                piece.styles.iter().for_each(|&style| tag(out, "<", STYLES[style].2));
                escape(out, inner, start);
                piece.styles.iter().rev().for_each(|&style| tag(out, "</", STYLES[style].2));
            }
        }
    }
    escape(out, after, start);
}

fn tag(out: &mut String, open: &str, name: &str) {
    out.push_str(open);
    out.push_str(name);
    out.push('>');
}

/// Writes text so that it means itself; the line began at `start`.
fn escape(out: &mut String, text: &str, start: usize) {
    for each in text.chars() {
        let line = &out[start..];
        let anywhere = matches!(each, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '&' | '!' | '|');
        // At the beginning of a line: headings, lists, rules.
        let first = line.is_empty() && matches!(each, '#' | '+' | '-' | '=');
        let number = matches!(each, '.' | ')')
            && !line.is_empty()
            && line.chars().all(|before| before.is_ascii_digit());
        match each {
            // At the beginning of a line, or many of them, it would not count.
            ' ' | '\t' if line.is_empty() || line.ends_with("&#32;") => out.push_str("&#32;"),
            _ if anywhere || first || number => out.extend(['\\', each]),
            _ => out.push(each),
        }
    }
}
