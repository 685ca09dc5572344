//! What real servers sent, byte for byte, through the client filter, cut at every point.

use bytes::Bytes;
use http::{Method, Request};
use masque::couch_feed::limits::LINE_BYTES;
use masque::filters::{Filter, HttpClient, Lines, Output, Part};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use masque::testing::{Pieces, damaged, each_way};

/// Captures up to this many bytes are cut at every point; longer ones at seeded random points.
const EVERY_POINT_BYTES: usize = 4096;

#[test]
fn the_pieces_that_couchdb_sends_make_no_difference() {
    every_capture_of("couchdb", 100);
    every_capture_of("couchdb-3.5.1", 8);
}

#[test]
fn the_pieces_that_pouchdb_sends_make_no_difference() {
    every_capture_of("pouchdb", 100);
}

fn every_capture_of(server: &str, at_least: usize) {
    let files = std::fs::read_dir(folder().join(server)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let captures: Vec<_> =
        paths.filter(|path| path.extension() == Some("response".as_ref())).collect();
    assert!(captures.len() >= at_least, "captures are missing: {}", captures.len());
    for path in captures {
        let bytes = std::fs::read(&path).unwrap();
        let methods = methods(&path);
        let whole = converse(&Pieces::cut(&bytes, Vec::new()), &methods);
        let check = |pieces: &Pieces<'_>| {
            let cut = converse(pieces, &methods);
            assert!(cut == whole, "{}: {whole:?} whole, {cut:?} in pieces", path.display());
        };
        if bytes.len() <= EVERY_POINT_BYTES {
            (1..bytes.len()).for_each(|at| check(&Pieces::cut(&bytes, vec![at])));
            each_way(&bytes, check);
        } else {
            (1..=20).for_each(|seed| check(&Pieces::random(&bytes, seed)));
        }
    }
}

#[test]
fn damaged_answers_are_understood_one_way_only() {
    for name in ["keepalive_sequence", "cont_timeout_2000", "cont_filter_throws_midway"] {
        let path = folder().join("couchdb").join(name).with_extension("response");
        let bytes = std::fs::read(&path).unwrap();
        let methods = methods(&path);
        for seed in 1..=100 {
            let bytes = damaged(&bytes, seed);
            let whole = converse(&Pieces::cut(&bytes, Vec::new()), &methods);
            for pieces in (1..=5).map(|seed| Pieces::random(&bytes, seed)) {
                let cut = converse(&pieces, &methods);
                assert!(cut == whole, "{name}, {seed}: {whole:?} whole, {cut:?} in pieces");
            }
        }
    }
}

/// Checks the answers of a capture: each one's status and lines, `.` where it ended, bytes of an
/// unfinished line, and the error that ended the connection.
#[track_caller]
fn check(name: &str, expected: &str) {
    let path = folder().join(name).with_extension("response");
    let bytes = std::fs::read(&path).unwrap();
    let seen = converse(&Pieces::cut(&bytes, Vec::new()), &methods(&path));
    let mut facts = String::new();
    for Answer { status, body, ended } in &seen.answers {
        let mut lines = Lines::new(LINE_BYTES);
        lines.feed(body);
        let count = lines.by_ref().map(Result::unwrap).count();
        write!(facts, "{status} {count}").unwrap();
        if let Some(unfinished) = lines.finish() {
            write!(facts, "+{}", unfinished.unwrap().len()).unwrap();
        }
        facts += if *ended { ". " } else { " " };
    }
    facts += seen.error.as_deref().unwrap_or_default();
    assert_eq!(facts.trim_end(), expected, "{name}");
}

const CUT: &str = "the connection ended within a response";
const CLOSED: &str = "the connection ended before a response";

#[test]
fn feeds_that_end() {
    check("couchdb/cont_timeout_2000", "200 6.");
    check("couchdb/cont_http11_conn_close", "200 4.");
    check("couchdb/normal_since_0", "200 8.");
    check("pouchdb/normal_since_0", "200 1.");
    // The map of a database's shards has changed.
    check("couchdb-3.5.1/cluster_split_continuous", "200 6.");
}

