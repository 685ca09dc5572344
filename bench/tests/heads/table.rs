//! The rows, by the section that has the rule.

use super::Row;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const HEAD_ALONE: &str =
    "httparse reads a head's form; what its fields mean is left to who calls it";
const BODY: &str =
    "masque answers; hyper leaves a bad body to the service, which has only its failure to give";
const LF: &str =
    "RFC 9112 section 2.2 allows a bare LF; masque does not, as two who differ on it can be played";
const ONE_HOST: &str = "RFC 9112 section 3.2 asks for a 400; hyper leaves Host to the service";
const HOST: &str =
    "RFC 9112 section 3.2 asks for a 400 to a malformed Host; hyper leaves Host to the service";
const METHOD: &str = "RFC 9110 section 9.1 has 501 for it; hyper leaves methods to the service";
const VERSION: &str =
    "RFC 9110 section 15.6.6 has 505 for it; to hyper it is one more syntax error";
const LIMIT: &str = "masque's limit is the smaller one";
const TARGET: &str =
    "masque knows the four forms of a target; hyper takes what the crate `http` takes";
const ONE_CODING: &str =
    "RFC 9112 section 6.1: a sender codes in chunks once; hyper looks at the end alone";

/// All of them.
#[allow(clippy::too_many_lines)] // it is a table
pub(super) fn rows() -> Vec<Row> {
    vec![
        row("3: a good request", with(GET, "\r\n"), ["200 200", "200 200", "ok"], ""),
        row("3: a good request of HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ["200", "200", "ok"], ""),
        row(
            "2.2: bare LF as a line's end",
            "GET / HTTP/1.1\nHost: a\n\n",
            ["400", "200 200", "ok"],
            LF,
        ),
        row("2.2: one bare LF", "GET / HTTP/1.1\r\nHost: a\n\r\n", ["400", "200 200", "ok"], LF),
        row("2.2: a bare LF behind CRLF", with(GET, "\n"), ["400", "200 200", "ok"], LF),
        row(
            "2.2: an empty line before",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "2.2: three empty lines before",
            "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200 200", "ok"],
            "masque passes over one empty line; hyper, by httparse, over any number",
        ),
        row(
            "2.2: a bare CR in a value",
            with(GET, "X: a\rb\r\n\r\n"),
            ["400", "400", "HeaderValue"],
            "",
        ),
        row(
            "2.2: a bare CR in the target",
            "GET /\rb HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Token"],
            "",
        ),
        row(
            "2.2: white space before the first field",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            ["400", "400", "HeaderName"],
            "",
        ),
        row(
            "3: white space before the method",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Token"],
            "",
        ),
        row("3: two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ["400", "400", "Token"], ""),
        row(
            "3: two blanks before the version",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Version"],
            "",
        ),
        row(
            "3: a tab for a blank",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Token"],
            "",
        ),
        row(
            "3: a blank at the line's end",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            ["400", "400", "NewLine"],
            "",
        ),
        row("3: no version", "GET /\r\nHost: a\r\n\r\n", ["400", "400", "Token"], ""),
        row("2.3: version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", ["400", "400", "Version"], ""),
        row(
            "2.3: version 2.0",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            ["505", "400", "Version"],
            VERSION,
        ),
        row(
            "2.3: version 0.9",
            "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
            ["505", "400", "Version"],
            VERSION,
        ),
        row(
            "2.3: a version in small letters",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Version"],
            "",
        ),
        row(
            "2.3: version 1.01",
            "GET / HTTP/1.01\r\nHost: a\r\n\r\n",
            ["400", "400", "NewLine"],
            "",
        ),
        row(
            "9113 3.4: the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            ["505", "", "Version"],
            "masque says 505; hyper knows the preface and closes without a word",
        ),
        row(
            "3.1: a method that is no token",
            "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "Token"],
            "",
        ),
        row(
            "3.1: a method that nobody knows",
            "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["501", "200 200", "ok"],
            METHOD,
        ),
        row(
            "3.1: a method in small letters",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["501", "200 200", "ok"],
            METHOD,
        ),
        row("3.1: no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n", ["400", "400", "Token"], ""),
        row("3.2: no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", ["400", "400", "Token"], ""),
        row(
            "3.2: a target without a slash",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200 200", "ok"],
            TARGET,
        ),
        row(
            "3.2: a fragment",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200 200", "ok"],
            "a fragment is never sent (RFC 9112 section 3.2); hyper cuts it off",
        ),
        row(
            "3.2: a byte above ASCII",
            "GET /é HTTP/1.1\r\nHost: a\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row("3.2: a NUL", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", ["400", "400", "Token"], ""),
        row(
            "3.2: angle brackets",
            "GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "400", "ok"],
            "httparse lets bytes pass that no URI has; masque and hyper ask the crate `http`",
        ),
        row(
            "3.2: a percent sign alone",
            "GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "3.2.2: another host in the target",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "3.2.2: a user in the target",
            "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200 200", "ok"],
            "a user's name in a target is how one site is dressed up as another",
        ),
        row(
            "3.2.3: CONNECT with a path",
            "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200", "ok"],
            TARGET,
        ),
        row(
            "3.2.4: an asterisk for GET",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            ["400", "200 200", "ok"],
            TARGET,
        ),
        row(
            "3.2.4: an asterisk for OPTIONS",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "3: a target of 9,000 bytes",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000)),
            ["414", "200 200", "ok"],
            LIMIT,
        ),
        row(
            "3: a target of 70,000 bytes",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)),
            ["414", "414", "ok"],
            HEAD_ALONE,
        ),
        row(
            "5: 101 fields",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(100)),
            ["431", "431", "TooManyHeaders"],
            "",
        ),
        row(
            "5: a field of 20,000 bytes",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(20_000)),
            ["431", "200 200", "ok"],
            LIMIT,
        ),
        row("3.2: no Host", "GET / HTTP/1.1\r\n\r\n", ["400", "200 200", "ok"], ONE_HOST),
        row("3.2: two Hosts", with(GET, "Host: b\r\n\r\n"), ["400", "200 200", "ok"], ONE_HOST),
        row(
            "3.2: the same Host twice",
            with(GET, "Host: a\r\n\r\n"),
            ["400", "200 200", "ok"],
            ONE_HOST,
        ),
        row(
            "3.2: an empty Host",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "3.2: a Host with a blank",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            ["400", "200 200", "ok"],
            HOST,
        ),
        row(
            "3.2: a Host with a slash",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            ["400", "200 200", "ok"],
            HOST,
        ),
        row(
            "3.2: a Host with a user",
            "GET / HTTP/1.1\r\nHost: b@a\r\n\r\n",
            ["400", "200 200", "ok"],
            HOST,
        ),
        row(
            "3.2: two Hosts in HTTP/1.0",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            ["400", "200", "ok"],
            ONE_HOST,
        ),
        row(
            "5.1: a blank before the colon",
            with(GET, "X : a\r\n\r\n"),
            ["400", "400", "HeaderName"],
            "",
        ),
        row(
            "5.1: a tab before the colon",
            with(GET, "X\t: a\r\n\r\n"),
            ["400", "400", "HeaderName"],
            "",
        ),
        row("5.1: no colon", with(GET, "X\r\n\r\n"), ["400", "400", "HeaderName"], ""),
        row("5.1: an empty name", with(GET, ": a\r\n\r\n"), ["400", "400", "HeaderName"], ""),
        row(
            "5.1: a name that is no token",
            with(GET, "X(: a\r\n\r\n"),
            ["400", "400", "HeaderName"],
            "",
        ),
        row(
            "5.1: a NUL in a name",
            with(GET, "X\x00: a\r\n\r\n"),
            ["400", "400", "HeaderName"],
            "",
        ),
        row(
            "5.2: a folded line",
            with(GET, "X: a\r\n b\r\n\r\n"),
            ["400", "400", "HeaderName"],
            "",
        ),
        row(
            "5.5: a NUL in a value",
            with(GET, "X: a\x00b\r\n\r\n"),
            ["400", "400", "HeaderValue"],
            "",
        ),
        row(
            "5.5: a control byte in a value",
            with(GET, "X: a\x01b\r\n\r\n"),
            ["400", "400", "HeaderValue"],
            "",
        ),
        row(
            "5.5: a byte above ASCII in a value",
            with(GET, "X: é\r\n\r\n"),
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "6.3: a length that is signed",
            with(POST, "Content-Length: +5\r\n\r\nhello"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: a length below zero",
            with(POST, "Content-Length: -1\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: a length that is no number",
            with(POST, "Content-Length: x\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: an empty length",
            with(POST, "Content-Length:\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: a length in hexadecimal",
            with(POST, "Content-Length: 0x5\r\n\r\nhello"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: a length that overflows",
            with(POST, "Content-Length: 18446744073709551616\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: two lengths",
            with(POST, "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: the same length twice",
            with(POST, "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
            ["400", "200 200", "ok"],
            "RFC 9112 section 6.3 allows both; masque takes one length, said once",
        ),
        row(
            "6.3: the same length in a list",
            with(POST, "Content-Length: 5, 5\r\n\r\nhello"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.3: a body of 2 MiB that does not come",
            with(POST, "Content-Length: 2097152\r\n\r\n"),
            ["413", "", "ok"],
            "masque's limit for bodies; hyper has none, and nothing to say to one cut short",
        ),
        row(
            "6.1: both framings",
            with(POST, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ["400", "200", "ok"],
            "RFC 9112 section 6.1 allows both; hyper goes by the chunks, and closes",
        ),
        row(
            "6.1: both framings, the other way round",
            with(POST, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
            ["400", "200", "ok"],
            "RFC 9112 section 6.1 allows both; hyper goes by the chunks, and closes",
        ),
        row(
            "6.1: chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.1: an unknown coding",
            with(POST, "Transfer-Encoding: x\r\n\r\n"),
            ["501", "400", "ok"],
            "RFC 9112 section 6.1 has 501 for it; hyper sees that chunked is not the last",
        ),
        row(
            "6.1: gzip before chunked",
            with(POST, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            ["501", "200 200", "ok"],
            "masque decodes no gzip and says so; hyper leaves that to the service",
        ),
        row(
            "6.1: chunked before gzip",
            with(POST, "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "6.1: chunked twice",
            with(POST, "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
            ["400", "200 200", "ok"],
            ONE_CODING,
        ),
        row(
            "6.1: chunked twice, in two fields",
            with(POST, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ["400", "200 200", "ok"],
            ONE_CODING,
        ),
        row(
            "6.1: a coding with a vertical tab",
            with(POST, "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
            ["400", "400", "HeaderValue"],
            "",
        ),
        row(
            "6.1: an empty coding",
            with(POST, "Transfer-Encoding:\r\n\r\n"),
            ["400", "400", "ok"],
            HEAD_ALONE,
        ),
        row(
            "7.1: a chunked body",
            with(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"),
            ["200 200", "200 200", "ok"],
            "",
        ),
        row("7.1: an empty size", with(CHUNKED, "\r\nhello\r\n0\r\n\r\n"), ["400", "", "ok"], BODY),
        row(
            "7.1: a signed size",
            with(CHUNKED, "+5\r\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: 0x before a size",
            with(CHUNKED, "0x5\r\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: a blank behind a size",
            with(CHUNKED, "5 \r\nhello\r\n0\r\n\r\n"),
            ["400", "200 200", "ok"],
            "RFC 9112 section 7.1 has no blank there; hyper allows white space",
        ),
        row(
            "7.1: a blank before a size",
            with(CHUNKED, " 5\r\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: bare LF behind a size",
            with(CHUNKED, "5\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: a bare CR behind a size",
            with(CHUNKED, "5\rhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: a chunk that is longer than its size",
            with(CHUNKED, "5\r\nhello!\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1: a size of 17 digits",
            with(CHUNKED, "00000000000000005\r\nhello\r\n0\r\n\r\n"),
            ["400", "200 200", "ok"],
            "masque takes 16 digits, zeroes or not; hyper sees whether the number overflows",
        ),
        row(
            "7.1: a size that overflows",
            with(CHUNKED, "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1.1: an extension",
            with(CHUNKED, "5;a=b\r\nhello\r\n0\r\n\r\n"),
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "7.1.1: an extension without a name",
            with(CHUNKED, "5;\r\nhello\r\n0\r\n\r\n"),
            ["400", "200 200", "ok"],
            "RFC 9112 section 7.1.1 asks for a name; hyper skips what is behind the semicolon",
        ),
        row(
            "7.1.1: a bare LF in an extension",
            with(CHUNKED, "5;a\nb\r\nhello\r\n0\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1.1: an extension of 2,000 bytes",
            format!("{CHUNKED}5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(2_000)),
            ["400", "200 200", "ok"],
            LIMIT,
        ),
        row(
            "7.1.1: extensions of 20,000 bytes",
            format!("{CHUNKED}5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000)),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1.2: a trailer",
            with(CHUNKED, "0\r\nX: a\r\n\r\n"),
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "7.1.2: a trailer with a blank before the colon",
            with(CHUNKED, "0\r\nX : a\r\n\r\n"),
            ["400", "", "ok"],
            BODY,
        ),
        row(
            "7.1.2: a length in a trailer",
            with(CHUNKED, "0\r\nContent-Length: 5\r\n\r\n"),
            ["200 200", "200 200", "ok"],
            "",
        ),
        row(
            "9110 10.1.1: an expectation that nobody knows",
            with(POST, "Expect: a-miracle\r\nContent-Length: 0\r\n\r\n"),
            ["417", "200 200", "ok"],
            "RFC 9110 section 10.1.1 has 417 for it; hyper leaves it to the service",
        ),
        row("9.6: close", with(GET, "Connection: close\r\n\r\n"), ["200", "200", "ok"], ""),
        row(
            "9.3: keep-alive in HTTP/1.0",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            ["200 200", "200 200", "ok"],
            "",
        ),
    ]
}

fn row(
    rule: &'static str,
    bytes: impl Into<Vec<u8>>,
    [masque, hyper, httparse]: [&'static str; 3],
    why: &'static str,
) -> Row {
    Row { rule, bytes: bytes.into(), masque, hyper, httparse, why }
}

fn with(begin: &str, rest: &str) -> String {
    format!("{begin}{rest}")
}
