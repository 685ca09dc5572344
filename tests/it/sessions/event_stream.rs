//! Streams of server-sent events: a slow reader costs little and misses old events.

use crate::support::actor::local;
use bytes::Bytes;
use masque::filters::{Httpd, Request, Response, ServerSentEvent, Stream};
use masque::reactor::{Cx, Event, Handlers, Rig, Session, SessionId, Socket};
use masque::sessions::{Connection, EventStream, TcpClient, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

/// A session that sends the events that the test gives it.
struct Subscriber {
    wire: ReadWrite<Httpd>,
    stream: Option<EventStream>,
}

impl Subscriber {
    const REQUEST: Event<Result<Request, Response>> = Event::new("subscriber.request");
    const ENDED: Event<Ended> = Event::new("subscriber.ended");
    const FULL: Event<()> = Event::new("subscriber.full");
    const DRAINED: Event<()> = Event::new("subscriber.drained");
    const TELL: Event<(&'static str, Bytes)> = Event::new("subscriber.tell");
    const BEAT: Event<()> = Event::new("subscriber.beat");
    const UNSENT: Event<(), usize> = Event::new("subscriber.unsent");

    fn new(cx: &mut Cx<'_>, socket: Socket) -> std::io::Result<Self> {
        let _ = cx.alias("subscriber");
        let wire = ReadWrite::new(cx, socket, Httpd::new(), Self::REQUEST, Self::ENDED)?;
        Ok(Subscriber { wire, stream: None })
    }

    fn stream(&mut self) -> &mut EventStream {
        self.stream.as_mut().expect("it has subscribed")
    }
}

impl Session for Subscriber {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::REQUEST, |me, cx, _| {
            me.stream = Some(EventStream::start(cx, me.wire, Self::FULL, Self::DRAINED));
        })
        .on(Self::ENDED, |_, cx, _| cx.stop())
        .on(Self::FULL, |_, _, ()| ())
        .on(Self::DRAINED, |me, cx, ()| me.stream().drained(cx))
        .on(Self::TELL, |me, cx, (kind, event)| me.stream().send(cx, kind, &event))
        .on(Self::BEAT, |me, cx, ()| me.stream().heartbeat(cx))
        .on(Self::UNSENT, |me, cx, ()| me.wire.unsent(cx));
    }
}

/// A client that reads when it is told to, and notes what it got.
#[derive(Clone, Default)]
struct Reader {
    got: Rc<RefCell<String>>,
    /// Pauses after each read, which empties the network's pipe.
    is_stepping: bool,
}

impl Connection for Reader {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    fn events(on: &mut Handlers<masque::sessions::Peer<Self>>) {
        on.on(PAUSE, |peer, cx, is_paused| match (peer.wire(), is_paused) {
            (Some(wire), true) => wire.pause(cx),
            (Some(wire), false) => wire.resume(cx),
            (None, _) => panic!("it is not connected"),
        });
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, bytes: Bytes) {
        self.got.borrow_mut().push_str(std::str::from_utf8(&bytes).expect("it is text"));
        if self.is_stepping {
            wire.pause(cx);
        }
    }
}

const PAUSE: Event<bool> = Event::new("reader.pause");

/// A subscriber whose client has read the head of the stream.
fn subscribed(reader: Reader) -> (Rig, SessionId) {
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(local(1)).accept(|cx, accepted| {
        let Ok(_) = cx.spawn_with(|cx| {
            Ok::<_, Infallible>(Subscriber::new(cx, accepted.socket).expect("it is in memory"))
        });
    }));
    let reader = rig.spawn(TcpClient::new(local(1)).run(reader));
    rig.settle();
    (rig, reader)
}

fn tell(rig: &mut Rig, kind: &'static str, text: &str) {
    let event = ServerSentEvent::new(text).encode();
    rig.post("subscriber", Subscriber::TELL, (kind, event)).expect("it is there");
    rig.settle();
}

fn unsent(rig: &mut Rig) -> usize {
    rig.call("subscriber", Subscriber::UNSENT, ()).expect("it is there")
}

#[test]
fn a_subscriber_is_slow_from_64_kib_on_until_16_kib_are_unsent() {
    const PIPE: usize = 64 * 1024;
    // Some bytes more than its text, for the event's field and the chunk's size.
    let mut overhead = 0;
    for (bytes, is_slow) in [(1, false), (PIPE - 1, false), (PIPE, true)] {
        let (mut rig, reader) = subscribed(Reader { is_stepping: true, ..Reader::default() });
        rig.post(reader, PAUSE, true).expect("it is there");
        rig.settle();
        tell(&mut rig, "filler", &"x".repeat(PIPE + bytes - overhead));
        overhead += unsent(&mut rig) - bytes;
        assert!(overhead < 20, "{overhead}");
        if overhead > 0 && bytes > 1 {
            assert_eq!(unsent(&mut rig), bytes);
            tell(&mut rig, "document", "document 1");
            assert_eq!(unsent(&mut rig) == bytes, is_slow, "with {bytes} bytes unsent");
        }
    }
    for (left, is_slow) in [(16 * 1024 + 1, true), (16 * 1024, false)] {
        let (mut rig, reader) = subscribed(Reader { is_stepping: true, ..Reader::default() });
        rig.post(reader, PAUSE, true).expect("it is there");
        rig.settle();
        tell(&mut rig, "filler", &"x".repeat(2 * PIPE + left - overhead));
        tell(&mut rig, "document", "document 1");
        assert_eq!(unsent(&mut rig), PIPE + left);
        rig.post(reader, PAUSE, false).expect("it is there");
        rig.settle();
        assert_eq!(unsent(&mut rig) == left, is_slow, "when {left} bytes are left");
    }
}

#[test]
fn one_that_does_not_read_gets_the_newest_of_each_kind_when_it_does() {
    let reader = Reader::default();
    let got = Rc::clone(&reader.got);
    let (mut rig, reader) = subscribed(reader);
    assert!(got.borrow().contains("content-type: text/event-stream\r\n"), "{}", got.borrow());

    rig.post(reader, PAUSE, true).expect("it is there");
    rig.settle();
    // What fills the socket and the buffer behind it.
    let big = "x".repeat(300_000);
    for _ in 0..4 {
        tell(&mut rig, "filler", &big);
    }
    let before = unsent(&mut rig);
    assert!(before > 0, "the network takes it all");
    for n in 0..100 {
        tell(&mut rig, "document", &format!("document {n}"));
        tell(&mut rig, "feed", &format!("feed {n}"));
        rig.post("subscriber", Subscriber::BEAT, ()).expect("it is there");
        rig.settle();
    }
    assert_eq!(unsent(&mut rig), before, "nothing more is kept for it");

    rig.post(reader, PAUSE, false).expect("it is there");
    rig.settle();
    let got = got.borrow();
    let told: Vec<_> = got.lines().filter(|line| line.len() < 100).collect();
    let told: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(told, ["document 99", "feed 99"]);
    assert!(!got.contains("\n:\n"), "a connection that is not quiet needs no sign of life");
    drop(got);

    tell(&mut rig, "document", "document 100");
    assert_eq!(unsent(&mut rig), 0, "it goes on as before");
}
