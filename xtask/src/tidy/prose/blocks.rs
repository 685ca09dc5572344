//! Splits a file into paragraphs, rows of tables, comments and messages.

use super::super::source::Source;
use regex::{Captures, Regex};
use std::mem;

/// Text that belongs together.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Line at which it starts, from 1.
    pub(super) line: usize,
    pub(super) text: String,
    /// Text in which `prose: allow(NAME)` counts: its own and the line above.
    pub(super) allowed: String,
}

#[derive(Debug)]
pub(super) struct Reader {
    /// A constant with a text of several lines.
    constant: Regex,
    /// A `\` that continues a string in the next line.
    continued: Regex,
    comment: Regex,
    item: Regex,
    marker: Regex,
    message: Regex,
    string: Regex,
}

impl Reader {
    pub(super) fn new() -> Reader {
        let compile = |pattern| Regex::new(pattern).expect("the pattern is a constant");
        Reader {
            constant: compile("&str = \"\\\\\n[^\"]*\""),
            continued: compile("\\\\\n\\s*"),
            comment: compile(r"^\s*//[/!]?(.*)"),
            item: compile(r"^([-*|>]|\d+\.)\s"),
            marker: compile(r"^([-*>]|\d+\.)\s+"),
            message: compile(concat!(
                r"\b(?:log::\w+!|write!|f\.write_str|format!|format_args!|panic!|expect|complain)",
                r"\(",
                "|=> \"|&str = \"|reason = \"",
            )),
            string: compile(r#""((?:[^"\\]|\\.)*)""#),
        }
    }

    /// All blocks of a file, except unit tests and code blocks.
    pub(super) fn blocks(&self, source: &Source) -> Vec<Block> {
        let is_rust = source.ending() == "rs";
        let text = self.joined(source, is_rust);
        let mut blocks = Vec::new();
        let mut block = Block::default();
        let mut is_fenced = false;
        let mut above = "";
        let mut number = 1;
        for line in text.split('\n').chain([""]) {
            let comment = if is_rust { self.comment(line) } else { Some(line) };
            let mut body = comment.unwrap_or("").trim();
            is_fenced ^= body.starts_with("```");
            let is_markup = ["```", "#", "![", "prose: allow(", "<!-- prose: allow("]
                .iter()
                .any(|start| body.starts_with(start));
            let is_code = !is_rust && block.text.is_empty() && line.starts_with("    ");
            if is_fenced || is_markup || is_code {
                body = "";
            }
            if !block.text.is_empty() && (body.is_empty() || self.item.is_match(body)) {
                blocks.push(mem::take(&mut block));
            }
            if !body.is_empty() {
                if block.text.is_empty() {
                    block = Block { line: number, text: String::new(), allowed: above.to_owned() };
                } else {
                    block.text.push(' ');
                }
                block.text.push_str(&self.marker.replace(body, ""));
                block.allowed.push_str(body);
            } else if comment.is_none() && self.message.is_match(line) && !is_tests(source) {
                for found in self.string.captures_iter(line) {
                    let text = found[1].replace('\x0b', "").replace("\\n", " | ");
                    let text = text.replace(": ", " | ");
                    blocks.push(Block { line: number, text, allowed: format!("{above}{line}") });
                }
            }
            above = line;
            number += 1 + line.matches('\x0b').count();
        }
        blocks
    }

    /// The text of a comment of Rust; `None` if the line is code.
    fn comment<'a>(&self, line: &'a str) -> Option<&'a str> {
        self.comment.captures(line)?.get(1).map(|text| text.as_str())
    }

    /// The text before unit tests, with each string in one line. A `\x0b` is at each joint, so that
    /// lines can still be counted.
    fn joined(&self, source: &Source, is_rust: bool) -> String {
        let lines: Vec<&str> = source.lines.iter().map(|line| line.text.as_str()).collect();
        let text = lines.join("\n");
        if !is_rust {
            return text;
        }
        let text = self.constant.replace_all(&text, |found: &Captures<'_>| {
            found[0].replace("\n  -", "\n | -").replace('\n', " \x0b")
        });
        let code = match text.find("#[cfg(test)]\nmod tests {") {
            Some(at) => &text[..at],
            None => &text,
        };
        self.continued.replace_all(code, "\x0b").into_owned()
    }
}

fn is_tests(source: &Source) -> bool {
    source.path.ends_with("tests.rs")
}
