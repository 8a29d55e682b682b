//! The Markdown says, to somebody else's parser, what the spans say.

use std::collections::BTreeSet;

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::{Agent, Expand, RichText};

type Styled = (char, BTreeSet<String>);

/// Everything but white space, with its styles, as the parser reads it.
fn parsed(markdown: &str) -> Vec<Styled> {
    let mut all = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        let mut put = |text: &str, open: &[String]| {
            let letters = text.chars().filter(|each| !each.is_whitespace());
            all.extend(letters.map(|each| (each, open.iter().cloned().collect())));
        };
        match event {
            Event::Text(text) => put(&text, &open),
            Event::Code(text) => {
                open.push("code".into());
                put(&text, &open);
                open.pop();
            }
            Event::InlineHtml(tag) => match tag.strip_prefix("</") {
                Some(_) => drop(open.pop()),
                None => open.push(key(tag.trim_matches(['<', '>'])).into()),
            },
            Event::Start(Tag::Strong) => open.push("bold".into()),
            Event::Start(Tag::Emphasis) => open.push("italic".into()),
            Event::Start(Tag::Strikethrough) => open.push("strike".into()),
            Event::Start(Tag::Link { dest_url, .. }) => open.push(format!("link {dest_url}")),
            Event::End(TagEnd::Strong | TagEnd::Emphasis | TagEnd::Strikethrough | TagEnd::Link) => {
                open.pop();
            }
            Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) | Event::HardBreak => {}
            other => panic!("{other:?} in {markdown:?}"),
        }
    }
    all
}

fn key(tag: &str) -> &str {
    match tag {
        "strong" => "bold",
        "em" => "italic",
        "del" => "strike",
        tag => tag,
    }
}

fn expected(rich: &mut RichText) -> Vec<Styled> {
    let styles = |(key, value): (&String, &String)| {
        if key == "link" { format!("link {value}") } else { key.clone() }
    };
    let mut all = Vec::new();
    for span in rich.spans().unwrap() {
        let styles: BTreeSet<String> = span.marks.iter().map(styles).collect();
        let letters = span.text.chars().filter(|each| !each.is_whitespace());
        all.extend(letters.map(|each| (each, styles.clone())));
    }
    all
}

proptest! {
    #[test]
    fn a_parser_reads_what_was_written(
        text in "([ab1é.,*_`<>#+~!|&;=\\-\\[\\]()\\\\ \n]|a|b|a b|\n1. |&lt;|http://a.b){1,30}",
        marks in prop::collection::vec((0usize..40, 1usize..12, 0usize..5, "[a-z/:?&() ]{0,6}"), 0..6),
    ) {
        let mut rich = RichText::new(Agent::new("a").unwrap());
        rich.insert(0, &text).unwrap();
        let length = rich.text().len();
        for (at, len, key, value) in marks {
            let at = at % length;
            let key = ["bold", "italic", "strike", "code", "link"][key];
            let value = if key == "link" { format!("u{value}v") } else { String::new() };
            rich.mark(at..(at + len).min(length), key, &value, Expand::After).unwrap();
        }
        let markdown = rich.to_markdown().unwrap();
        prop_assert_eq!(parsed(&markdown), expected(&mut rich), "{}", markdown);
    }
}

#[test]
fn markdown_is_what_people_write() {
    let mut rich = RichText::new(Agent::new("a").unwrap());
    rich.insert(0, "Read the manual, 2 * 3\nnow.\n\n- or not_yet").unwrap();
    rich.mark(0..4, "bold", "", Expand::After).unwrap();
    rich.mark(9..15, "link", "https://example.org/?a=b", Expand::Neither).unwrap();
    rich.mark(17..22, "code", "", Expand::After).unwrap();
    rich.mark(23..26, "italic", "", Expand::After).unwrap();
    assert_eq!(
        rich.to_markdown().unwrap(),
        "**Read** the [manual](<https://example.org/?a=b>), `2 * 3`\\\n*now*.\n\n\\- or not\\_yet"
    );
}
