//! The syntax of requests by RFC 9112 and RFC 9110, one row for each rule.
//!
//! Each row is sent whole, byte by byte and in random pieces. It is sent without another request,
//! after a good one, and before one. A rejected row is answered once, and no byte after it is read
//! as a request. After any other row, the connection continues.

use super::{GOOD, Talk, echo, ok, refused};
use masque::filters::Httpd;
use masque::limits::{CHUNK_EXTENSION_BYTES, CHUNK_TRAILER_BYTES, HTTP_TARGET_BYTES, LINGER_TIME};

const BAD: &str = "400 Bad Request";
const HEAD: &str = "GET / HTTP/1.1\r\n";
const LINE: &str = "the request line is not method, target and HTTP/1.1";
const END: &str = "a line does not end with CRLF";
const NAME: &str = "a field's name is malformed";
const VALUE: &str = "a field's value is malformed";
const TARGET: &str = "the request target is malformed";
const HOST: &str = "Host is malformed";
const ONE_HOST: &str = "there is not one Host";
const AUTHORITY: &str = "the authority is malformed";
const LENGTH: &str = "Content-Length is not one number";
const CODING: &str = "Transfer-Encoding is not one final chunked";
const CHUNK: &str = "a chunk is malformed";

/// The requests before and after a row.
const PLACES: [(&str, &str); 3] = [("", ""), (GOOD, ""), ("", GOOD)];

/// The ways of cutting `input` into pieces: whole, byte by byte, and seeded random ones.
fn cuts(input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut ways = vec![vec![input.to_vec()], input.iter().map(|byte| vec![*byte]).collect()];
    for seed in 1..=4_u64 {
        let (mut random, mut rest) = (fastrand::Rng::with_seed(seed), input);
        let mut pieces = vec![];
        while !rest.is_empty() {
            let length = random.usize(1..40).min(rest.len());
            let (piece, after) = rest.split_at(length);
            pieces.push(piece.to_vec());
            rest = after;
        }
        ways.push(pieces);
    }
    ways
}

/// Sends a row in every way. `answer` is the expected answer, `goes_on` is true if the connection
/// continues.
#[track_caller]
fn check(section: &str, row: impl AsRef<[u8]>, answer: &str, goes_on: bool) {
    let row = row.as_ref();
    for (before, after) in PLACES {
        let input = [before.as_bytes(), row, after.as_bytes()].concat();
        let mut expected = String::new();
        if !before.is_empty() {
            expected += &ok("GET /good \n");
        }
        expected += answer;
        if goes_on && !after.is_empty() {
            expected += &ok("GET /good \n");
        }
        // A long row is not sent byte by byte, because it only tests its length.
        let ways = cuts(&input);
        for pieces in ways.into_iter().filter(|pieces| pieces.len() < 2000) {
            let mut talk = Talk::new(Httpd::new(), echo);
            let count = pieces.len();
            for piece in pieces {
                talk.send(piece);
            }
            let what = format!("{section}: {} in {count} pieces", input.escape_ascii());
            assert_eq!(talk.heard(), expected, "{what}");
            assert_eq!(talk.has_ended(), !goes_on, "{what}");
            talk.send(GOOD);
            let more = if goes_on { ok("GET /good \n") } else { String::new() };
            assert_eq!(talk.heard(), more, "afterwards, {what}");
            talk.run_for(LINGER_TIME);
            assert_eq!(talk.connections(), usize::from(goes_on), "{what}");
        }
    }
}

#[track_caller]
fn good(section: &str, row: impl AsRef<[u8]>, body: &str) {
    check(section, row, &ok(&format!("{body}\n")), true);
}

#[track_caller]
fn bad(section: &str, row: impl AsRef<[u8]>, why: &str) {
    check(section, row, &refused(BAD, why), false);
}

/// A request without a body that has these field lines.
fn fields(lines: &str) -> String {
    format!("{HEAD}{lines}\r\n\r\n")
}

/// A request with a chunked body.
fn chunked(body: &str) -> String {
    format!("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn request_lines() {
    good("9112-3", "DELETE /a?b=%20 HTTP/1.1\r\nHost: h\r\n\r\n", "DELETE /a?b=%20 ");
    good("9112-2.2 one empty line", format!("\r\n{GOOD}"), "GET /good ");
    bad(
        "9112-2.2 two empty lines",
        format!("\r\n\r\n{GOOD}"),
        "there are empty lines before the request",
    );
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET / http/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "G(T / HTTP/1.1",
        "GET / HTTP/1.1\0",
        "GET /\x7f HTTP/1.1",
        "GET /\x01 HTTP/1.1",
    ] {
        bad("9112-3", format!("{line}\r\nHost: h\r\n\r\n"), LINE);
    }
}

