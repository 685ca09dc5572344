//! The dashboard tested with tools that others wrote: to break servers, to measure them, to ask
//! them for odd things, and to proxy for them.
//!
//! All of them run only on this machine, for seconds, and end with their test.

mod curl;
mod feed_proxies;
mod load;
mod proxies;
mod proxy;
mod slow;

use super::program::Dashboard;
use crate::support::process::Program;
use std::env;
use std::process::Command;
use std::time::Duration;

/// A tool by its name. Debian keeps the servers among them where only root looks.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin")).env("LC_ALL", "C");
    command
}

/// Runs a tool to its end: what it said, without the colours of a terminal. It must call that a
/// success.
#[track_caller]
fn said(command: &mut Command, within: Duration) -> String {
    let mut program = Program::start(command);
    let status = program.wait_for_end(within);
    let said = plain(&program.unheard().join("\n"));
    assert!(status.success(), "{command:?} ended with {status}\n{said}\n{}", program.log());
    said
}

/// A text without the escapes that colour it.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| piece.split_once('m').map_or(piece, |(_, rest)| rest));
    rest.fold(first, |text, piece| text + piece)
}

/// A value of `/metrics`, by its name and labels exactly as they are printed there.
#[track_caller]
pub(super) fn figure(dashboard: &Dashboard, name: &str) -> u64 {
    let page = dashboard.get("/metrics");
    let mut rows =
        page.text().lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = rows.next().unwrap_or_else(|| panic!("there is no figure {name}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}
