//! What a peer says, as it may stand in a log.

use crate::limits::FEED_REASON_CHARS;

/// As much of what a server says as fits in a line of a log, and nothing that would break the line
/// or move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut shown = words.next().unwrap_or_default().to_owned();
    for word in words {
        if shown.len() > 4 * FEED_REASON_CHARS {
            break;
        }
        shown.push(' ');
        shown.push_str(word);
    }
    if let Some((end, _)) = shown.char_indices().nth(FEED_REASON_CHARS) {
        shown.truncate(end);
        shown.push_str("...");
    }
    if shown.contains(char::is_control) { shown.escape_debug().collect() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_one_line_of_bounded_length() {
        for (said, expected) in [
            ("", ""),
            ("It's \"quoted\" \u{e9}", "It's \"quoted\" \u{e9}"),
            (" two\r\n\tlines ", "two lines"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\0b \\", "a\\0b \\\\"),
        ] {
            assert_eq!(shown(said), expected);
        }
        let long = "\u{e9}".repeat(FEED_REASON_CHARS);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&format!("{long}x")), format!("{long}..."));
        assert_eq!(shown(&"a b ".repeat(10_000)).chars().count(), FEED_REASON_CHARS + 3);
    }
}
