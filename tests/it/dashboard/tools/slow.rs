//! `slowhttptest`: hundreds that send or read as slowly as they can. The limits close them, and all
//! other clients are served during this time.

use super::{figure, plain, tool};
use crate::dashboard::program::{self, Dashboard};
use crate::support::folder::Folder;
use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use masque::limits::{HTTP_BODY_TIME, HTTP_HEAD_TIME, HTTP_STALL_TIME};
use std::fs;
use std::time::{Duration, Instant};

const CONNECTIONS: &str = "300";

/// The longest that any other client may wait for an answer: what the tool itself allows its probe.
const SERVICE_TIME: Duration = Duration::from_secs(5);

/// More bytes than a slow client can take out of a socket's buffers.
const LARGE: usize = 8 << 20;

/// What happens to the tool's connections, as the dashboard counts it.
const TIMED_OUT: &str = "dashboard_connections_ended_total{cause=\"timed_out\"}";

/// Lets the tool at `path` with these words for `limit` and a little more, and is a user meanwhile.
#[track_caller]
fn attack(dashboard: &Dashboard, path: &str, words: &str, limit: Duration) -> String {
    let longest = limit + Duration::from_secs(8);
    let mut command = tool("slowhttptest");
    command.args(["-c", CONNECTIONS, "-r", "300", "-l", &longest.as_secs().to_string()]);
    command.args(words.split(' ')).args(["-u", &format!("{}{path}", dashboard.url)]);
    let mut attacker = Program::start(&mut command);
    let mut slowest = Duration::ZERO;
    wait_until(longest + PATIENCE, || {
        let asked = Instant::now();
        assert_eq!(dashboard.get("/board").status, 200);
        slowest = slowest.max(asked.elapsed());
        attacker.has_ended()
    });
    assert!(slowest < SERVICE_TIME, "somebody waited for {slowest:?}");
    let said = plain(&attacker.unheard().join("\n"));
    // It probes, too, and says so every five seconds.
    assert!(said.contains("service available:   YES"), "{said}");
    assert!(!said.contains("service available:   NO"), "{said}");
    said
}

/// The only remaining connection is the one that asks.
#[track_caller]
fn all_timed_out(dashboard: &Dashboard) {
    wait_until(PATIENCE, || figure(dashboard, "dashboard_connections") == 1);
    assert_eq!(figure(dashboard, TIMED_OUT).to_string(), CONNECTIONS);
}

#[test]
#[ignore = "needs slowhttptest"]
fn slow_heads_are_closed() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &[]);
    let said = attack(&dashboard, "/board", "-H -i 2", HTTP_HEAD_TIME);
    assert!(said.contains("No open connections left"), "{said}");
    all_timed_out(&dashboard);
}

#[test]
#[ignore = "needs slowhttptest"]
fn slow_bodies_are_closed() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &[]);
    let said = attack(&dashboard, "/board", "-B -i 3", HTTP_BODY_TIME);
    assert!(said.contains("No open connections left"), "{said}");
    all_timed_out(&dashboard);
}

/// The tool does not notice that it was disconnected: it never reads to the end of its input.
#[test]
#[ignore = "needs slowhttptest"]
fn slow_readers_are_closed() {
    let files = Folder::new("large");
    fs::write(files.path().join("index.html"), "small").expect("it is ours");
    fs::write(files.path().join("large.js"), vec![b' '; LARGE]).expect("it is ours");
    let files = files.path().to_str().expect("it is text");
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &["--files", files]);
    let words = "-X -n 5 -z 5 -w 10 -y 20 -k 3";
    attack(&dashboard, "/file/large.js", words, HTTP_STALL_TIME);
    all_timed_out(&dashboard);
}
