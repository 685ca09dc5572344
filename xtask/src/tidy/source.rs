//! A text of the repository, split as the rules look at it: code, comment, test.

/// Folders with files that others wrote or that a tool makes.
pub(super) const FOREIGN_FOLDERS: &[&str] =
    &[".git", "target", "node_modules", "captures", "vendor"];

/// Endings of the texts that we write by hand.
const TEXT: &[&str] =
    &["rs", "md", "toml", "mjs", "js", "css", "html", "json", "npmrc", "gitignore"];

/// Returns true if the rules apply to a file with this name.
pub(super) fn is_text(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| TEXT.contains(&ending))
}

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path in the repository, with slashes.
    pub(super) path: String,
    /// Its lines, in order.
    pub(super) lines: Vec<Line>,
}

/// One line of a file.
#[derive(Debug)]
pub(super) struct Line {
    /// All of it.
    pub(super) text: String,
    /// The line without its comment.
    pub(super) code: String,
    /// True if the line belongs only to tests.
    pub(super) is_test: bool,
}

impl Source {
    /// Splits a file. In Rust, tests are last: every line after `#[cfg(test)]` before a `mod NAME
    /// {` is test code.
    pub(super) fn new(path: &str, text: &str) -> Source {
        let path = path.replace('\\', "/");
        let rows: Vec<&str> = text.split('\n').collect();
        let rows = rows.strip_suffix(&[""]).unwrap_or(&rows);
        let mut is_test = is_test_path(&path);
        let mut lines = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let opens = |next: &&str| holds(next, "mod") && next.ends_with('{');
            is_test |= row.trim() == "#[cfg(test)]" && rows.get(at + 1).is_some_and(opens);
            let code = without_comment(row).to_owned();
            lines.push(Line { text: (*row).to_owned(), code, is_test });
        }
        Source { path, lines }
    }

    /// What follows the last dot of its name.
    pub(super) fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// Returns true if it is in one of these folders, or is one of these files.
    pub(super) fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests") || path.ends_with("/tests.rs")
}

/// Cuts a comment off. A `//` that does not follow white space is treated as part of an address.
fn without_comment(row: &str) -> &str {
    let starts =
        |&(at, _): &(usize, &str)| row[..at].chars().next_back().is_none_or(char::is_whitespace);
    row.match_indices("//").find(starts).map_or(row, |(at, _)| &row[..at])
}

/// Returns true if `code` contains `word` as a separate word: `Rc<` is not in `Arc<`.
pub(super) fn holds(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let starts_a_word = word.starts_with(is_part);
    let ends_a_word = word.ends_with(is_part);
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !(starts_a_word && before.is_some_and(is_part) || ends_a_word && after.is_some_and(is_part))
    })
}
