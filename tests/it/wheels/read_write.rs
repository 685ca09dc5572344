//! Items over a connection: the way in, the way out, and how it ends.

use crate::support::actor::{Actor, Journal, Moment, Script, direct, local};
use bytes::Bytes;
use masque::filters::{Filter, Httpd, Line, Output, Stream};
use masque::limits::{
    FINISH_TIME, ITEMS_PER_TURN, LINE_BYTES, LINGER_BYTES, LINGER_TIME, OUTPUT_MAX,
};
use masque::reactor::Rig;
use masque::sessions::{Peer, TcpClient, TcpServer};
use masque::wheels::Put;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// What the network in memory takes for a peer that does not read.
const PIPE: usize = 64 * 1024;

/// Two connected actors; the server's also has an alias.
pub(super) fn pair<S: Script, C: Script>(server: Actor<S>, client: Actor<C>) -> Rig {
    let mut rig = Rig::new();
    let mut server = Some(server);
    rig.spawn(TcpServer::new(local(1)).serve(move |_| server.take().expect("one client comes")));
    rig.spawn(TcpClient::new(local(1)).run(client));
    rig.settle();
    rig
}

fn zeros(count: usize) -> Bytes {
    vec![0; count].into()
}

/// Puts for the peer of the actor at `who`.
#[track_caller]
pub(super) fn put(rig: &mut Rig, who: &str, bytes: impl Into<Bytes>) {
    let bytes = bytes.into();
    direct::<Stream>(rig, who, move |peer, cx| {
        peer.put(cx, bytes);
    });
}

#[track_caller]
fn check_lines(input: &[u8], expected: &[&str]) {
    for size in [1, 2, 3, 5, input.len().max(1)] {
        let journal = Journal::default();
        let server = Actor::<Line>::new("server", &journal);
        let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
        for piece in input.chunks(size) {
            put(&mut rig, "client", piece.to_vec());
            rig.settle();
        }
        direct::<Stream>(&mut rig, "client", |peer, cx| {
            peer.wire().expect("connected").finish(cx);
        });
        rig.settle();
        let mut seen = journal.take_of("server");
        assert_eq!(seen.remove(0), "connected");
        assert_eq!(
            seen.split_off(expected.len()),
            ["the peer has ended", "disconnected, all has been sent"]
        );
        assert_eq!(seen, expected, "in pieces of {size}");
    }
}

#[test]
fn lines_are_the_same_however_the_bytes_are_cut() {
    check_lines(b"one\ntwo\r\n\nthree\n", &["one", "two", "", "three"]);
    check_lines(b"one\nunterminated", &["one", "unterminated"]);
    check_lines(b"", &[]);
}

#[test]
fn a_pause_in_the_first_of_three_items_takes_effect_at_once() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Input(_) = moment {
            wire.pause(cx);
        }
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    journal.take();
    put(&mut rig, "client", "1\n2\n3\n");
    rig.settle();
    assert_eq!(journal.take_of("server"), ["1"]);
    put(&mut rig, "client", "4\n5\n6\n");
    for expected in ["2", "3", "4", "5", "6"] {
        rig.settle();
        assert_eq!(journal.take_of("server"), [""; 0], "it is paused");
        direct::<Line>(&mut rig, "server", |peer, cx| peer.wire().expect("connected").resume(cx));
        rig.settle();
        assert_eq!(journal.take_of("server"), [expected]);
    }
}

/// Makes three items of each byte: two of them come of no more bytes, as the end of a body does.
#[derive(Default)]
struct Thrice(Vec<u8>);

impl Filter for Thrice {
    type In = u8;
    type Out = Bytes;
    type Error = Infallible;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<u8>, Infallible> {
        if self.0.is_empty()
            && let [byte, rest @ ..] = *input
        {
            (self.0, *input) = (vec![*byte; 3], rest);
        }
        Ok(self.0.pop())
    }

    fn encode(&mut self, item: Bytes, output: &mut Output) {
        output.shared(item);
    }

    fn input_max(&self) -> usize {
        1
    }
}

impl Script for Thrice {
    fn new() -> Self {
        Thrice::default()
    }

    fn show(item: &u8) -> Option<String> {
        Some(char::from(*item).into())
    }
}

