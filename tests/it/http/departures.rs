//! Clients that leave while nothing is read from them.

use super::{Caller, GOOD, LATER, Talk, answer, secs};
use crate::support::actor::{Journal, local};
use masque::filters::{Httpd, Reply, Request, Response};
use masque::limits::{HTTP_HEAD_BYTES, HTTP_OUTPUT_HIGH};
use masque::reactor::{Cx, Handlers, Rig};
use masque::sessions::{Connection, Peer, TcpServer};
use masque::wheels::{Ended, ReadWrite};

const LEFT: &str = "all has been sent";
const RESET: &str = "connection reset";

/// More requests than are read while the first one waits for its answer.
fn more_than_is_read() -> String {
    GOOD.repeat(HTTP_HEAD_BYTES / GOOD.len() + 100)
}

/// A client whose second request is never answered, with more behind it. The first answer is not
/// read, so that a client that closes resets the connection.
fn parked(reads: bool) -> Talk {
    let mut talk = Talk::new(Httpd::new(), |cx, wire: ReadWrite<Httpd>, item| {
        if item.as_ref().is_ok_and(|request| request.uri().path() == "/first") {
            wire.put(cx, answer(item));
        }
    });
    if !reads {
        talk.slow_down();
    }
    talk.send(GOOD.replace("good", "first"));
    talk.send(GOOD);
    talk.send(more_than_is_read());
    assert_eq!(talk.connections(), 1);
    talk
}

#[test]
fn a_client_that_left_was_kept_when_much_was_pipelined_behind_its_poll() {
    let mut talk = parked(true);
    talk.client(|cx, wire| wire.close(cx));
    assert_eq!((talk.journal.take(), talk.connections()), (vec![LEFT.to_owned()], 0));
}

#[test]
fn a_client_that_reset_its_connection_was_kept_when_much_was_pipelined_behind_its_poll() {
    let mut talk = parked(false);
    talk.client(|cx, wire| wire.close(cx));
    assert_eq!((talk.journal.take(), talk.connections()), (vec![RESET.to_owned()], 0));
}

#[test]
fn a_client_that_left_was_kept_while_it_had_not_read_what_waited_for_it() {
    for reads in [false, true] {
        let mut talk = Talk::new(Httpd::new(), |cx, wire: ReadWrite<Httpd>, _| {
            wire.put(cx, Reply::Start(http::Response::new(())));
            wire.put(cx, Reply::Data(vec![b'x'; 4 * HTTP_OUTPUT_HIGH].into()));
        });
        talk.slow_down();
        talk.send(GOOD);
        talk.send(more_than_is_read());
        if reads {
            talk.client(|cx, wire| wire.finish(cx));
            talk.run_for(secs(3));
        }
        talk.client(|cx, wire| wire.close(cx));
        assert_eq!(talk.connections(), 0, "{:?}", talk.journal.take());
    }
}

/// Answers the first request a second later, and ends when the client has ended and all is
/// answered.
struct Patient(Journal);

impl Connection for Patient {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        Httpd::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(LATER, |peer, cx, reply| {
            peer.put(cx, reply);
        });
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, item: Result<Request, Response>) {
        if item.as_ref().is_ok_and(|request| request.uri().path() == "/first") {
            cx.delay(LATER, secs(1), answer(item).into());
        } else {
            wire.put(cx, answer(item));
        }
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, why: &Ended) {
        self.0.note(why.to_string());
        wire.finish_after_input(cx);
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.0.note(why.to_string());
    }
}

#[test]
fn requests_behind_a_poll_were_lost_when_the_client_ended_its_half() {
    const BEHIND: usize = 900; // 29 KB: more than is read ahead, and more than a turn's items
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let ends = journal.clone();
    rig.spawn(TcpServer::new(local(1)).serve(move |_| Patient(ends.clone())));
    rig.spawn(Caller(None));
    rig.settle();
    let said = [&GOOD.replace("good", "first"), &*GOOD.repeat(BEHIND)].concat();
    rig.call("caller", Caller::SAY, said.into()).expect("it is there");
    rig.settle();
    assert_eq!(journal.take(), ["the peer has ended"], "it is told at once");
    let mut heard = vec![];
    for _ in 0..40 {
        rig.run_for(secs(1));
        heard.extend(rig.call("caller", Caller::HEAR, ()).expect("it is there"));
    }
    let heard = String::from_utf8(heard).expect("answers are text");
    assert_eq!(heard.matches("GET /good").count(), BEHIND);
    assert!(heard.contains("GET /first"), "the poll is answered as well");
    assert_eq!(journal.take(), [LEFT], "and it ends once");
}
