//! Answers as servers send them, sound and not, in pieces of every kind.

use super::*;
use crate::testing::each_way;

/// The result of `input` as the answer to a request of `method`: the status, the body, `.` for an
/// end, or the error. After each end the same request is put again while input is left.
#[track_caller]
fn check_for(method: Method, input: impl AsRef<[u8]>, expected: &str) {
    each_way(input.as_ref(), |pieces| {
        let mut filter = HttpClient::new();
        filter.encode(request(&method), &mut Output::new());
        let seen = pieces.converse(&mut filter, |filter, part, output| {
            if matches!(part, Part::End) && filter.is_idle() {
                filter.encode(request(&method), output);
            }
        });
        let mut text = String::new();
        for part in &seen.items {
            match part {
                Part::Head(response) => text += response.status().as_str(),
                Part::Data(data) => text += &data.escape_ascii().to_string(),
                Part::Unframed(_) => panic!("only a filter that was asked to passes it on"),
                Part::End => text += ".",
            }
            if matches!(part, Part::Head(_)) {
                text += " ";
            }
        }
        match seen.error {
            // The request that was put after the last response is not answered.
            Some(HttpClientError::Closed) if text.ends_with('.') => {}
            Some(error) => text += &["! ", &error.to_string()].concat(),
            None => assert!(filter.is_finished(), "{pieces:?}"),
        }
        assert_eq!(text, expected, "{pieces:?}");
    });
}

fn request(method: &Method) -> Request<Bytes> {
    Request::builder().method(method).uri("/").body(Bytes::new()).unwrap()
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    check_for(Method::GET, input, expected);
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_body_ends_where_the_head_says() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello.");
    check("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 .");
    check(format!("{CHUNKED}5\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n"), "200 hello!.");
    check("HTTP/1.0 200 OK\r\n\r\nhello", "200 hello.");
    check("HTTP/1.1 200 OK\r\n\r\nhello", "200 hello.");
    check("HTTP/1.1 200 OK\r\n\r\n", "200 .");
}

#[test]
fn some_responses_have_no_body() {
    check("HTTP/1.1 204 No Content\r\n\r\n", "204 .");
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 .");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    check_for(Method::HEAD, format!("{head}{head}"), "200 .200 .");
    check_for(Method::HEAD, CHUNKED, "200 .");
}

#[test]
fn interim_responses_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
    check(format!("{interim}HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx"), "201 x.");
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", "! the server switched to another protocol");
}

#[test]
fn the_next_response_follows_on_the_same_connection() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
    check(format!("{one}{CHUNKED}1\r\n2\r\n0\r\n\r\n{one}"), "200 1.200 2.200 1.");
    let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1";
    check(format!("{last}{one}"), "200 1.");
    check(format!("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1{one}"), "200 1.");
    let kept = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n1";
    check(format!("{kept}{one}"), "200 1.200 1.");
}