#[test]
fn an_item_without_bytes_behind_a_pause_was_left_until_more_bytes_came() {
    let journal = Journal::default();
    let server = Actor::<Thrice>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Input(_) = moment {
            wire.pause(cx);
        }
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    journal.take();
    put(&mut rig, "client", "1");
    for expected in ["1", "1", "1", ""] {
        rig.settle();
        assert_eq!(journal.take_of("server").concat(), expected);
        direct::<Thrice>(&mut rig, "server", |peer, cx| peer.wire().expect("connected").resume(cx));
    }
    put(&mut rig, "client", "2");
    rig.settle();
    assert_eq!(journal.take_of("server"), ["2"]);
    // The same applies when no more input can arrive.
    direct::<Stream>(&mut rig, "client", Peer::close);
    for expected in [&[""; 0][..], &["2"], &["2"], &["the peer has ended"]] {
        rig.settle();
        assert_eq!(journal.take_of("server"), expected);
        direct::<Thrice>(&mut rig, "server", |peer, cx| peer.wire().expect("connected").resume(cx));
    }
}

#[test]
fn an_item_without_bytes_behind_the_last_of_a_turn_was_left_until_more_bytes_came() {
    let journal = Journal::default();
    let mut rig =
        pair(Actor::<Thrice>::new("server", &journal), Actor::<Stream>::new("client", &journal));
    journal.take();
    let bytes = usize::from(ITEMS_PER_TURN).div_ceil(3);
    put(&mut rig, "client", "x".repeat(bytes));
    rig.settle();
    assert_eq!(journal.take_of("server").len(), 3 * bytes);
}

#[test]
fn the_end_waits_behind_items_that_are_paused() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Connected = moment {
            wire.pause(cx);
        }
    });
    let client = Actor::<Line>::doing("client", &journal, |cx, wire, moment| {
        if let Moment::Connected = moment {
            wire.put(cx, "last words");
            wire.finish(cx);
        }
    });
    let mut rig = pair(server, client);
    assert_eq!(journal.take_of("server"), ["connected"]);
    direct::<Line>(&mut rig, "server", |peer, cx| peer.wire().expect("connected").resume(cx));
    rig.settle();
    assert_eq!(journal.take_of("server"), ["last words", "the peer has ended"]);
}

#[test]
fn a_reset_was_not_noticed_while_the_connection_was_paused() {
    for pauses_first in [true, false] {
        let journal = Journal::default();
        let server =
            Actor::<Line>::doing("server", &journal, move |cx, wire, moment| match moment {
                Moment::Connected if pauses_first => wire.pause(cx),
                Moment::Input(_) => wire.pause(cx),
                _ => {}
            });
        let client = Actor::<Line>::doing("client", &journal, |cx, wire, moment| {
            if let Moment::Connected = moment {
                wire.pause(cx);
                wire.put(cx, "one");
                wire.put(cx, "two");
            }
        });
        let mut rig = pair(server, client);
        // What the client has not read makes its end a reset.
        direct::<Line>(&mut rig, "server", |peer, cx| {
            peer.put(cx, "unread");
        });
        rig.settle();
        journal.take();
        direct::<Line>(&mut rig, "client", |peer, cx| peer.wire().expect("connected").close(cx));
        rig.settle();
        assert_eq!(journal.take_of("server"), ["disconnected, connection reset"]);
    }
}

#[test]
fn a_close_in_the_first_of_three_items_takes_effect_at_once() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Input(_) = moment {
            wire.close(cx);
            assert_eq!(wire.put(cx, "too late"), Put::Gone);
            assert!(!wire.is_open(cx) && wire.peer(cx).is_none() && wire.unsent(cx) == 0);
        }
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    put(&mut rig, "client", "1\n2\n3\n");
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!(seen, ["connected", "1", "disconnected, this side has closed the connection"]);
}

