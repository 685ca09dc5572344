//! Finds sentences that are not plain English, in Markdown and in Rust's comments and messages.
//!
//! A paragraph permits a pattern with `prose: allow(NAME)`; in Markdown within `<!-- -->`.

mod blocks;
mod patterns;

use super::source::Source;
use blocks::Reader;
use patterns::Patterns;

/// Most words of a sentence.
const WORDS_MAX: usize = 35;

/// The compiled patterns: compiling takes longer than a search.
#[derive(Debug)]
pub(super) struct Prose {
    patterns: Patterns,
    reader: Reader,
}

impl Prose {
    pub(super) fn new() -> Prose {
        Prose { patterns: Patterns::new(), reader: Reader::new() }
    }

    /// Reports each sentence of `source` that is hard to read, with its line.
    pub(super) fn check(&self, source: &Source, report: &mut dyn FnMut(usize, String)) {
        if !["rs", "md"].contains(&source.ending()) {
            return;
        }
        for block in self.reader.blocks(source) {
            let allowed = self.patterns.allowed(&block.allowed);
            let text = self.patterns.without_links(&block.text);
            for sentence in sentences(&text) {
                let mut names = self.names(sentence);
                names.retain(|name| !allowed.iter().any(|allowed| allowed == name));
                if !names.is_empty() {
                    report(block.line, format!("prose [{}]: {sentence}", names.join(", ")));
                }
            }
        }
    }

    /// The names of the rules that a sentence breaks, in the order of the table.
    fn names(&self, sentence: &str) -> Vec<&'static str> {
        let words = self.patterns.without_code(sentence);
        let mut names = self.patterns.found(&words);
        if self.patterns.words(&words) > WORDS_MAX {
            names.push("long");
        }
        names
    }
}

/// Splits a text after each sentence and at each `|` that is not in backticks.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let before = &text[..at];
        let after = &text[at + c.len_utf8()..];
        let is_cell = c == '|' && !before.ends_with('`') && !after.starts_with('`');
        let is_end = c.is_whitespace()
            && before.ends_with(['.', '?', '!'])
            && after
                .trim_start()
                .starts_with(|next: char| next.is_ascii_uppercase() || "`[\"".contains(next));
        if is_cell || is_end {
            sentences.push(text[start..at].trim());
            start = at + c.len_utf8();
        }
    }
    sentences.push(text[start..].trim());
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `before` breaks the rule `name`, and that `after` breaks none.
    #[track_caller]
    fn check(name: &str, before: &str, after: &str) {
        let prose = Prose::new();
        assert!(prose.names(before).contains(&name), "{name} is not found in {before:?}");
        assert_eq!(prose.names(after), [""; 0], "{after:?}");
    }

    #[track_caller]
    fn found(path: &str, text: &str, expected: &[(usize, &str)]) {
        let mut found = Vec::new();
        Prose::new().check(&Source::new(path, text), &mut |line, rule| {
            let name = rule.split_once(": ").expect("a finding has a name").0.to_owned();
            found.push((line, name));
        });
        let found: Vec<(usize, &str)> = found.iter().map(|(line, name)| (*line, &**name)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn each_pattern_has_a_sentence_that_breaks_it_and_one_that_says_it_plainly() {
        check("who", "Nobody waits for it.", "No session waits for it.");
        check("who", "The session who waits.", "The users who wait.");
        check("for", "It fails, for it is late.", "It fails, because it is late.");
        check("for", "A row, for the peer has ended.", "A row, for the peer that has ended.");
        check("whether", "Whether it is live.", "Returns true if it is live.");
        check("whether", "Stops it; whether it did.", "Whether it stops?");
        check("which", "The row is that which came.", "The row is the received one.");
        check("what", "It keeps what is left.", "It says what is left.");
        check("is-to", "The row is to be read.", "The key is to the left.");
        check("stands", "The row stands in a table.", "The value stands for a row.");
        check("tell", "A session is told.", "A session is told to stop.");
        check("tell", "It tells the owner.", "It tells rows apart.");
        check("word", "It begins anew.", "It begins again.");
        check("where", "It ends, except where it waits.", "It ends, except if it waits.");
        check("where", "Where it ends, it waits.", "Where it ends, and why.");
        check("alone", "The driver alone reads it.", "The owner is left alone.");
        check("inverted", "So does the server.", "The server also does.");
        check("long", &"word ".repeat(36), &"word ".repeat(35));
    }

    #[test]
    fn code_and_links_are_no_words() {
        let prose = Prose::new();
        assert_eq!(prose.names("The field `who` is {anybody}."), [""; 0]);
        found("a.md", "[a](nobody.md) and [b][alone]\n", &[]);
    }

    #[test]
    fn comments_and_messages_of_rust_and_paragraphs_of_markdown_are_read() {
        found("a.rs", "//! A.\n\n// Nobody\n// waits.\nlet nobody = 1;\n", &[(3, "prose [who]")]);
        found("a.rs", "    panic!(\"nobody waits\");\n", &[(1, "prose [who]")]);
        found(
            "a.rs",
            "panic!(\"a \\\n  nobody\");\n// anew\n",
            &[(1, "prose [who]"), (3, "prose [word]")],
        );
        found("a.rs", "let a = \"nobody\";\n", &[]);
        found("a.rs", "#[cfg(test)]\nmod tests {\n    // Nobody.\n}\n", &[]);
        found("a.rs", "/// ```\n/// // Nobody.\n/// ```\n", &[]);
        found(
            "a.md",
            "A.\n\n- anew\n- nobody\n\n    nobody\n",
            &[(3, "prose [word]"), (4, "prose [who]")],
        );
        found("a.md", "| a | nobody |\n", &[(1, "prose [who]")]);
        found("a.json", "nobody\n", &[]);
    }

    #[test]
    fn a_paragraph_can_permit_a_rule() {
        found("a.md", "<!-- prose: allow(who) -->\nNobody anew.\n", &[(2, "prose [word]")]);
        found("a.rs", "// prose: allow(who, word)\n// Nobody anew.\n", &[]);
    }
}
