//! The scripts of tests/servers, run by Node.

use std::path::Path;
use std::process::Command;

/// `node tests/servers/SCRIPT`, still without arguments.
#[track_caller]
pub(crate) fn node(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
    let is_installed = folder.join("node_modules").is_dir();
    assert!(is_installed, "the packages are not installed: cargo xtask test tools");
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    command
}
