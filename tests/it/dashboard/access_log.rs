//! The access log.

use super::program::{self, answer};
use crate::support::folder::Folder;
use crate::support::{PATIENCE, http, wait_until};
use std::fs;

#[test]
fn each_answer_is_a_line() {
    let folder = Folder::new("access-log");
    let file = folder.path().join("access");
    let path = file.to_str().expect("it is text");
    let (mut dashboard, rev) =
        program::with_board(r#"{"n":1}"#, &["--access-log", path, "--long-poll", "3600"]);
    let mut poll = dashboard.park("board", &rev);
    let fields = [("User-Agent", "a \"b\""), ("Authorization", "Basic c2VjcmV0")];
    let url = format!("{}/file/none?a=1", dashboard.url);
    assert_eq!(http::request("GET", &url, &fields, b"").expect("it answers").status, 404);
    let mut bad = dashboard.connect();
    bad.send(b"GET /b\x1board HTTP/1.1\r\n\r\n").expect("it reads");
    assert_eq!(answer(&mut bad).status, 400);

    let read = || fs::read_to_string(&file).expect("it is there");
    wait_until(PATIENCE, || read().contains(" 400 "));
    let log = read();
    let of = |part: &str| log.lines().find(|line| line.contains(part));
    let missing = of("/none").expect("it is answered");
    assert!(missing.starts_with("127.0.0.1 - - ["), "{missing}");
    let end = "+0000] \"GET /file/none?a=1 HTTP/1.1\" 404 23 \"-\" \"a \\\"b\\\"\"";
    assert!(missing.ends_with(end), "{missing}");
    assert!(!log.contains("c2VjcmV0") && !log.contains('\x1b'), "{log}");
    assert!(of(&rev).is_none(), "the poll has not been answered");

    // Moved away, as logrotate does it, and written again; at the end nothing is lost.
    let moved = folder.path().join("moved");
    fs::rename(&file, &moved).expect("it is ours");
    dashboard.program.signal("HUP");
    wait_until(PATIENCE, || file.exists());
    dashboard.program.signal("TERM");
    assert_eq!(answer(&mut poll).status, 200);
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
    let line = read();
    assert!(line.contains(&format!("\"GET /board/{rev} HTTP/1.1\" 200 ")), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn a_dash_logs_to_stdout() {
    let mut dashboard = program::start(&["--access-log", "-"]);
    assert_eq!(dashboard.get("/favicon.ico").status, 200);
    let line = dashboard.program.wait_for_line("127.0.0.1 - - [", PATIENCE);
    assert!(line.contains("\"GET /favicon.ico HTTP/1.1\" 200 "), "{line}");
}

#[test]
fn a_log_that_cannot_be_written_is_reported_immediately() {
    let (status, _, log) = program::outcome(&["--access-log", "/no/such/folder/access"]);
    assert_eq!(status, Some(1));
    assert!(log[0].starts_with("dashboard: --access-log /no/such/folder/access: "), "{log:?}");
}
