//! Requests as browsers send them, sound and not, in pieces of every kind; the answers to them.

use super::*;
use crate::limits::HTTP_HEAD_BYTES;
use crate::testing::{Pieces, damaged, each_way};
use std::time::{Duration, UNIX_EPOCH};

/// Answers each request with `200` and its method, target and body; each refusal with itself.
fn echo(filter: &mut Httpd, item: &Result<Request, Response>, output: &mut Output) {
    let response = match item {
        Ok(request) => Response::new(Bytes::from(text_of(request))),
        Err(refusal) => refusal.clone(),
    };
    assert!(filter.is_waiting());
    filter.encode(response.into(), output);
}

fn text_of(request: &Request) -> String {
    format!("{} {} {}", request.method(), request.uri(), request.body().escape_ascii())
}

/// The requests in `input`, `; `-separated, and the status of a refusal; all answered as they come.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    check_with(&Httpd::new(), input, expected);
}

#[track_caller]
fn check_with(filter: &Httpd, input: impl AsRef<[u8]>, expected: &str) {
    each_way(input.as_ref(), |pieces| {
        let mut filter = filter.clone();
        let seen = pieces.converse(&mut filter, echo);
        let text = |item: &Result<Request, Response>| match item {
            Ok(request) => text_of(request),
            Err(refusal) => {
                assert_eq!(refusal.headers()["connection"], "close");
                refusal.status().as_str().to_owned()
            }
        };
        let items: Vec<_> = seen.items.iter().map(text).collect();
        assert_eq!(items.join("; "), expected, "{pieces:?}");
        let refused = matches!(seen.items.last(), Some(Err(_)));
        assert!(!refused || (filter.is_finished() && seen.left == 0), "{pieces:?}");
    });
}

