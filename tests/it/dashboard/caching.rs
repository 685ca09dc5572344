//! What a browser has already is not sent again, and what can be sent smaller is.

use super::program::{self, Dashboard, FOR_EVER, answer, tag};
use crate::support::http::{self, Reply};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

#[track_caller]
fn ask(dashboard: &Dashboard, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let reply = http::request(method, &format!("{}{path}", dashboard.url), fields, b"");
    reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

#[test]
fn a_known_answer_is_not_sent_again() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    for path in ["/board", "/file/page.css", "/favicon.ico"] {
        let whole = dashboard.get(path);
        let known = whole.header("ETag").expect("it has a tag").to_owned();
        for method in ["GET", "HEAD"] {
            for list in [&*known, "*", &format!("\"x\", W/{known}")] {
                let reply = ask(&dashboard, method, path, &[("If-None-Match", list)]);
                assert_eq!(reply.status, 304, "{method} {path} {list}");
                assert_eq!(reply.header("ETag"), Some(&*known));
                for name in ["Cache-Control", "Vary", "Feed-State", "Last-Modified"] {
                    assert_eq!(reply.header(name), whole.header(name), "{name} of {path}");
                }
                for name in ["Content-Type", "Content-Length", "Transfer-Encoding"] {
                    assert_eq!(reply.header(name), None, "{name} of {path}");
                }
            }
            let reply = ask(&dashboard, method, path, &[("If-None-Match", "\"x\"")]);
            assert_eq!(reply.status, 200);
        }
    }
    let missing = ask(&dashboard, "GET", "/file/none", &[("If-None-Match", "*")]);
    assert_eq!(missing.status, 404, "only what is there can be known");
}

#[test]
fn a_connection_goes_on_behind_a_304() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut connection = dashboard.connect();
    let request = format!("GET /board HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"{rev}\"\r\n\r\n");
    connection.send(request.repeat(2).as_bytes()).expect("it reads");
    dashboard.send(&mut connection, "/board");
    let statuses = [0; 3].map(|_| answer(&mut connection).status);
    assert_eq!(statuses, [304, 304, 200]);
}

/// The revision in the path says what to wait for; the tag is that of the resulting answer.
#[test]
fn a_poll_without_a_change_gets_a_short_answer() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &["--long-poll", "0.2"]);
    let path = format!("/board/{rev}");
    let known = [("If-None-Match", &*format!("\"{rev}\""))];
    assert_eq!(ask(&dashboard, "GET", &path, &known).status, 304);
    assert_eq!(ask(&dashboard, "GET", &path, &[]).status, 200);

    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut poll = dashboard.connect();
    let request =
        format!("GET /board/{rev} HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"{rev}\"\r\n\r\n");
    poll.send(request.as_bytes()).expect("it reads");
    dashboard.catch_up();
    assert!(poll.is_silent().expect("it stays open"), "a tag does not answer a poll");
    let next = dashboard.store("board", r#"{"n":2}"#);
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, &*next));
}

#[test]
fn text_is_sent_as_gzip_on_request() {
    let dashboard = program::start(&[]);
    let plain = dashboard.get("/file/page.js");
    assert_eq!(plain.header("Content-Encoding"), None);
    assert_eq!(plain.header("Vary"), Some("accept-encoding"));
    assert_eq!(plain.header("Accept-Ranges"), Some("none"));
    let asked = [("Accept-Encoding", "br, gzip;q=0.8")];
    let gzip = ask(&dashboard, "GET", "/file/page.js", &asked);
    assert_eq!(gzip.header("Content-Encoding"), Some("gzip"));
    assert_eq!(gzip.header("Content-Type"), plain.header("Content-Type"));
    assert!(gzip.body.len() < plain.body.len());
    assert_ne!(gzip.header("ETag"), plain.header("ETag"), "strong tags are of bytes");
    assert!(gunzip(&gzip.body) == plain.body);

    let head = ask(&dashboard, "HEAD", "/file/page.js", &asked);
    assert_eq!(head.header("Content-Length"), gzip.header("Content-Length"));
    let refused = ask(&dashboard, "GET", "/file/page.js", &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!(refused.header("Content-Encoding"), None);
    let ranged = ask(&dashboard, "GET", "/file/page.js", &[("Range", "bytes=0-1")]);
    assert_eq!((ranged.status, ranged.body), (200, plain.body));
    let icon = ask(&dashboard, "GET", "/favicon.ico", &asked);
    assert_eq!(icon.header("Content-Encoding"), None, "it would be no smaller");
}

/// By a program that was not written here.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gzip");
    let pipes = command.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = pipes.spawn().expect("gzip is there");
    gzip.stdin.take().expect("it is a pipe").write_all(bytes).expect("it reads");
    let mut plain = vec![];
    gzip.stdout.take().expect("it is a pipe").read_to_end(&mut plain).expect("it writes");
    assert!(gzip.wait().expect("it is ours").success());
    plain
}
