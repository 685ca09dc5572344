//! The command line: an error is one line, with the status that scripts check.

use super::program::{self, outcome};
use crate::support::process::Program;
use crate::support::{PATIENCE, http, wait_until};
use std::net::TcpListener;
use std::process::Command;

#[test]
fn wrong_use_is_one_line_and_status_2() {
    for arguments in [
        &["--couch"][..],
        &["--couch", ""],
        &["--couch", "nonsense"],
        &["--couch", "http://user:s3cret@"],
        &["--couch", "http://user:s3cret@host:5984"],
        &["--couch", "https://user:s3cret@host/db"],
        &["--couch", "ftp://user:s3cret@host/db"],
        &["--couch", "user:s3cret@host/db"],
        &["--couch", "http://user:s3cret@host/db?x"],
        &["--couch", "http://user:s3cret@host/db#x"],
        &["--couch", "http://user:s3cret%zz@host/db"],
        &["--couch=http://user:s3cret @host/db"],
        &["--doc"],
        &["--doc", ""],
        &["--doc", "file"],
        &["--doc", "favicon.ico"],
        &["--listen"],
        &["--listen", ""],
        &["--listen", "8080"],
        &["--listen", "127.0.0.1"],
        &["--listen", ":8080"],
        &["--listen", "127.0.0.1:65536"],
        &["--listen", "127.0.0.1:-1"],
        &["--long-poll"],
        &["--long-poll", "soon"],
        &["--long-poll", "0"],
        &["--long-poll", "-1"],
        &["--long-poll", "inf"],
        &["--feed"],
        &["--feed", "eventsource"],
        &["--heartbeat"],
        &["--heartbeat", "0"],
        &["--heartbeat", "0.0001"],
        &["--retry-cap"],
        &["--retry-cap", "x"],
        &["--stale-after", "0"],
        &["--couch-ca"],
        &["--couch-ca", "/dev/null"],
        &["--couch-ca", "/dev/null", "--couch", "http://user:s3cret@host/db"],
        &["--files"],
        &["--files", "/no/such/folder"],
        &["--files", "/dev/null"],
        &["--log"],
        &["--log", "loud"],
        &["--nonsense"],
        &["-x"],
        &["-h=me"],
        &["--retry-cap", "0.001"],
        &["--listen", "::1:8080"],
        &["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
        &["--couch", "http://h/a", "--couch", "http://h/b"],
        &["--doc", "a", "--doc", "a"],
        &["--access-log", ""],
        &["extra"],
        &["--", "extra"],
    ] {
        is_wrong(arguments);
    }
}

/// Checks that it ends at once with one line that says why, and shows no password.
#[track_caller]
fn is_wrong(arguments: &[&str]) {
    let (status, said, log) = outcome(arguments);
    assert_eq!(status, Some(2), "{arguments:?}: {log:?}");
    assert!(said.is_empty(), "{arguments:?}: {said:?}");
    assert_eq!(log.len(), 1, "{arguments:?}: {log:?}");
    assert!(log[0].starts_with("dashboard: "), "{arguments:?}: {log:?}");
    assert!(log[0].ends_with("; see dashboard --help"), "{arguments:?}: {log:?}");
    assert!(!log[0].contains("s3cret"), "{arguments:?}: {log:?}");
}

#[test]
fn help_and_version_are_printed_to_stdout() {
    let (status, said, log) = outcome(&["--help"]);
    assert_eq!((status, log.len()), (Some(0), 0));
    let said = said.join("\n");
    for option in [
        "--couch URL",
        "--couch-ca FILE",
        "--doc ID",
        "--listen ADDR",
        "--long-poll SECONDS",
        "--feed MODE",
        "--heartbeat SECONDS",
        "--retry-cap SECONDS",
        "--stale-after SECONDS",
        "--files DIR",
        "--access-log FILE",
        "--log LEVEL",
        "--help",
        "--version",
        "overview",
        "127.0.0.1:8080",
        "28",
        "info",
    ] {
        assert!(said.contains(option), "{option} is in the help");
    }
    assert_eq!(outcome(&["-h"]).1.join("\n"), said);
    for option in ["--version", "-V"] {
        let (status, said, log) = outcome(&[option]);
        assert_eq!((status, log.len()), (Some(0), 0));
        assert_eq!(said, [format!("dashboard {}", env!("CARGO_PKG_VERSION"))]);
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let (status, said, log) = outcome(&["--log", "warn", "--listen", &address]);
    assert_eq!((status, log.len()), (Some(1), 1), "{log:?}");
    assert!(log[0].contains(&address) && log[0].contains("--listen"), "{log:?}");
    assert!(!said.iter().any(|line| line.starts_with("dashboard at")), "{said:?}");

    let (status, _, log) = outcome(&["--log", "warn", "--listen", "no-such-host.invalid:80"]);
    assert_eq!((status, log.len()), (Some(1), 1), "{log:?}");
    assert!(log[0].contains("no-such-host.invalid:80"), "{log:?}");
}

#[test]
fn it_listens_where_it_is_told() {
    for listen in ["localhost:0", "[::1]:0"] {
        if listen.starts_with('[') && TcpListener::bind("[::1]:0").is_err() {
            continue; // a machine without IPv6
        }
        let mut program = Program::start(program::command().args(["--listen", listen]));
        let line = program.wait_for_line("dashboard at ", PATIENCE);
        let reply = http::get(&line["dashboard at ".len()..]);
        assert_eq!(reply.status, 302, "{listen}: the printed address works");
    }
}

/// The dashboard with a stdout that takes nothing, as a full disk does, or a reader that has left.
#[track_caller]
fn unheard(arguments: &[&str]) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" >/dev/full"#]);
    Program::start(shell.arg(program::command().get_program()).args(arguments))
}

#[test]
fn a_stdout_that_takes_nothing_stops_nothing() {
    for arguments in ["--help", "--version"] {
        let mut program = unheard(&[arguments]);
        let status = program.wait_for_end(PATIENCE);
        assert!(status.code().is_some_and(|code| code < 2), "{arguments}: {status}");
        assert!(!program.log().contains("panicked"), "{arguments}: {}", program.log());
    }
    // The test could not learn which port the program selects, so it passes one that was free just
    // before.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = address.expect("the system has a port").to_string();
    let mut program = unheard(&["--listen", &address]);
    let icon = format!("http://{address}/favicon.ico");
    wait_until(PATIENCE, || {
        http::request("GET", &icon, &[], b"").is_ok_and(|reply| reply.status == 200)
    });
    program.signal("INT");
    assert_eq!(program.wait_for_end(PATIENCE).code(), Some(0), "{}", program.log());
}

#[test]
fn a_document_whose_path_would_be_refused_is_refused_at_once() {
    for id in ["a/b", "a\\b", ".", ".."] {
        is_wrong(&["--doc", id]);
    }
}

#[test]
fn a_value_for_an_option_that_takes_none_is_not_ignored() {
    is_wrong(&["--help=me"]);
    is_wrong(&["--version=2"]);
}

#[test]
fn a_quoted_argument_does_not_break_the_line() {
    is_wrong(&["--nonsense\nin two lines"]);
    is_wrong(&["--listen", "two\r\nlines"]);
    is_wrong(&["two\u{1b}[2Jlines"]);
}

#[test]
fn an_invalid_port_is_not_treated_as_the_default_one() {
    is_wrong(&["--couch", "http://user:s3cret@host:99999/db"]);
}