#[test]
fn feeds_that_are_cut() {
    check("couchdb/cont_http11_since_0", &format!("200 8 {CUT}"));
    check("couchdb/cont_heartbeats_only", &format!("200 9 {CUT}"));
    check("couchdb/cont_reader_paused", &format!("200 2022 {CUT}"));
    check("couchdb/cont_large_doc", &format!("200 6 {CUT}"));
    check("couchdb/cont_server_sigkill_midrow", &format!("200 6 {CUT}"));
    check("couchdb/cont_server_sigkill_truncated", &format!("200 2+69625 {CUT}"));
    check("pouchdb/err_heartbeat_zero", &format!("200 1801 {CUT}"));
    check("pouchdb/cont_accept_gzip", &format!("200 0+10 {CUT}"));
}

#[test]
fn bodies_up_to_the_connections_end() {
    check("couchdb/cont_http10_timeout_2000", "200 5.");
    // Only the unfinished line shows that this one was cut.
    check("couchdb/cont_http10_server_sigkill_truncated", "200 2+69632.");
    // Its status line says HTTP/1.1, without any length.
    check("pouchdb/cont_http10_since_0", "200 8.");
}

#[test]
fn a_failure_in_the_middle_of_a_feed() {
    let error = "there is a status line in place of a chunk size";
    check("couchdb/cont_filter_throws_midway", &format!("200 8 {error}"));
}

#[test]
fn answers_that_follow_on_one_connection() {
    check("couchdb/keepalive_sequence", "200 1. 201 1. 200 1. 200 8. 404 1. 200 0. 200 1.");
    check("pouchdb/keepalive_sequence", "200 1. 201 1. 200 1. 200 1. 404 1. 200 0. 200 1.");
    check("couchdb/keepalive_pipelined", "200 1. 404 1. 200 8. 200 0. 200 1.");
    check("couchdb/keepalive_after_continuous", "200 6. 200 1.");
    check("couchdb/keepalive_http10", "200 1.");
    check("pouchdb/keepalive_http10", "200 1. 200 1.");
}

#[test]
fn answers_without_a_body_and_without_an_answer() {
    check("couchdb/doc_get_304", "304 0.");
    check("couchdb/doc_head_200", "200 0.");
    check("couchdb/changes_head_continuous", "200 0.");
    check("couchdb/doc_put_expect_continue", "201 1.");
    check("couchdb/cont_post_no_ctype", "415 1.");
    check("pouchdb/db_updates_continuous", "400 0.");
    check("couchdb/cluster_shard_missing", CLOSED);
    check("pouchdb/err_401_not_member", CLOSED);
}

/// The bytes received over one connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answers: Vec<Answer>,
    error: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
    ended: bool,
}

/// Puts requests of `methods` one after the other, and gathers what `pieces` answer to them.
fn converse(pieces: &Pieces<'_>, methods: &[Method]) -> Seen {
    let mut methods = methods.iter();
    let mut put = |filter: &mut HttpClient, output: &mut Output| {
        if let Some(method) = methods.next() {
            let request = Request::builder().method(method).uri("/");
            filter.encode(request.body(Bytes::new()).unwrap(), output);
        }
    };
    let mut filter = HttpClient::new();
    put(&mut filter, &mut Output::new());
    let mut answers: Vec<Answer> = Vec::new();
    let seen = pieces.converse(&mut filter, |filter, part, output| match part {
        Part::Head(response) => {
            let status = response.status().as_u16();
            answers.push(Answer { status, body: Vec::new(), ended: false });
        }
        Part::Data(data) => answers.last_mut().unwrap().body.extend_from_slice(data),
        Part::End => {
            answers.last_mut().unwrap().ended = true;
            if filter.is_idle() {
                put(filter, output);
            }
        }
        part => panic!("the filter was not asked to deliver {part:?}"),
    });
    Seen { answers, error: seen.error.map(|error| error.to_string()) }
}

/// The methods of the requests that a capture answers.
fn methods(path: &Path) -> Vec<Method> {
    match path.file_stem().and_then(|name| name.to_str()).unwrap_or_default() {
        "keepalive_sequence" => {
            let [get, put, head] = [Method::GET, Method::PUT, Method::HEAD];
            vec![get.clone(), put, get.clone(), get.clone(), get.clone(), head, get]
        }
        "keepalive_pipelined" => {
            let [get, head] = [Method::GET, Method::HEAD];
            vec![get.clone(), get.clone(), get.clone(), head, get]
        }
        "keepalive_after_continuous" | "keepalive_http10" => vec![Method::GET, Method::GET],
        name if name.contains("head") => vec![Method::HEAD],
        _ => vec![Method::GET],
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}
