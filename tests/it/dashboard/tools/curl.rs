//! What `curl` can ask for, and what it makes of the answers.

use super::{said, tool};
use crate::dashboard::program;
use crate::support::PATIENCE;
use crate::support::folder::Folder;
use masque::limits::{HTTP_BODY_BYTES, HTTP_HEAD_BYTES};
use std::fs;

/// The format of the last line that curl prints.
const SUMMARY: &str = "\n%{http_code} %{http_version} %{size_download} %{num_connects}\n";

/// A script of the page, as the repository has it.
const SCRIPT: &str = "dashboard/page/vendor/uPlot.iife.min.js";

#[test]
#[ignore = "needs curl"]
fn curl_is_answered_whatever_it_asks_for() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &[]);
    let folder = Folder::new("curl");
    let large = folder.path().join("large");
    fs::write(&large, vec![b'x'; HTTP_BODY_BYTES + 1]).expect("it is ours");
    let small = folder.path().join("small");
    fs::write(&small, vec![b'x'; 100_000]).expect("it is ours");
    let (large, small) = (format!("@{}", large.display()), format!("@{}", small.display()));
    let long = format!("X-Long: {}", "x".repeat(HTTP_HEAD_BYTES));
    let tag = format!("If-None-Match: \"{rev}\"");
    let script = fs::read(program::root().join(SCRIPT)).expect("it is there").len();
    let board = dashboard.get("/board").body.len();
    let mut failures = vec![];
    let mut check = |path: &str, options: &[&str], expected: &str| {
        let mut curl = tool("curl");
        // A server that keeps it waiting for a 100, or for anything, fails the test.
        let bounds = ["--silent", "--max-time", "15", "--expect100-timeout", "60"];
        curl.args(bounds).args(["--noproxy", "*", "--write-out", SUMMARY]).args(options);
        let said = said(curl.arg(format!("{}{path}", dashboard.url)), PATIENCE);
        let summary = said.lines().last().unwrap_or_default();
        let expected = expected.replace("BOARD", &board.to_string());
        let expected = expected.replace("SCRIPT", &script.to_string());
        let prefix = expected.strip_suffix('*');
        let is_met = prefix.map_or(summary == expected, |prefix| summary.starts_with(prefix));
        if !is_met {
            let options = options.join(" ");
            failures.push(format!("{path} {options:.80}: {summary}, expected {expected}"));
        }
    };

    // Versions.
    check("/board", &["--http1.0"], "200 1.1 BOARD 1");
    check("/board", &["--http1.1"], "200 1.1 BOARD 1");
    check("/board", &["--http2"], "200 1.1 BOARD 1"); // an offer that nobody needs to take

    // Methods and bodies; the server knows the resource, and that it has no such method.
    check("/board", &["--head"], "200 1.1 0 1");
    check("/board", &["--request", "OPTIONS"], "204 1.1 *");
    check("/", &["--request", "OPTIONS", "--request-target", "*"], "204 1.1 *");
    check("/board", &["--request", "DELETE"], "405 1.1 *");
    check("/board", &["--request", "BREW"], "501 1.1 *");
    check("/board", &["--data-binary", &small], "405 1.1 *");
    check("/board", &["-H", "Expect: 100-continue", "--data-binary", &small], "405 1.1 *");
    check("/board", &["-H", "Expect: 100-continue", "--data-binary", &large], "413 1.1 *");
    check("/board", &["-H", "Expect: a miracle", "--data-binary", &small], "417 1.1 *");
    check("/board", &["-H", "Expect:", "--data-binary", &large], "413 1.1 *");
    check("/board", &["-H", "Transfer-Encoding: chunked", "--data-binary", &small], "405 1.1 *");
    // It sends Content-Length as well.
    check("/board", &["-H", "Transfer-Encoding: gzip", "--data-binary", &small], "400 1.1 *");

    // Fields.
    check("/board", &["-H", "Host:"], "400 1.1 *");
    check("/board", &["-H", "Host: a b"], "400 1.1 *");
    check("/board", &["-H", &long], "431 1.1 *");
    check("/board", &["--tr-encoding"], "200 1.1 BOARD 1");
    check("/board", &["--haproxy-protocol"], "400 1.1 *");
    check("/board", &["--header", &tag], "304 1.1 0 1");

    // Files: as they are or compressed, whole even for a request for a range of them.
    let path = "/file/vendor/uPlot.iife.min.js";
    check(path, &[], "200 1.1 SCRIPT 1");
    check(path, &["--range", "0-9"], "200 1.1 SCRIPT 1");
    check(path, &["--time-cond", "2020-01-01"], "200 1.1 *");
    let file = folder.path().join("page.js");
    let output = file.to_str().expect("it is text");
    check(path, &["--compressed", "--output", output], "200 1.1 *");
    let script = fs::read(program::root().join(SCRIPT)).expect("it is there");
    assert!(fs::read(&file).expect("curl wrote it") == script, "the unpacked file is the same");
    let etag = folder.path().join("etag");
    let etag = etag.to_str().expect("it is text");
    check(path, &["--etag-save", etag], "200 1.1 SCRIPT 1");
    check(path, &["--etag-compare", etag], "304 1.1 0 1");

    // Paths.
    check("/../../etc/passwd", &["--path-as-is"], "400 1.1 *");
    check("/file/..%2fCargo.toml", &["--path-as-is"], "400 1.1 *");
    check("/board#fragment", &[], "200 1.1 BOARD 1");
    check("/board?[1-50]", &[], "200 1.1 BOARD 0"); // all on one connection
    check("/board?[1-50]", &["--parallel", "--parallel-immediate"], "200 1.1 BOARD *");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
