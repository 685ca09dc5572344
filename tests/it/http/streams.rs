//! Bodies that come in parts, the interim answer that asks for them, and requests that queue.

use super::{GOOD, Talk, call, echo, ok, refused, secs, whole};
use bytes::Bytes;
use masque::filters::{Httpd, Reply, RequestPart, Response, Streamed};
use masque::limits::HTTP_BODY_TIME;
use masque::reactor::Cx;
use masque::wheels::ReadWrite;
use std::cell::RefCell;
use std::rc::Rc;

type Part = Result<RequestPart, Response>;
type Wire = ReadWrite<Httpd<Streamed>>;

/// A server that notes its input and runs `act`.
fn streamed(
    httpd: Httpd,
    act: impl Fn(&mut Cx<'_>, Wire, &Part) + 'static,
) -> (Talk, Rc<RefCell<String>>) {
    let seen = Rc::<RefCell<String>>::default();
    let noted = Rc::clone(&seen);
    let talk = Talk::new(httpd.with_streamed_bodies(), move |cx, wire, part| {
        let shown = match &part {
            Ok(RequestPart::Head(head)) => format!("[{} {}]", head.method(), head.uri()),
            Ok(RequestPart::Data(data)) => data.escape_ascii().to_string(),
            Ok(RequestPart::End) => "[end]".into(),
            Ok(part) => panic!("{part:?}"),
            Err(refusal) => format!("[{}]", refusal.status().as_str()),
        };
        *noted.borrow_mut() += &shown;
        act(cx, wire, &part);
    });
    (talk, seen)
}

/// Answers at the end of a request, and refusals with themselves.
fn at_the_end(cx: &mut Cx<'_>, wire: Wire, part: &Part) {
    match part {
        Ok(RequestPart::End) => drop(wire.put(cx, Response::new("done\n".into()))),
        Err(refusal) => drop(wire.put(cx, refusal.clone())),
        Ok(_) => {}
    }
}

/// Sends `input` whole and byte by byte. Compares the input of the session and the answer.
#[track_caller]
fn check(
    httpd: &Httpd,
    input: &str,
    act: impl Fn(&mut Cx<'_>, Wire, &Part) + Clone + 'static,
    expected: &str,
    answers: &str,
) {
    for size in [input.len(), 1] {
        let (mut talk, seen) = streamed(httpd.clone(), act.clone());
        for piece in input.as_bytes().chunks(size) {
            talk.send(piece.to_vec());
        }
        assert_eq!(*seen.borrow(), expected, "in pieces of {size}: {input}");
        assert_eq!(talk.heard(), answers, "in pieces of {size}: {input}");
    }
}

const PUT: &str = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &str = "PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_request_comes_as_head_body_and_end() {
    let httpd = Httpd::new();
    let done = ok("done\n");
    check(&httpd, GOOD, at_the_end, "[GET /good][end]", &done);
    check(&httpd, &format!("{PUT}hello"), at_the_end, "[PUT /a]hello[end]", &done);
    let chunks = format!("{CHUNKED}3\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n");
    check(&httpd, &chunks, at_the_end, "[PUT /b]hello[end]", &done);
    check(
        &httpd,
        &format!("{GOOD}{PUT}hello{chunks}{GOOD}"),
        at_the_end,
        "[GET /good][end][PUT /a]hello[end][PUT /b]hello[end][GET /good][end]",
        &done.repeat(4),
    );
}

#[test]
fn a_part_comes_as_soon_as_it_is_there() {
    let (mut talk, seen) = streamed(Httpd::new(), at_the_end);
    for (piece, expected) in
        [(PUT, "[PUT /a]"), ("he", "he"), ("l", "l"), ("lo", "lo[end]"), (GOOD, "[GET /good][end]")]
    {
        talk.send(piece);
        assert_eq!(seen.take(), expected);
    }
}

#[test]
fn an_answer_before_the_end_of_the_body_closes_the_connection() {
    let at_once = |cx: &mut Cx<'_>, wire: Wire, part: &Part| {
        if let Ok(RequestPart::Head(_)) = part {
            wire.put(cx, Response::new("no\n".into()));
        }
    };
    let last = whole("200 OK", "", "connection: close\r\n", "no\n");
    check(&Httpd::new(), &format!("{PUT}hello{GOOD}"), at_once, "[PUT /a]", &last);
    check(&Httpd::new(), &format!("{CHUNKED}0\r\n\r\n{GOOD}"), at_once, "[PUT /b]", &last);
    // Without a body there is no ambiguity.
    let both = ok("no\n").repeat(2);
    check(&Httpd::new(), &GOOD.repeat(2), at_once, "[GET /good][GET /good]", &both);
}

#[test]
fn an_answer_can_be_made_of_the_body_as_it_comes() {
    let through = |cx: &mut Cx<'_>, wire: Wire, part: &Part| {
        let reply = match part {
            Ok(RequestPart::Head(_)) => Reply::Start(http::Response::new(())),
            Ok(RequestPart::Data(data)) => Reply::Data(data.clone()),
            Ok(RequestPart::End) => Reply::End,
            Ok(part) => panic!("{part:?}"),
            Err(refusal) => refusal.clone().into(),
        };
        wire.put(cx, reply);
    };
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\
        date: Thu, 01 Jan 1970 00:00:00 GMT\r\nconnection: close\r\n\r\n";
    let (mut talk, seen) = streamed(Httpd::new(), through);
    for (piece, expected) in [(PUT, head), ("hel", "3\r\nhel\r\n"), ("lo", "2\r\nlo\r\n0\r\n\r\n")]
    {
        talk.send(piece);
        assert_eq!(talk.heard(), expected);
    }
    assert!(talk.has_ended());
    assert_eq!(seen.take(), "[PUT /a]hello[end]");

    // A malformed body ends the answer early, because its first part has been sent.
    let (mut talk, seen) = streamed(Httpd::new(), through);
    talk.send(format!("{CHUNKED}1\r\nh\r\nnonsense"));
    assert_eq!(talk.heard(), format!("{head}1\r\nh\r\n"));
    assert!(talk.has_ended());
    assert_eq!(seen.take(), "[PUT /b]h[400]");
}

