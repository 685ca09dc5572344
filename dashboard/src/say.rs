//! What the program says on stdout and stderr. Nobody may be there to read it, and that is no
//! reason to stop serving: `println!` would panic.

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