/// Checks that a request with these header lines, Host and all, is answered with `expected`.
#[track_caller]
fn fields(lines: &str, expected: &str) {
    check(format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n"), expected);
}

#[test]
fn requests_come_whole_and_in_order() {
    check("", "");
    check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / ");
    check("GET /a?b=c%20d HTTP/1.0\r\n\r\n", "GET /a?b=c%20d ");
    check("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * ");
    check("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "CONNECT a:80 ");
    check("COPY /a HTTP/1.1\r\nHost: x\r\n\r\n", "COPY /a ");
    check("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "PUT /a hello");
    check(
        "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        "PUT /a hello",
    );
    check(
        "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi\
         \r\nPOST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n\
         GET /c HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /a hi; POST /b !; GET /c ",
    );
}

#[test]
fn one_empty_line_before_a_request_is_passed_over() {
    let spaced = "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    check(spaced.repeat(3), "GET / ; GET / ; GET / ");
    check(format!("\r\n{spaced}"), "400");
    check("\r\n", "");
    check(format!("{spaced}\r\n"), "GET / ");
}

#[test]
fn nothing_is_decoded_after_the_last_request() {
    let next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    check(format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: te, Close\r\n\r\n{next}"), "GET / ");
    check(format!("GET / HTTP/1.0\r\n\r\n{next}"), "GET / ");
    check(format!("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n{next}"), "GET / ; GET /next ");
    check(format!("GET / HTTP/9.9\r\nHost: x\r\n\r\n{next}"), "505");
}

#[test]
fn a_request_line_is_method_target_version() {
    for bad in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /",
        "GET",
        "GET / http/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/1.",
        "GET\t/ HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET /?# HTTP/1.1",
        "GET /a?b#c HTTP/1.1",
        "GET http://x/#a HTTP/1.1",
        "OPTIONS *# HTTP/1.1",
        "GET x:80 HTTP/1.1",
        "CONNECT /a HTTP/1.1",
        "GET / HTTP/1.1\rx",
    ] {
        check(format!("{bad}\r\nHost: x\r\n\r\n"), "400");
    }
    check("GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505");
    check("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501");
    check("get / HTTP/1.1\r\nHost: x\r\n\r\n", "501");
}

#[test]
fn lines_end_with_crlf() {
    check("GET / HTTP/1.1\nHost: x\n\n", "400");
    check("GET / HTTP/1.1\r\nHost: x\r\n\n", "400");
    check("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400");
    fields("Host: x\rA: b", "400");
}

#[test]
fn fields_are_a_token_a_colon_and_text() {
    fields("Host: x\r\nA: b\tc \r\nEmpty:", "GET / ");
    fields("Host: x\r\nA: \u{e9}", "GET / ");
    for bad in ["A : b", "A\t: b", " A: b", "A: b\r\n c", ": b", "A", "A b: c", "A: \0", "A: \x7f"]
    {
        fields(&format!("Host: x\r\n{bad}"), "400");
    }
}

#[test]
fn there_is_one_host() {
    fields("Host: a.example:8080", "GET / ");
    fields("Host: [::1]:80", "GET / ");
    fields("Host:", "GET / ");
    for bad in ["A: b", "Host: x\r\nHost: x", "Host: a b", "Host: a/b", "Host: u@a", "Host: a:b"] {
        fields(bad, "400");
    }
    check("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400");
    let absolute = b"GET http://real.example:80/a HTTP/1.1\r\nHost: other\r\n\r\n";
    let seen = Pieces::cut(absolute, Vec::new()).feed(&mut Httpd::new());
    assert_eq!(seen.items[0].as_ref().unwrap().headers()["host"], "real.example:80");
}

#[test]
fn the_length_of_a_body_is_never_ambiguous() {
    for bad in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Content-Length: 99999999999999999999",
    ] {
        fields(&format!("Host: x\r\n{bad}"), "400");
    }
    fields("Host: x\r\nTransfer-Encoding: gzip, chunked", "501");
    check("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
    fields("Host: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "400");
    fields("Host: x\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nab", "400");
}

#[test]
fn limits_are_met_exactly_and_passed_by_one() {
    let head = "GET /2345 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";
    let request = format!("{head}body");
    let fits = Httpd::new()
        .with_head_max(head.len())
        .with_target_max(5)
        .with_headers_max(2)
        .with_body_max(4);
    check_with(&fits, &request, "GET /2345 body");
    check_with(&fits.clone().with_head_max(head.len() - 1), &request, "431");
    check_with(&fits.clone().with_head_max(30), "GET / HTTP/1.1\r\nA: no end in sight", "431");
    check_with(&fits.clone().with_headers_max(1), &request, "431");
    check_with(&fits.clone().with_target_max(4), &request, "414");
    check_with(&fits.clone().with_body_max(3), &request, "413");
    check_with(&Httpd::new().with_target_max(40), format!("GET /{}", "x".repeat(41)), "414");
    check(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(HTTP_HEAD_BYTES)), "414");
    check_with(&Httpd::new().with_headers_max(200), many_fields(199), "GET / ");
    check(many_fields(100), "431");
    check(many_fields(99), "GET / ");
    let chunks = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    check_with(&Httpd::new().with_body_max(4), chunks, "PUT / abcd");
    check_with(&Httpd::new().with_body_max(3), chunks, "413");
}

#[test]
fn of_several_faults_the_first_counts() {
    let small = Httpd::new().with_target_max(5).with_head_max(60);
    check_with(&small, "GET /23456 HTTP/1.1\r\nA: b\rc\r\n\r\n", "414");
    check_with(&small, "GET /23456\n", "414");
    check_with(&small, "GET /2345\n6 HTTP/1.1\r\n\r\n", "400");
    check_with(&small, format!("{} /23456 HTTP/1.1\r\n\r\n", "A".repeat(60)), "431");
    check_with(&small, format!("{} /23456 HTTP/1.1\r\n\r\n", "A".repeat(54)), "414");
    check_with(&small, format!("GET / HTTP/1.1\r\nA: {}\n", "b".repeat(60)), "431");
    check_with(&small, format!("GET / HTTP/1.1\r\nA: {}\n", "b".repeat(40)), "400");
}

fn many_fields(count: usize) -> String {
    format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count))
}

#[test]
fn a_request_that_is_cut_short_is_a_bad_one() {
    check("GET / HTTP/1.1\r\nHost: x\r\n", "400");
    check("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell", "400");
    check("GET / HTTP/1.1\r\nHost: x\r\n\r\nGE", "GET / ; 400");
}

/// Checks the bytes that `replies` to a request of these lines write, and if the connection is
/// closed.
#[track_caller]
fn reply(request: &str, replies: Vec<Reply>, expected: &str, closes: bool) {
    let mut filter = Httpd::new();
    let mut output = Output::new();
    let mut input = format!("{request}\r\nHost: x\r\n\r\n").into_bytes();
    assert!(matches!(filter.decode(&mut &input[..]), Ok(Some(Ok(_)))), "{request}");
    input.clear();
    for reply in replies {
        assert!(filter.is_waiting());
        filter.encode(reply, &mut output);
    }
    assert_eq!(String::from_utf8(output.to_vec()).unwrap(), expected);
    assert_eq!((filter.is_finished(), filter.is_waiting()), (closes, false));
}

fn response(status: u16, fields: &[(&'static str, &str)], body: &'static str) -> Response {
    let mut response = http::Response::builder().status(status);
    for &(name, value) in fields {
        response = response.header(name, value);
    }
    response.body(Bytes::from_static(body.as_bytes())).unwrap()
}

/// Checks a whole response, and the same one prepared.
#[track_caller]
fn whole(request: &str, response: &Response, expected: &str, closes: bool) {
    reply(request, vec![response.clone().into()], expected, closes);
    reply(request, vec![Prepared::new(response.clone()).into()], expected, closes);
}

#[test]
fn whole_answers() {
    let hello = response(200, &[("etag", "\"1\"")], "hello");
    let head = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 5\r\n";
    whole("GET / HTTP/1.1", &hello, &format!("{head}\r\nhello"), false);
    whole("HEAD / HTTP/1.1", &hello, &format!("{head}\r\n"), false);
    whole("GET / HTTP/1.0", &hello, &format!("{head}connection: close\r\n\r\nhello"), true);
    whole(
        "GET / HTTP/1.0\r\nConnection: keep-alive",
        &hello,
        &format!("{head}connection: keep-alive\r\n\r\nhello"),
        false,
    );
    whole(
        "GET / HTTP/1.1\r\nConnection: close",
        &hello,
        &format!("{head}connection: close\r\n\r\nhello"),
        true,
    );
    whole(
        "GET / HTTP/1.1",
        &response(503, &[("connection", "close")], ""),
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        true,
    );
    whole(
        "GET / HTTP/1.1",
        &response(299, &[], "x"),
        "HTTP/1.1 299 \r\ncontent-length: 1\r\n\r\nx",
        false,
    );
}

#[test]
fn framing_is_the_filters_business() {
    let wrong = response(200, &[("content-length", "9"), ("transfer-encoding", "gzip")], "x");
    whole("GET / HTTP/1.1", &wrong, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", false);
    let no_content = response(204, &[("content-length", "9")], "x");
    whole("GET / HTTP/1.1", &no_content, "HTTP/1.1 204 No Content\r\n\r\n", false);
    let unmodified = response(304, &[("content-length", "9")], "x");
    whole(
        "GET / HTTP/1.1",
        &unmodified,
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
        false,
    );
    let said = response(200, &[("content-length", "9")], "");
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    reply("HEAD / HTTP/1.1", vec![said.into()], head, false);
}

fn parts(status: u16) -> Vec<Reply> {
    let start = http::Response::builder().status(status).body(()).unwrap();
    let data = |data: &'static str| Reply::Data(Bytes::from_static(data.as_bytes()));
    vec![Reply::Start(start), data("hello"), data(""), data(" world"), Reply::End]
}

#[test]
fn answers_in_parts() {
    let chunks = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    reply("GET / HTTP/1.1", parts(200), &format!("HTTP/1.1 200 OK\r\n{chunks}"), false);
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    reply("HEAD / HTTP/1.1", parts(200), head, false);
    reply("GET / HTTP/1.1", parts(204), "HTTP/1.1 204 No Content\r\n\r\n", false);
    let to_close = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world";
    reply("GET / HTTP/1.0\r\nConnection: keep-alive", parts(200), to_close, true);
}

#[test]
fn an_interim_response_goes_ahead_of_the_answer() {
    let replies =
        || vec![response(103, &[("link", "a")], "").into(), response(204, &[], "").into()];
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    reply("GET / HTTP/1.1", replies(), interim, false);
    let alone = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    reply("GET / HTTP/1.0", replies(), alone, true);
}

#[test]
fn the_date_is_sent_once_it_is_told() {
    let mut filter = Httpd::new();
    filter.set_date(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let mut output = Output::new();
    for reply in [response(204, &[], "").into(), Prepared::new(response(204, &[], "")).into()] {
        let _ = filter.decode(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]);
        filter.encode(reply, &mut output);
    }
    let dated = "HTTP/1.1 204 No Content\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
    assert_eq!(String::from_utf8(output.to_vec()).unwrap(), dated.repeat(2));
}

#[test]
fn a_large_prepared_body_is_shared() {
    let body = Bytes::from(vec![b'x'; crate::limits::OUTPUT_COPIED_BYTES + 1]);
    let prepared = Prepared::new(Response::new(body.clone()));
    let mut filter = Httpd::new();
    let mut output = Output::new();
    let _ = filter.decode(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]);
    filter.encode(prepared.into(), &mut output);
    let mut slices = [std::io::IoSlice::new(&[]); 3];
    assert_eq!(output.gather(&mut slices), 2);
    assert_eq!(slices[1].as_ptr(), body.as_ptr());
}

/// What the filter itself says after it has been shown `input`.
#[track_caller]
fn interim(input: &str, expected: &str) {
    let mut filter = Httpd::new();
    let mut output = Output::new();
    let mut input = input.as_bytes();
    let _ = filter.decode(&mut input);
    output.shared(filter.respond().unwrap_or_default());
    output.shared(filter.respond().unwrap_or_default());
    assert_eq!(String::from_utf8(output.to_vec()).unwrap(), expected);
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on() {
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    interim(&format!("{head}Content-Length: 5\r\n\r\n"), go_on);
    interim(&format!("{head}Transfer-Encoding: chunked\r\n\r\n"), go_on);
    interim(&format!("{head}Content-Length: 5\r\n\r\nh"), "");
    interim(&format!("{head}Content-Length: 5\r\n\r\nhello"), "");
    interim(&format!("{head}Content-Length: 0\r\n\r\n"), "");
    interim(&format!("{head}Content-Length: 9999999\r\n\r\n"), "");
    interim("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "");
    fields("Host: x\r\nExpect: tea", "417");
}

#[test]
fn the_next_request_waits_for_the_answer() {
    let mut filter = Httpd::new();
    let mut input = &b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"[..];
    let mut output = Output::new();
    for target in ["/1", "/2"] {
        let request = filter.decode(&mut input).unwrap().unwrap().unwrap();
        assert_eq!(request.uri(), target);
        assert!(filter.is_waiting());
        assert!(filter.decode(&mut input).unwrap().is_none());
        filter.encode(response(204, &[], "").into(), &mut output);
        assert!(!filter.is_waiting());
    }
    assert!(input.is_empty());
}

#[test]
fn a_refusal_echoes_nothing() {
    let seen =
        Pieces::cut(b"<script> / HTTP/1.1\r\n\r\n", Vec::new()).converse(&mut Httpd::new(), echo);
    let text = String::from_utf8(seen.output).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.contains("connection: close\r\n") && !text.contains("script"), "{text}");
}

#[test]
fn a_servers_own_word_closes_the_connection() {
    let mut filter = Httpd::new();
    let mut output = Output::new();
    filter.encode(response(408, &[], "").into(), &mut output);
    assert!(filter.is_finished());
    assert!(String::from_utf8(output.to_vec()).unwrap().contains("connection: close\r\n"));
}

#[test]
fn a_server_that_ends_closes_after_the_answer() {
    let mut filter = Httpd::new();
    let _ = filter.decode(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]);
    filter.close_after_answer();
    assert!(!filter.is_finished());
    filter.encode(response(204, &[], "").into(), &mut Output::new());
    assert!(filter.is_finished());
    let mut idle = Httpd::new();
    idle.close_after_answer();
    assert!(idle.is_finished());
}

#[test]
#[should_panic(expected = "a part is put of an answer that was not started")]
fn data_without_a_start_is_a_mistake() {
    Httpd::new().encode(Reply::End, &mut Output::new());
}

#[test]
#[should_panic(expected = "200 OK is put without a request")]
fn a_second_answer_is_a_mistake() {
    let mut filter = Httpd::new();
    let _ = filter.decode(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]);
    filter.encode(response(200, &[], "").into(), &mut Output::new());
    filter.encode(response(200, &[], "").into(), &mut Output::new());
}

#[test]
fn a_refusal_after_a_head_request_has_a_body() {
    let input = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n";
    let seen = Pieces::cut(input, Vec::new()).converse(&mut Httpd::new(), echo);
    assert!(String::from_utf8(seen.output).unwrap().ends_with("HTTP/1.1\n"));
}

#[test]
fn damaged_requests_are_understood_one_way_only() {
    let requests = b"PUT /a HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n\r\nhello\
        POST /b?c=d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;e=\"f\"\r\nhel\r\n2\r\nlo\r\n0\r\nG: h\r\n\r\n\
        HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for seed in 1..=500 {
        let input = damaged(requests, seed);
        let whole = Pieces::cut(&input, Vec::new()).converse(&mut Httpd::new(), echo).output;
        each_way(&input, |pieces| {
            let output = pieces.converse(&mut Httpd::new(), echo).output;
            assert!(output == whole, "{} in {pieces:?}", input.escape_ascii());
        });
    }
}

#[test]
fn a_connection_costs_little() {
    assert!(size_of::<Httpd>() <= 96, "{}", size_of::<Httpd>());
}

/// Answers at the end of each request, with its text; a refusal is its own answer.
fn assemble() -> impl FnMut(&mut Httpd<Streamed>, &Result<RequestPart, Response>, &mut Output) {
    let mut request = None;
    move |filter, part, output| match part {
        Ok(RequestPart::Head(head)) => request = Some((head.clone(), Vec::new())),
        Ok(RequestPart::Data(data)) => {
            assert!(!data.is_empty());
            request.as_mut().expect("a head came first").1.extend_from_slice(data);
        }
        Ok(RequestPart::End) => {
            let (head, body) = request.take().expect("a head came first");
            let text = text_of(&head.map(|()| body.into()));
            filter.encode(Response::new(text.into()).into(), output);
        }
        Err(refusal) => filter.encode(refusal.clone().into(), output),
    }
}

#[test]
fn requests_in_parts_are_the_same_as_whole_ones() {
    let requests = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;e\r\nhel\r\n2\r\nlo\r\n0\r\nG: h\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for seed in 0..=500 {
        let input = if seed == 0 { requests.to_vec() } else { damaged(requests, seed) };
        let whole = Pieces::cut(&input, Vec::new()).converse(&mut Httpd::new(), echo).output;
        each_way(&input, |pieces| {
            let mut filter = Httpd::new().with_streamed_bodies();
            let output = pieces.converse(&mut filter, assemble()).output;
            assert!(output == whole, "{} in {pieces:?}", input.escape_ascii());
        });
    }
}

#[test]
fn what_is_awaited_of_a_client() {
    use crate::limits::{HTTP_BODY_TIME, HTTP_HEAD_TIME, HTTP_IDLE_TIME};
    let mut filter = Httpd::new();
    let mut waits = vec![];
    let mut step = |input: &str, answer: bool, expected: Option<Duration>| {
        let _ = filter.decode(&mut input.as_bytes());
        if answer {
            filter.encode(response(204, &[], "").into(), &mut Output::new());
        }
        let patience = filter.patience();
        assert_eq!(patience.map(|patience| patience.time), expected, "after {input:?}");
        waits.extend(patience.map(|patience| patience.wait));
    };
    step("", false, Some(HTTP_HEAD_TIME));
    step("GE", false, Some(HTTP_HEAD_TIME)); // the same wait: it began with the connection
    step("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, None);
    step("", true, Some(HTTP_IDLE_TIME));
    step("PU", false, Some(HTTP_HEAD_TIME));
    step("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", false, Some(HTTP_BODY_TIME));
    step("12345", false, Some(HTTP_BODY_TIME + Duration::from_millis(10)));
    step("6789", false, None);
    step("", true, Some(HTTP_IDLE_TIME));
    step("GE", false, Some(HTTP_HEAD_TIME));
    let first = waits[0];
    assert_eq!(waits[1], first);
    waits.dedup();
    let count = waits.len();
    waits.sort_unstable();
    waits.dedup();
    assert_eq!((count, waits.len()), (6, 6), "each wait has a number of its own");
}

#[test]
fn fields_that_nobody_looks_at_are_checked_and_not_kept() {
    let only = Httpd::new().with_fields(&["Accept"]);
    let mut httpd = only.clone();
    let mut input = &b"POST / HTTP/1.1\r\nhost: x\r\nCookie: a\r\nACCEPT: b\r\nAccept: c\r\n\
                       Content-Length: 1\r\n\r\n1"[..];
    let request = httpd.decode(&mut input).unwrap().unwrap().unwrap();
    let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["accept"]);
    assert_eq!(request.headers().get_all("accept").iter().count(), 2);
    assert_eq!(request.body(), "1");
    check_with(&only, "GET / HTTP/1.1\r\nHost: x\r\nCookie : a\r\n\r\n", "400");
    check_with(&only, "GET / HTTP/1.1\r\nHost: x\r\nCookie: \x01\r\n\r\n", "400");
    check_with(&only, "GET / HTTP/1.1\r\nCookie: a\r\n\r\n", "400");
}

/// The names of the fields that are kept of a request, sorted.
#[track_caller]
fn kept(httpd: &Httpd, line: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nCookie: a\r\nAccept: b\r\n\r\n");
    let request = httpd.clone().decode(&mut request.as_bytes()).unwrap().unwrap().unwrap();
    let mut names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn fields_are_kept_by_where_the_path_begins() {
    let under = Httpd::new().with_fields_under("/file/", &["Cookie"]);
    let under = under.with_fields_under("/file/a", &["Host"]).with_fields_under("/all", &[]);
    let httpd = under.clone().with_fields(&["Accept"]);
    for (line, expected) in [
        ("GET /", "accept"),
        ("GET /file", "accept"),
        ("GET /file/", "cookie"),
        ("GET /file/a", "cookie"), // the first that fits
        ("GET /allow", ""),
        ("GET http://x/file/a", "cookie"),
        ("GET /a?/file/", "accept"),
        ("GET /%66ile/", "accept"), // as it was sent
        ("OPTIONS *", "accept"),
        ("CONNECT x:80", "accept"),
    ] {
        assert_eq!(kept(&httpd, line), expected, "{line}");
    }
    assert_eq!(kept(&under, "GET /"), "accept cookie host", "all, where nothing is said of a path");
    assert_eq!(kept(&under, "GET /file/"), "cookie");
    for bad in ["Cookie : a", "Cookie: \x01", "Content-Length: x", "Host: y"] {
        check_with(&httpd, format!("GET /allow HTTP/1.1\r\nHost: x\r\n{bad}\r\n\r\n"), "400");
    }
    let mut streamed = httpd.with_streamed_bodies();
    let mut input = &b"GET /allow HTTP/1.1\r\nHost: x\r\nAccept: a\r\n\r\n"[..];
    let Ok(Some(Ok(RequestPart::Head(head)))) = streamed.decode(&mut input) else { panic!() };
    assert!(head.headers().is_empty());
}

#[test]
fn reading_stops_and_goes_on_at_the_marks_of_a_slow_client() {
    let stall = Httpd::new().stall().expect("a server's clients must read");
    assert_eq!((stall.marks.high, stall.marks.low), (256 * 1024, 64 * 1024));
}

#[test]
fn an_announced_body_takes_memory_as_it_arrives() {
    let mut filter = Httpd::new();
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx";
    assert!(matches!(filter.decode(&mut head.as_bytes()), Ok(None)));
    let incoming = filter.incoming.expect("its body is arriving");
    assert_eq!(incoming.1.1.capacity(), 16 * 1024);
}