#[test]
fn a_body_that_goes_bad_is_refused() {
    let (bad, large) = ("400 Bad Request", "413 Payload Too Large");
    let malformed = refused(bad, "a chunk is malformed");
    let input = format!("{CHUNKED}2\r\nhi\r\nx{GOOD}");
    check(&Httpd::new(), &input, at_the_end, "[PUT /b]hi[400]", &malformed);
    let too_large = refused(large, "the body is too large");
    let httpd = Httpd::new().with_body_max(4);
    check(&httpd, PUT, at_the_end, "[413]", &too_large);
    let input = format!("{CHUNKED}3\r\nabc\r\n2\r\n");
    check(&httpd, &input, at_the_end, "[PUT /b]abc[413]", &too_large);
    check(
        &httpd,
        &format!("{CHUNKED}4\r\nabcd\r\n0\r\n\r\n"),
        at_the_end,
        "[PUT /b]abcd[end]",
        &ok("done\n"),
    );

    let (mut talk, seen) = streamed(Httpd::new(), at_the_end);
    let heard = call(&mut talk.rig, &format!("{PUT}hel"), secs(0));
    assert_eq!(heard, refused(bad, "the request was cut short"));
    assert_eq!(seen.take(), "[PUT /a]hel[400]");
}

#[test]
fn a_session_that_pauses_has_the_client_wait() {
    let (mut talk, seen) = streamed(Httpd::new(), |cx, wire, part| {
        at_the_end(cx, wire, part);
        wire.pause(cx);
    });
    talk.send(format!("{PUT}hello"));
    assert_eq!(seen.take(), "[PUT /a]");
    talk.nothing_until(HTTP_BODY_TIME * 10);
    assert_eq!(seen.take(), "");
}

const EXPECTS: &str = "Expect: 100-continue\r\n";
const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn expecting(request: &str) -> String {
    request.replace("Host: h\r\n", &format!("Host: h\r\n{EXPECTS}"))
}

#[test]
fn a_body_that_is_held_back_is_asked_for_when_it_is_wanted() {
    // Taken whole: the filter wants it.
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(expecting(PUT));
    assert_eq!(talk.heard(), GO_ON);
    talk.send("hello");
    assert_eq!(talk.heard(), ok("PUT /a hello\n"));
    talk.send(expecting(PUT).replace("Content-Length: 5", "Content-Length: 9999999"));
    assert_eq!(talk.heard(), refused("413 Payload Too Large", "the body is too large"));

    // In parts: the session does, when it says so.
    let (mut talk, seen) = streamed(Httpd::new(), at_the_end);
    talk.send(expecting(PUT));
    talk.nothing_until(secs(3600)); // it is the server's turn
    let (mut asked, _) = streamed(Httpd::new(), |cx, wire, part| {
        if let Ok(RequestPart::Head(_)) = part {
            wire.put(cx, Reply::Continue);
            wire.put(cx, Reply::Continue);
        }
        at_the_end(cx, wire, part);
    });
    asked.send(expecting(PUT));
    assert_eq!(asked.heard(), GO_ON);
    asked.nothing_until(HTTP_BODY_TIME);
    assert!(asked.heard().starts_with("HTTP/1.1 408 "), "asked for, it has its time");
    talk.send("hello"); // a client may tire of waiting
    assert!(talk.heard().ends_with("done\n"));
    assert_eq!(seen.take(), "[PUT /a]hello[end]");
    let (mut talk, _) = streamed(Httpd::new(), |cx, wire, _| {
        wire.put(cx, Reply::Continue);
        wire.put(cx, Response::new(Bytes::new()));
    });
    talk.send(GOOD);
    assert_eq!(talk.heard(), ok(""), "nobody waits to be asked");
}

#[test]
fn a_connection_ends_with_the_last_request_that_it_may_bring() {
    let last = whole("200 OK", "", "connection: close\r\n", "GET /good \n");
    for most in 1..=3 {
        let mut talk = Talk::new(Httpd::new().with_requests_max(most), echo);
        talk.send(GOOD.repeat(5));
        let before = ok("GET /good \n").repeat(most as usize - 1);
        assert_eq!(talk.heard(), format!("{before}{last}"));
        assert!(talk.has_ended());
    }
}

#[test]
fn one_request_is_processed_and_later_ones_are_not_read() {
    let mut talk = Talk::new(Httpd::new(), |_, _, _| ());
    for _ in 0..100 {
        talk.send(GOOD.repeat(1000)); // more than a head, a read and the network hold
    }
    let unread = Rc::<RefCell<usize>>::default();
    let count = Rc::clone(&unread);
    talk.client(move |cx, wire| *count.borrow_mut() = wire.unsent(cx));
    let sent = 100 * 1000 * GOOD.len();
    let held = sent - *unread.borrow();
    assert!(held <= 16 * 1024 + 2 * 64 * 1024 + 64 * 1024, "{held} bytes were taken");
}