#[test]
fn unknown_versions_and_methods() {
    let other =
        refused("505 HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are supported");
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        check("9110-15.6.6", format!("GET / {version}\r\nHost: h\r\n\r\n"), &other, false);
    }
    check("9113-3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &other, false);
    let unknown = refused("501 Not Implemented", "the method is unknown");
    for method in ["BREW", "get", "GETGET"] {
        check("9110-9.1", format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"), &unknown, false);
    }
}

#[test]
fn targets() {
    good("9112-3.2.4", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * ");
    good("9112-3.2.3", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "CONNECT a:80 ");
    let absolute = "GET http://a:80/b HTTP/1.1\r\nHost: other\r\n\r\n";
    good("9112-3.2.2", absolute, "GET http://a:80/b ");
    for line in [
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "OPTIONS *?a HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
    ] {
        bad("9112-3.2", format!("{line}\r\nHost: h\r\n\r\n"), TARGET);
    }
    for target in ["http://u@a/", "https://u:p@a/", "http://a%zz/"] {
        let why = if target.contains("%zz") { TARGET } else { AUTHORITY };
        bad("9110-4.2.4", format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), why);
    }
    let long = refused("414 URI Too Long", "the request target is too long");
    let target = |length: usize| format!("/{}", "a".repeat(length - 1));
    let fits = target(HTTP_TARGET_BYTES);
    good("9112-3", format!("GET {fits} HTTP/1.1\r\nHost: h\r\n\r\n"), &format!("GET {fits} "));
    let passes = target(HTTP_TARGET_BYTES + 1);
    check("9110-15.5.15", format!("GET {passes} HTTP/1.1\r\nHost: h\r\n\r\n"), &long, false);
}

#[test]
fn line_ends() {
    bad("9112-2.2 bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n", END);
    bad("9112-2.2 bare LF", "GET / HTTP/1.1\r\nHost: h\n\r\n", END);
    bad("9112-2.2 bare LF", "GET / HTTP/1.1\r\nHost: h\r\n\n", END);
    bad("9112-2.2 bare LF", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", END);
    bad("9112-2.2 bare CR", "GET / HTTP/1.1\rHost: h\r\n\r\n", END);
    bad("9112-2.2 bare CR", fields("Host: h\r\nA: b\rc"), END);
    bad("9112-2.2 bare CR", fields("Host: h\r\nA: b\r"), END);
    bad("9112-2.2 bare CR", "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", END);
}

#[test]
fn field_lines() {
    good("9112-5", fields("Host:h\r\nA:\t b\tc \t\r\nB:\r\nC: \u{e9}"), "GET / ");
    good("9110-5.1", fields("hOST: h\r\n!#$%&'*+-.^_`|~0aZ: b"), "GET / ");
    for line in ["A : b", "A\t: b", ": b", "A", "A b: c", "A(: b", "\u{e9}: b", "A\0: b"] {
        bad("9112-5.1", fields(&format!("Host: h\r\n{line}")), NAME);
    }
    for line in [" A: b", "\tA: b"] {
        bad(
            "9112-2.2 white space before the first field",
            fields(&format!("{line}\r\nHost: h")),
            NAME,
        );
    }
    bad("9112-5.2 obs-fold", fields("Host: h\r\nA: b\r\n c"), NAME);
    bad("9112-5.2 obs-fold", fields("Host: h\r\nA: b\r\n\tc"), NAME);
    for value in ["\0", "b\0c", "\x01", "b\x7f", "b\x1b[0m"] {
        bad("9110-5.5", fields(&format!("Host: h\r\nA: {value}")), VALUE);
    }
}

#[test]
fn hosts() {
    for host in ["h", "h.example:8080", "127.0.0.1", "[::1]:80", "", "h:", "a%2Db"] {
        good("9112-3.2", fields(&format!("Host: {host}")), "GET / ");
    }
    bad("9112-3.2 none", fields("A: b"), ONE_HOST);
    bad("9112-3.2 two", fields("Host: h\r\nHost: h"), ONE_HOST);
    bad("9112-3.2 two", "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", ONE_HOST);
    for host in ["a b", "a/b", "u@a", "a:b", "a:80:80", "a,b", "a\\b", "[::1", "a%", "a%zz", "<a>"]
    {
        if host == "a,b" {
            continue; // a comma is a sub-delimiter, RFC 3986 section 2.2
        }
        bad("9112-3.2", fields(&format!("Host: {host}")), HOST);
    }
}

#[test]
fn content_lengths() {
    let put = |length: &str, body: &str| {
        format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    good("9112-6.2", put("5", "hello"), "PUT / hello");
    good("9112-6.2", put("0005", "hello"), "PUT / hello");
    good("9112-6.2", put("0", ""), "PUT / ");
    good("9112-6.3 no length, no body", "PUT / HTTP/1.1\r\nHost: h\r\n\r\n", "PUT / ");
    for length in
        ["", "+5", "-5", "5, 5", "5,", "5 5", "0x5", "5.0", "five", "99999999999999999999"]
    {
        bad("9112-6.3", put(length, "hello"), LENGTH);
    }
    bad("9112-6.3", put("5\r\nContent-Length: 5", "hello"), LENGTH);
    bad("9112-6.3", put("5\r\nContent-Length: 6", "hello"), LENGTH);
    bad("9112-6.3", put("5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), CODING);
    let large = refused("413 Payload Too Large", "the body is too large");
    check("9110-15.5.14", put("1048577", ""), &large, false);
    check("9110-15.5.14", put("18446744073709551615", ""), &large, false);
}

#[test]
fn transfer_codings() {
    let put = |coding: &str, version: &str| {
        format!("PUT / HTTP/{version}\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n")
    };
    good("9112-6.1", put("chunked", "1.1"), "PUT / ");
    good("9112-7", put("Chunked", "1.1"), "PUT / ");
    for coding in ["", ",", "chunked, chunked", "chunked, gzip", "chunked,", ",chunked"] {
        bad("9112-6.1", put(coding, "1.1"), CODING);
    }
    bad("9112-6.1", put("chunked\r\nTransfer-Encoding: chunked", "1.1"), CODING);
    bad("9112-6.1 in HTTP/1.0", put("chunked", "1.0"), CODING);
    let unknown = refused("501 Not Implemented", "the transfer coding is unknown");
    for coding in ["gzip", "gzip, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\""] {
        check("9112-6.1", put(coding, "1.1"), &unknown, false);
    }
}

#[test]
fn chunks() {
    good("9112-7.1", chunked("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), "PUT / hello");
    good("9112-7.1", chunked("0000000000000005\r\nhello\r\n000\r\n\r\n"), "PUT / hello");
    good("9112-7.1", chunked("a\r\n0123456789\r\n0\r\n\r\n"), "PUT / 0123456789");
    good("9112-7.1.1", chunked("2;a;b=c;d=\"e\\\"\"\r\nhi\r\n0;f\r\n\r\n"), "PUT / hi");
    good("9112-7.1.2", chunked("2\r\nhi\r\n0\r\nA: b\r\nC:\r\n\r\n"), "PUT / hi");
    for size in [
        "",
        "+2",
        "-2",
        "0x2",
        " 2",
        "2 ",
        "2\t",
        "g",
        "00000000000000002",
        "2\n",
        "2\r",
        "2;",
        "2; a",
    ] {
        bad("9112-7.1", chunked(&format!("{size}\r\nhi\r\n0\r\n\r\n")), CHUNK);
    }
    for extension in ["=", "a=", "a b", "a=\"b", "a=\"\0\"", "a\0", "a=b\"", ";"] {
        bad("9112-7.1.1", chunked(&format!("2;{extension}\r\nhi\r\n0\r\n\r\n")), CHUNK);
    }
    for body in
        ["2\r\nhi!\r\n0\r\n\r\n", "2\r\nhi\n0\r\n\r\n", "2\r\nhi0\r\n\r\n", "2\r\nhi\r0\r\n\r\n"]
    {
        bad("9112-7.1 data and CRLF", chunked(body), CHUNK);
    }
    for trailer in ["A", "A : b", " A: b", "A: \0", "A: b\n", ": b"] {
        bad("9112-7.1.2", chunked(&format!("0\r\n{trailer}\r\n\r\n")), CHUNK);
    }
}

#[test]
fn limits_of_chunks() {
    let extended = |bytes| chunked(&format!("2;{}\r\nhi\r\n0\r\n\r\n", "a".repeat(bytes)));
    good("9112-7.1.1", extended(CHUNK_EXTENSION_BYTES), "PUT / hi");
    bad("9112-7.1.1", extended(CHUNK_EXTENSION_BYTES + 1), CHUNK);
    // The name, the colon, the value and CRLF count.
    let trailed = |bytes: usize| chunked(&format!("0\r\nA:{}\r\n\r\n", "a".repeat(bytes - 4)));
    good("9112-7.1.2", trailed(CHUNK_TRAILER_BYTES), "PUT / ");
    bad("9112-7.1.2", trailed(CHUNK_TRAILER_BYTES + 1), CHUNK);
    let large = refused("413 Payload Too Large", "the body is too large");
    check("9110-15.5.14", chunked("ffffffffffffffff\r\n"), &large, false);
}

#[test]
fn expectations() {
    let unknown = refused("417 Expectation Failed", "only 100-continue can be expected");
    for expect in
        ["tea", "100-continue, tea", "100-continue\r\nExpect: tea", "tea\r\nExpect: 100-continue"]
    {
        check("9110-10.1.1", fields(&format!("Host: h\r\nExpect: {expect}")), &unknown, false);
    }
    good("9110-10.1.1 nothing to wait for", fields("Host: h\r\nExpect: 100-Continue"), "GET / ");
}

#[test]
fn connections() {
    let close =
        |version: &str, field: &str| format!("GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n");
    let last = super::whole("200 OK", "", "connection: close\r\n", "GET / \n");
    check("9112-9.6", close("1.1", "Connection: close\r\n"), &last, false);
    check("9112-9.6", close("1.1", "Connection: te, CLOSE\r\n"), &last, false);
    check("9112-9.3", close("1.0", ""), &last, false);
    let kept = super::whole("200 OK", "", "connection: keep-alive\r\n", "GET / \n");
    check("9112-C.2.2", close("1.0", "Connection: keep-alive\r\n"), &kept, true);
    good("9112-9.3", close("1.1", "Connection: keep-alive\r\n"), "GET / ");
}
