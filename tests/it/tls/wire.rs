//! The bytes of a connection are the same with TLS as without, however the network splits them.

use super::certificates::{Authority, of};
use super::server::{Heard, Say, Secure};
use super::stage::{Dialer, SERVER, TROUBLED, Trouble, say, serve};
use bytes::Bytes;
use masque::filters::{Line, Stream};
use masque::reactor::{Cx, Rig, Trust};
use masque::sessions::Connection;
use masque::wheels::{Ended, ReadWrite};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Sends what it has, then reads until so much has come, and ends.
pub(super) struct Client {
    to_send: Bytes,
    awaited: usize,
    came: Came,
}

/// The received bytes and the events.
#[derive(Clone, Default)]
pub(super) struct Came(Rc<RefCell<Vec<u8>>>, Rc<RefCell<Vec<String>>>);

impl Client {
    pub(super) fn new(to_send: Vec<u8>, awaited: usize) -> (Self, Came) {
        let came = Came::default();
        (Client { to_send: to_send.into(), awaited, came: came.clone() }, came)
    }
}

impl Came {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    /// How it ended, step by step.
    pub(super) fn ends(&self) -> Vec<String> {
        self.1.borrow().clone()
    }
}

impl Connection for Client {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        if !self.to_send.is_empty() {
            wire.put(cx, std::mem::take(&mut self.to_send));
            assert!(wire.unsent(cx) > 0, "nothing is taken before the handshake is done");
        }
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, bytes: Bytes) {
        self.came.0.borrow_mut().extend_from_slice(&bytes);
        if self.came.0.borrow().len() == self.awaited {
            wire.finish(cx);
        }
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, why: &Ended) {
        self.came.1.borrow_mut().push(why.to_string());
        wire.finish(cx);
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.came.1.borrow_mut().push(why.to_string());
    }
}

/// Bytes in which a loss, a repetition or an exchange is seen.
pub(super) fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A client that sends so much and awaits so much, at `port`.
fn dial(rig: &mut Rig, authority: &Authority, port: u16, sent: Vec<u8>, awaited: usize) -> Came {
    let trust = Trust::authority(authority.pem().as_bytes()).unwrap();
    let (client, came) = Client::new(sent, awaited);
    rig.spawn(Dialer::new(port, move |cx, socket| {
        (client, socket.into_tls(&trust, "couch", cx.date()).unwrap())
    }));
    came
}

/// An echo of `bytes` by a server that takes new keys now and then.
#[track_caller]
fn check_echo(
    bytes: &[u8],
    trouble: Option<Trouble>,
    versions: &[&'static SupportedProtocolVersion],
) {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server_of(versions);
    let (mut turns, has_new_keys) = (0, versions.contains(&&TLS13));
    let (mut rig, heard) = serve(&config, move |cx, wire, bytes| {
        if !bytes.is_empty() {
            say(cx, wire, bytes);
            turns += 1;
            if has_new_keys && turns % 5 == 0 {
                wire.put(cx, Say::NewKeys);
            }
        }
    });
    let port = trouble.map_or(SERVER, |trouble| {
        trouble.spawn(&mut rig);
        TROUBLED
    });
    let came = dial(&mut rig, &authority, port, bytes.to_vec(), bytes.len());
    rig.run_for(Duration::from_secs(10));
    assert!(heard.bytes() == bytes, "the server heard {} bytes", heard.bytes().len());
    assert!(came.bytes() == bytes, "the client heard {} bytes", came.bytes().len());
    assert_eq!(came.ends(), ["all has been sent"]);
    assert_eq!(heard.ends(), ["in good order"]);
}

#[test]
fn an_echo_of_any_size_in_each_version() {
    for size in [1, 16_384, 16_385, 65_536, 65_537, 1_000_000, 5_000_000] {
        check_echo(&noise(size), None, &[&TLS13]);
        check_echo(&noise(size), None, &[&TLS12]);
    }
}

#[test]
fn an_echo_byte_by_byte() {
    check_echo(&noise(3000), Some(Trouble::pieces(&[1])), &[&TLS13]);
    check_echo(&noise(3000), Some(Trouble::pieces(&[1])), &[&TLS12]);
}

#[test]
fn an_echo_in_random_pieces() {
    for seed in 0..10 {
        let mut pieces = noise(100 + seed);
        pieces.drain(..seed);
        let scale = [1, 3, 50, 700][seed % 4];
        let pieces: Vec<_> = pieces.iter().map(|size| usize::from(*size) * scale + 1).collect();
        check_echo(&noise(300_000), Some(Trouble::pieces(&pieces)), &[&TLS13]);
    }
}

/// Says a line, if any, and writes down lines.
struct Listener {
    first: &'static str,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Connection for Listener {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        if !self.first.is_empty() {
            wire.put(cx, self.first);
        }
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, line: String) {
        self.lines.borrow_mut().push(line);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, why: &Ended) {
        self.lines.borrow_mut().push(why.to_string());
        wire.finish(cx);
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.lines.borrow_mut().push(why.to_string());
    }
}

/// What a client that says `first` hears of a server that does as `act` does when that has come.
fn listen(
    first: &'static str,
    act: impl Fn(&mut Cx<'_>, ReadWrite<Secure>) + 'static,
) -> (Vec<String>, Heard) {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server();
    let (mut rig, heard) = serve(&config, move |cx, wire, bytes| {
        if bytes.is_empty() == first.is_empty() {
            act(cx, wire);
        }
    });
    let (lines, trust) = (Rc::default(), Trust::authority(authority.pem().as_bytes()).unwrap());
    let listener = Listener { first, lines: Rc::clone(&lines) };
    rig.spawn(Dialer::new(SERVER, move |cx, socket| {
        (listener, socket.into_tls(&trust, "couch", cx.date()).unwrap())
    }));
    rig.run_for(Duration::from_secs(10));
    (lines.take(), heard)
}

#[test]
fn a_server_may_speak_first() {
    let (lines, _) = listen("", |cx, wire| say(cx, wire, "220 hello\n"));
    assert_eq!(lines, ["220 hello"]);
}

#[test]
fn an_announced_end_is_an_end_even_if_the_connection_stays() {
    let (lines, heard) = listen("hello", |cx, wire| {
        say(cx, wire, "one\ntwo");
        wire.put(cx, Say::End);
    });
    assert_eq!(lines, ["one", "two", "the peer has ended", "all has been sent"]);
    assert_eq!(heard.ends(), ["in good order"]);
}

#[test]
fn an_unannounced_end_is_a_cut_after_the_received_data() {
    let (lines, _) = listen("hello", |cx, wire| {
        say(cx, wire, "one\ntwo");
        wire.finish(cx);
    });
    assert_eq!(lines, ["one", "the connection was cut: TLS was not ended"]);
}