#[test]
fn no_item_comes_after_finish() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Input(line) = moment {
            wire.put_last(cx, line);
            assert_eq!(wire.put(cx, "too late"), Put::Gone);
        }
    });
    let mut rig = pair(server, Actor::<Line>::new("client", &journal));
    direct::<Line>(&mut rig, "client", |peer, cx| {
        for line in ["1", "2", "3"] {
            peer.put(cx, line);
        }
    });
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!(seen, ["connected", "1", "flushed", "disconnected, all has been sent"]);
    let seen = journal.take_of("client");
    assert_eq!(
        seen,
        ["connected", "flushed", "1", "the peer has ended", "disconnected, all has been sent"]
    );
}

#[test]
fn marks_are_reported_once_for_each_crossing() {
    let journal = Journal::default();
    let server = Actor::<Stream>::new("server", &journal).marks(20, 100_000);
    // The client reads one pipe's worth each time that it is told to go on.
    let client = Actor::<Stream>::doing("client", &journal, |cx, wire, moment| {
        if let Moment::Connected | Moment::Input(_) = moment {
            wire.pause(cx);
        }
    });
    let mut rig = pair(server, client);
    journal.take();
    let read = |rig: &mut Rig| {
        direct::<Stream>(rig, "client", |peer, cx| peer.wire().expect("connected").resume(cx));
        rig.settle();
    };
    for _ in 0..2 {
        let mut fill = |bytes, expected| {
            direct::<Stream>(&mut rig, "server", move |peer, cx| {
                assert_eq!(peer.put(cx, zeros(bytes)), expected);
            });
            rig.settle();
        };
        fill(PIPE + 99_999, Put::Flowing);
        assert_eq!(journal.take_of("server"), [""; 0], "a byte is missing at the high mark");
        fill(1, Put::Full);
        assert_eq!(journal.take_of("server"), ["full"]);
        fill(31_072, Put::Full);
        assert_eq!(journal.take_of("server"), [""; 0], "it was full already");
        read(&mut rig); // now 65,536 are unsent: between the marks
        let mut fill = |bytes, expected| {
            direct::<Stream>(&mut rig, "server", move |peer, cx| {
                assert_eq!(peer.put(cx, zeros(bytes)), expected);
            });
        };
        fill(20, Put::Full);
        assert_eq!(journal.take_of("server"), [""; 0], "it has not been drained");
        read(&mut rig); // now 20 are unsent: the low mark
        assert_eq!(journal.take_of("server"), ["drained"]);
        read(&mut rig);
        assert_eq!(journal.take_of("server"), ["flushed"]);
        read(&mut rig); // the pipe is empty again
    }
}

#[test]
fn two_marks_that_are_crossed_in_one_turn_are_delivered_in_their_order() {
    let journal = Journal::default();
    let full = || zeros(PIPE + 100);
    let server = Actor::<Stream>::doing("server", &journal, move |cx, wire, moment| {
        if let Moment::Connected | Moment::Input(_) = moment {
            wire.put(cx, full());
        }
    });
    // The client reads one pipe's worth, and answers in the same turn.
    let client = Actor::<Stream>::doing("client", &journal, |cx, wire, moment| match moment {
        Moment::Connected => wire.pause(cx),
        Moment::Input(_) => {
            wire.put(cx, zeros(1));
            wire.pause(cx);
        }
        _ => {}
    });
    let mut rig = pair(server.marks(20, 100), client);
    assert_eq!(journal.take_of("server"), ["connected", "full"]);
    direct::<Stream>(&mut rig, "client", |peer, cx| peer.wire().expect("connected").resume(cx));
    rig.settle();
    assert_eq!(journal.take_of("server"), ["drained", "full"]);
}

#[test]
fn marks_that_make_no_sense_are_a_mistake() {
    for (low, high, panics) in [(9, 10, 0), (10, 10, 1), (11, 10, 1)] {
        let journal = Journal::default();
        let server = Actor::<Stream>::new("server", &journal).marks(low, high);
        let rig = pair(server, Actor::<Stream>::new("client", &journal));
        assert_eq!(rig.stats().panics, panics, "{low} and {high}");
    }
}

#[test]
fn each_put_that_is_apart_is_flushed_once() {
    let journal = Journal::default();
    let server = Actor::<Line>::new("server", &journal);
    let mut rig = pair(server, Actor::<Line>::new("client", &journal));
    journal.take();
    for count in 1..=3 {
        rig.run_for(Duration::from_millis(10));
        direct::<Line>(&mut rig, "client", |peer, cx| {
            assert_eq!(peer.put(cx, "line"), Put::Flowing);
        });
        rig.settle();
        assert_eq!(journal.take_of("client"), ["flushed"], "put {count}");
    }
    assert_eq!(journal.take_of("server"), ["line"; 3]);
}