#[test]
fn a_connection_that_ends_takes_no_further_request() {
    for (last, finished) in [
        ("HTTP/1.1 200 OK\r\n\r\nx", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nx", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
    ] {
        each_way(last.as_bytes(), |pieces| {
            let mut filter = HttpClient::new();
            filter.encode(request(&Method::GET), &mut Output::new());
            let seen = pieces.feed(&mut filter);
            assert!(matches!(seen.items.last(), Some(Part::End)), "{pieces:?}");
            assert_eq!((filter.is_finished(), filter.is_idle()), (finished, !finished));
        });
    }
}

#[test]
fn a_cut_is_never_an_end() {
    const CUT: &str = "! the connection ended within a response";
    check("", "! the connection ended before a response");
    check("HTTP/1.1 200 OK\r\n", CUT);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", &format!("200 hell{CUT}"));
    for cut in ["", "5", "5\r\nhell", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\n\r"] {
        let data = cut.get(3..).unwrap_or("").trim_end();
        let data = if cut.starts_with('5') { data } else { "" };
        check(format!("{CHUNKED}{cut}"), &format!("200 {data}{CUT}"));
    }
    check(format!("{CHUNKED}HTTP"), &format!("200 {CUT}"));
}

#[test]
fn what_is_ambiguous_is_an_error() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let length = "! Content-Length is not one number";
    check(head("Content-Length: 1\r\nContent-Length: 1"), length);
    check(head("Content-Length: -1"), length);
    let coding = "! Transfer-Encoding is not exactly chunked";
    check(head("Content-Length: 1\r\nTransfer-Encoding: chunked"), coding);
    check(head("Transfer-Encoding: gzip, chunked"), coding);
    check("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", coding);
    let malformed = "! the head of a response is malformed";
    for bad in
        ["HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "\r\n", "hello\n", "x: y\r\n\r\n"]
    {
        check(bad, malformed);
    }
    check(head("A: b\r\n c"), malformed);
    check(head("A : b"), malformed);
    check(format!("{CHUNKED}\r\n"), "200 ! a chunk size is malformed");
}

#[test]
fn a_head_is_bounded() {
    let large = "! the head of a response is too large";
    check(format!("HTTP/1.1 200 {}", "x".repeat(HTTP_HEAD_BYTES)), large);
    check(format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HTTP_HEADERS + 1)), large);
    // Errors after the limit make no difference, in whatever pieces the bytes arrive.
    check(format!("HTTP/1.1 200 OK\r\nA: {}\rb\r\n\r\n", "x".repeat(HTTP_HEAD_BYTES)), large);
    let fits = format!("HTTP/1.1 200 OK\r\n{}\r\nx", "A: b\r\n".repeat(HTTP_HEADERS));
    check(fits, "200 x.");
}

/// Everything that a filter with this setting delivers after a chunk `x` and a second response.
fn after_a_chunk(filter: HttpClient, second: &str) -> String {
    let mut filter = filter;
    filter.encode(request(&Method::GET), &mut Output::new());
    let input = format!("{CHUNKED}1\r\nx\r\n{second}");
    let seen = crate::testing::Pieces::random(input.as_bytes(), 1).feed(&mut filter);
    let unframed = seen.items.iter().filter_map(|part| match part {
        Part::Unframed(data) => Some(String::from_utf8_lossy(&data[..]).into_owned()),
        _ => None,
    });
    let error = seen.error.map_or(String::new(), |error| format!("! {error}"));
    unframed.collect::<String>() + &error
}

#[test]
fn a_second_response_in_the_body_is_an_error_or_passed_on_unframed() {
    let second = "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}";
    let error = "! there is a status line in place of a chunk size";
    assert_eq!(after_a_chunk(HttpClient::new(), second), error);
    let passed = after_a_chunk(HttpClient::new().pass_unframed(), second);
    assert_eq!(passed, format!("{second}{error}"));
}

#[test]
fn bytes_that_answer_nothing_are_an_error() {
    let mut filter = HttpClient::new();
    assert!(matches!(filter.decode(&mut &b"HTTP/1.1 408"[..]), Err(HttpClientError::Unasked)));
    assert!(matches!(filter.decode_end(&mut &b""[..]), Ok(None)));
}

#[track_caller]
fn put(request: Request<Bytes>, expected: &str) {
    let mut output = Output::new();
    HttpClient::new().encode(request, &mut output);
    assert_eq!(String::from_utf8(output.to_vec()).unwrap(), expected);
}

#[test]
fn requests_are_written() {
    let get = Request::builder().uri("http://ignored/db/_changes?since=0").header("Host", "a:1");
    put(get.body(Bytes::new()).unwrap(), "GET /db/_changes?since=0 HTTP/1.1\r\nhost: a:1\r\n\r\n");
    let post = Request::post("/db").header("Content-Length", "7");
    put(post.body(Bytes::from("{}")).unwrap(), "POST /db HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}");
    let empty = Request::put("/db").version(Version::HTTP_10).body(Bytes::new()).unwrap();
    put(empty, "PUT /db HTTP/1.0\r\ncontent-length: 0\r\n\r\n");
}

#[test]
#[should_panic(expected = "a request is put before the end of the last response")]
fn a_second_request_is_a_mistake() {
    let mut filter = HttpClient::new();
    filter.encode(request(&Method::GET), &mut Output::new());
    filter.encode(request(&Method::GET), &mut Output::new());
}
