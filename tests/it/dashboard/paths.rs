//! The answer of every path, for every method.

use super::program::{self, tag};
use crate::support::http::Reply;
use crate::support::{PATIENCE, wait_until};
use serde_json::json;

const DOCUMENT: &str =
    r#"{"cs":{"calls_waiting":3},"name":"ä\u0000 \"x\"","big":12345678901234567890}"#;

#[test]
fn a_document_comes_at_once_with_all_its_fields() {
    let (dashboard, rev) = program::with_board(DOCUMENT, &[]);
    for path in ["/board", "/board/", "/board/1-other", "/board?x=1", "/%62oard", "/board/%zz"] {
        let reply = dashboard.get(path);
        if path.ends_with("%zz") {
            assert_eq!(reply.status, 400, "{path}");
            continue;
        }
        assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()), "{path}");
        assert_eq!(reply.header("ETag"), Some(format!("\"{rev}\"").as_str()));
        assert_eq!(reply.header("Content-Type"), Some("application/json"));
        assert_eq!(reply.header("Cache-Control"), Some("no-cache"));
        assert_eq!(reply.header("Feed-State"), Some("following"));
        let modified = reply.header("Last-Modified").expect("it has a date");
        assert!(modified.ends_with(" GMT"), "{modified}");
        let document = reply.json();
        assert_eq!(document["_id"], "board");
        assert_eq!(document["_rev"], rev.as_str());
        assert_eq!(document["cs"], json!({ "calls_waiting": 3 }));
        assert_eq!(document["name"], "ä\0 \"x\"");
        assert_eq!(document["big"], 12_345_678_901_234_567_890_u64);
    }
}

#[test]
fn the_embedded_overview_is_there_without_any_option() {
    let dashboard = program::start(&[]);
    wait_until(PATIENCE, || dashboard.get("/overview").status == 200);
    let first = dashboard.get("/overview");
    for group in ["warehouse", "cs", "receipts"] {
        assert!(first.json()[group].is_object(), "{group} is in {}", first.text());
    }
    let next = dashboard.get(&format!("/overview/{}", tag(&first)));
    assert_eq!(next.status, 200);
    assert_ne!(tag(&next), tag(&first), "it moves by itself");
}

#[test]
fn head_is_get_without_the_body_and_never_waits() {
    let (dashboard, rev) = program::with_board(DOCUMENT, &program::FOR_EVER);
    let poll = format!("/board/{rev}");
    for path in ["/", "/board", &poll, "/favicon.ico", "/file/index.html", "/none", "/a/b/c"] {
        let head = dashboard.ask("HEAD", path);
        let path = if path == poll { "/board" } else { path };
        let get = dashboard.get(path);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(fields(&head), fields(&get), "{path}");
        assert_eq!(get.header("Content-Length"), Some(get.body.len().to_string().as_str()));
    }
}

/// All fields but the date, which moves.
fn fields(reply: &Reply) -> Vec<&(String, String)> {
    reply.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")).collect()
}

#[test]
fn other_methods_are_refused_where_there_is_something() {
    let (dashboard, rev) = program::with_board(DOCUMENT, &program::FOR_EVER);
    let poll = format!("/board/{rev}");
    for path in ["/", "/board", &poll, "/board/1-x", "/favicon.ico", "/file/index.html"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let reply = dashboard.ask(method, path);
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("Allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
        let reply = dashboard.ask("OPTIONS", path);
        let allowed = reply.header("Allow");
        assert_eq!((reply.status, allowed), (204, Some("GET, HEAD, OPTIONS")), "{path}");
    }
    assert_eq!(dashboard.ask("PUT", "/none").status, 404, "nothing is there for any method");
    assert_eq!(dashboard.ask("OPTIONS", "/none").status, 404);
    assert_eq!(dashboard.ask("BREW", "/board").status, 501);
    assert_eq!(dashboard.ask("get", "/board").status, 501, "methods have their case");
    assert_eq!(tag(&dashboard.get("/board")), rev, "and nothing has changed");
}

#[test]
fn other_paths_are_not_found_and_nothing_of_them_is_repeated() {
    let (dashboard, rev) = program::with_board(DOCUMENT, &[]);
    let deep = format!("/board/{rev}/more");
    for path in ["/none", "/Board", "//", "//board", "/file", "/file/", "/file/none", &deep] {
        let reply = dashboard.get(path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.text(), "There is nothing here.\n", "{path}");
    }
    assert_eq!(dashboard.get("/overview").status, 404, "it was not asked for by --doc");
}

#[test]
fn the_root_leads_to_the_page() {
    let check = |arguments: &[&str], expected: &str| {
        let dashboard = program::start(arguments);
        let reply = dashboard.get("/");
        assert_eq!((reply.status, reply.header("Location")), (302, Some(expected)));
        assert_eq!(dashboard.get(&format!("/{expected}")).status, 200, "the page is there");
    };
    // Relative: a proxy may serve the dashboard below a path of its own.
    check(&[], "file/index.html");
    check(&["--doc", "board", "--doc", "overview"], "file/index.html?doc=board");
    check(&["--doc", "a b&c=\"é"], "file/index.html?doc=a%20b%26c%3D%22%C3%A9");
}

#[test]
fn a_document_of_any_name_is_under_its_encoded_path() {
    let dashboard = program::start(&["--doc", "a b&é"]);
    let rev = dashboard.store("a%20b%26%C3%A9", r#"{"n":1}"#);
    dashboard.wait_for("a%20b&%C3%A9", &rev);
    assert_eq!(dashboard.get("/a%20b%26%c3%a9").json()["n"], 1);
}

#[test]
fn bad_requests_are_answered_and_end_the_connection() {
    let (dashboard, _) = program::with_board(DOCUMENT, &[]);
    let check = |request: &str, status: u16| {
        let mut connection = dashboard.connect();
        connection.send(request.as_bytes()).expect("it reads");
        let reply = program::answer(&mut connection);
        assert_eq!(reply.status, status, "{request:?}");
        assert_eq!(reply.header("Connection"), Some("close"), "{request:?}");
        let rest = connection.rest(PATIENCE).expect("it is closed in good order");
        assert!(rest.is_empty(), "{request:?}");
    };
    check("GET /board HTTP/1.1\r\n\r\n", 400);
    check("GET /board\r\n\r\n", 400);
    check("\x16\x03\x01\x02\r\n\r\n", 400);
    check("GET /board HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    check("GET /board HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400);
    check(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(10_000)), 414);
    check(&format!("GET / HTTP/1.1\r\nX: {}\r\n", "a".repeat(20_000)), 431);
    check("POST /board HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413);
    assert_eq!(dashboard.get("/board").status, 200, "others are served on");
}