#[test]
fn a_put_in_flushed_is_flushed_in_its_turn() {
    let journal = Journal::default();
    let mut left = 3;
    let client = Actor::<Line>::doing("client", &journal, move |cx, wire, moment| {
        if let Moment::Connected | Moment::Flushed = moment
            && left > 0
        {
            left -= 1;
            wire.put(cx, format!("{left} left"));
        }
    });
    let _rig = pair(Actor::<Line>::new("server", &journal), client);
    assert_eq!(journal.take_of("client"), ["connected", "flushed", "flushed", "flushed"]);
    assert_eq!(journal.take_of("server"), ["connected", "2 left", "1 left", "0 left"]);
}

/// A client that does not read until it is told to, and counts what it has read.
fn counting(journal: &Journal) -> (Actor<Stream>, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let client = Actor::<Stream>::doing("client", journal, move |cx, wire, moment| match moment {
        Moment::Connected => wire.pause(cx),
        Moment::Input(bytes) => counted.set(counted.get() + bytes.len()),
        Moment::Ended => wire.finish(cx),
        _ => {}
    });
    (client, count)
}

#[test]
fn finish_sends_everything_first_and_then_the_end() {
    let journal = Journal::default();
    let (client, count) = counting(&journal);
    let mut rig = pair(Actor::<Stream>::new("server", &journal), client);
    direct::<Stream>(&mut rig, "server", |peer, cx| {
        let wire = peer.wire().expect("connected");
        wire.put(cx, zeros(300_000));
        wire.finish(cx);
        assert_eq!(wire.unsent(cx), 300_000 - PIPE);
    });
    rig.run_for(Duration::from_secs(1));
    assert_eq!(journal.take_of("server"), ["connected"]);
    direct::<Stream>(&mut rig, "client", |peer, cx| peer.wire().expect("connected").resume(cx));
    rig.settle();
    assert_eq!(count.get(), 300_000);
    let seen = journal.take_of("client");
    assert_eq!(seen, ["connected", "the peer has ended", "disconnected, all has been sent"]);
    assert_eq!(journal.take_of("server"), ["flushed", "disconnected, all has been sent"]);
}

#[test]
fn a_peer_that_does_not_take_its_last_bytes_is_given_up_in_time() {
    let journal = Journal::default();
    let (client, _) = counting(&journal);
    let mut rig = pair(Actor::<Stream>::new("server", &journal), client);
    journal.take();
    direct::<Stream>(&mut rig, "server", |peer, cx| {
        let wire = peer.wire().expect("connected");
        wire.put_last(cx, zeros(PIPE + 1));
    });
    rig.run_for(FINISH_TIME.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(journal.take_of("server"), [""; 0]);
    rig.run_for(Duration::from_nanos(1));
    assert_eq!(journal.take_of("server"), ["disconnected, timed out"]);
}

#[test]
fn a_peer_that_does_not_end_is_awaited_for_a_limited_time() {
    let journal = Journal::default();
    let client = Actor::<Line>::doing("client", &journal, |_, _, _| ());
    let mut rig = pair(Actor::<Line>::new("server", &journal), client);
    journal.take();
    direct::<Line>(&mut rig, "server", |peer, cx| {
        peer.wire().expect("connected").put_last(cx, "bye");
    });
    rig.run_for(LINGER_TIME.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(journal.take_of("client"), ["bye", "the peer has ended"]);
    assert_eq!(journal.take_of("server"), ["flushed"]);
    rig.run_for(Duration::from_nanos(1));
    assert_eq!(journal.take_of("server"), ["disconnected, all has been sent"]);
}

#[test]
fn a_peer_that_goes_on_sending_still_gets_the_last_words() {
    let journal = Journal::default();
    let client = Actor::<Stream>::doing("client", &journal, |cx, wire, moment| match moment {
        Moment::Connected => {
            wire.put(cx, "the question\n");
            wire.put(cx, zeros(LINGER_BYTES / 2));
        }
        Moment::Input(bytes) => assert_eq!(bytes, "the answer\n"),
        Moment::Ended => wire.finish(cx),
        _ => {}
    });
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Input(_) = moment {
            wire.put_last(cx, "the answer");
        }
    });
    let _rig = pair(server, client);
    let seen = journal.take_of("client");
    let last = ["the peer has ended", "flushed", "disconnected, all has been sent"];
    assert_eq!(seen[1..], last);
}

