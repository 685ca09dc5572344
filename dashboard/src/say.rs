//! What the program says on stdout and stderr. Nobody may be there to read it, and that is no
//! reason to stop serving: `println!` would panic.

use masque::limits::FEED_REASON_CHARS;
use std::fmt::Display;
use std::io::{self, Write};

/// Says a line to whoever started the program.
pub(crate) fn say(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        log::debug!("stdout: {error}");
    }
}

/// Says in one line why the program ends, or has not begun.
pub(crate) fn complain(why: impl Display) {
    // What the operator wrote may be repeated in it, with line ends and all.
    let why = why.to_string().replace(char::is_control, " ");
    // Where stderr takes nothing there is nobody to tell; the status says it too.
    let _ = writeln!(io::stderr(), "dashboard: {why}");
}

/// As much of what a server says as a log may have; to be shown as `{:?}`, so that nothing in it
/// breaks the line or moves a terminal's cursor.
pub(crate) fn said(text: &str) -> &str {
    text.char_indices().nth(FEED_REASON_CHARS).map_or(text, |(end, _)| &text[..end])
}