#[test]
fn a_peer_that_sends_forever_after_the_end_is_not_read_forever() {
    let journal = Journal::default();
    let client = Actor::<Stream>::doing("client", &journal, |cx, wire, moment| {
        if let Moment::Connected | Moment::Flushed = moment {
            wire.put(cx, zeros(PIPE));
        }
    });
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Connected = moment {
            wire.put_last(cx, "go away");
        }
    });
    let rig = pair(server, client);
    assert_eq!(rig.elapsed(), Duration::ZERO);
    let seen = journal.take_of("server");
    assert_eq!(seen, ["connected", "flushed", "disconnected, all has been sent"]);
    assert!(journal.take_of("client").last().expect("it lives").starts_with("disconnected"));
}

#[test]
fn a_peer_that_resets_is_a_failure() {
    let journal = Journal::default();
    let (client, _) = counting(&journal);
    let mut rig = pair(Actor::<Stream>::new("server", &journal), client);
    put(&mut rig, "server", "unread");
    rig.settle();
    direct::<Stream>(&mut rig, "client", Peer::close);
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!(seen, ["connected", "flushed", "disconnected, connection reset"]);
}

#[test]
fn a_peer_with_too_much_unsent_output_is_closed() {
    let journal = Journal::default();
    let (client, _) = counting(&journal);
    let mut rig = pair(Actor::<Stream>::new("server", &journal), client);
    journal.take();
    let mut fill = |bytes| {
        direct::<Stream>(&mut rig, "server", move |peer, cx| {
            assert_eq!(peer.put(cx, zeros(bytes)), Put::Flowing);
        });
        rig.settle();
    };
    fill(PIPE + OUTPUT_MAX);
    fill(1); // as much as may wait was waiting, and this was put in good faith
    assert_eq!(journal.take_of("server"), [""; 0]);
    direct::<Stream>(&mut rig, "server", |peer, cx| {
        assert_eq!(peer.put(cx, zeros(1)), Put::Gone);
    });
    rig.settle();
    let why = "the peer does not read: more than 16777216 bytes are unsent";
    assert_eq!(journal.take_of("server"), [format!("disconnected, {why}")]);
}

#[test]
fn input_that_the_filter_rejects_ends_the_input_but_not_the_output() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Ended = moment {
            wire.put_last(cx, "a line is too long");
        }
    });
    let client = Actor::<Line>::new("client", &journal);
    let mut rig = pair(server, client);
    direct::<Line>(&mut rig, "client", |peer, cx| {
        peer.put(cx, "x".repeat(LINE_BYTES));
        peer.put(cx, "x".repeat(LINE_BYTES + 1));
        peer.put(cx, "not read");
    });
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!((&*seen[0], seen[1].len()), ("connected", LINE_BYTES));
    let last = ["a line is longer than 65536 bytes", "flushed", "disconnected, all has been sent"];
    assert_eq!(seen[2..], last);
    let seen = journal.take_of("client");
    assert!(seen.iter().any(|line| line == "a line is too long"));
}

#[test]
fn a_peer_that_sends_nonsense_and_more_still_gets_the_last_words() {
    let journal = Journal::default();
    let server = Actor::<Line>::doing("server", &journal, |cx, wire, moment| {
        if let Moment::Ended = moment {
            wire.put_last(cx, "a line is too long");
        }
    });
    let heard = Rc::new(Cell::new(0));
    let hears = Rc::clone(&heard);
    let client = Actor::<Stream>::doing("client", &journal, move |cx, wire, moment| match moment {
        Moment::Connected => drop(wire.put(cx, zeros(3 * LINE_BYTES))),
        Moment::Input(bytes) => hears.set(hears.get() + bytes.len()),
        Moment::Ended => wire.finish(cx),
        _ => {}
    });
    let _rig = pair(server, client);
    assert_eq!(heard.get(), "a line is too long\n".len());
    let seen = journal.take_of("client");
    assert_eq!(seen.last().expect("it was connected"), "disconnected, all has been sent");
}

#[test]
fn requests_wait_for_the_answers_before_them() {
    let journal = Journal::default();
    let server = Actor::<Httpd>::doing("server", &journal, |_, _, _| ());
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    journal.take();
    put(&mut rig, "client", "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    for expected in [&["GET /1"][..], &["GET /2", "flushed"]] {
        rig.settle();
        assert_eq!(journal.take_of("server"), expected);
        direct::<Httpd>(&mut rig, "server", |peer, cx| {
            peer.put(cx, masque::filters::Response::new(Bytes::new()));
        });
    }
    rig.settle();
    assert_eq!(journal.take_of("server"), ["flushed"]);
}

#[test]
fn a_request_came_after_finish_where_the_client_had_ended() {
    let journal = Journal::default();
    let mut requests = 0;
    let server = Actor::<Httpd>::doing("server", &journal, move |cx, wire, moment| {
        if let Moment::Input(_) = moment {
            requests += 1;
            if requests == 2 {
                wire.put_last(cx, masque::filters::Response::new(Bytes::new()));
            }
        }
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    journal.take();
    put(&mut rig, "client", "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3));
    direct::<Stream>(&mut rig, "client", |peer, cx| peer.wire().expect("connected").finish(cx));
    rig.settle();
    assert_eq!(journal.take_of("server"), ["GET /", "the peer has ended"]);
    direct::<Httpd>(&mut rig, "server", |peer, cx| {
        peer.put(cx, masque::filters::Response::new(Bytes::new()));
    });
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!(seen, ["GET /", "flushed", "disconnected, all has been sent"]);
}

#[test]
fn an_idle_connection_whose_filter_should_close_was_left_open() {
    let journal = Journal::default();
    let server = Actor::<Httpd>::doing("server", &journal, |cx, wire, moment| match moment {
        Moment::Input(_) => drop(wire.put(cx, masque::filters::Response::new("yes".into()))),
        Moment::Ended => wire.finish(cx),
        _ => {}
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    put(&mut rig, "client", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.settle();
    assert_eq!(journal.take_of("server"), ["connected", "GET /", "flushed"]);
    direct::<Httpd>(&mut rig, "server", |peer, cx| {
        let wire = peer.wire().expect("connected");
        wire.filter_mut(cx).expect("connected").close_after_answer();
    });
    rig.settle();
    assert_eq!(journal.take_of("server"), ["disconnected, all has been sent"]);
}

/// Lines once it is told to, and nothing before that.
#[derive(Default)]
struct Switch(Option<Line>);

impl Filter for Switch {
    type In = String;
    type Out = Bytes;
    type Error = masque::filters::LineError;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<String>, Self::Error> {
        self.0.as_mut().map_or(Ok(None), |line| line.decode(input))
    }

    fn encode(&mut self, item: Bytes, output: &mut Output) {
        output.shared(item);
    }

    fn input_max(&self) -> usize {
        LINE_BYTES
    }
}

impl Script for Switch {
    fn new() -> Self {
        Switch::default()
    }

    fn show(item: &String) -> Option<String> {
        Some(item.clone())
    }
}

#[test]
fn received_bytes_did_not_reach_a_new_filter_until_more_arrived() {
    let journal = Journal::default();
    let mut rig =
        pair(Actor::<Switch>::new("server", &journal), Actor::<Stream>::new("client", &journal));
    journal.take();
    put(&mut rig, "client", "one\ntwo\nthr");
    rig.settle();
    assert_eq!(journal.take_of("server"), [""; 0]);
    direct::<Switch>(&mut rig, "server", |peer, cx| {
        let wire = peer.wire().expect("connected");
        *wire.filter_mut(cx).expect("connected") = Switch(Some(Line::new()));
    });
    rig.settle();
    assert_eq!(journal.take_of("server"), ["one", "two"]);
    put(&mut rig, "client", "ee\n");
    rig.settle();
    assert_eq!(journal.take_of("server"), ["three"]);
}
