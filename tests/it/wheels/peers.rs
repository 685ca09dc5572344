//! Peers that read slowly, not at all, or are gone: on the system's sockets.

use crate::support::folder::Folder;
use crate::support::{PATIENCE, wait_until};
use bytes::Bytes;
use masque::filters::{Httpd, Line, Marks, Request, Response, Stall};
use masque::limits::{HTTP_OUTPUT_HIGH, HTTP_OUTPUT_LOW};
use masque::reactor::{Cx, Endpoint, ListeningSocket, Reactor, SessionId};
use masque::sessions::{Connection, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use socket2::{Domain, SockAddr, Socket, Type};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The time in which a client of these tests must take something.
const STALL_TIME: Duration = Duration::from_secs(1);

/// More than the system keeps for a peer by itself.
const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// Answers each request with a long document and notes how each connection ends.
struct Library(Rc<RefCell<Vec<String>>>);

impl Connection for Library {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        let (high, low) = (HTTP_OUTPUT_HIGH, HTTP_OUTPUT_LOW);
        Httpd::new().with_stall(Stall { marks: Marks { high, low }, time: STALL_TIME })
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, _: Result<Request, Response>) {
        wire.put(cx, Response::new(Bytes::from(vec![b'x'; DOCUMENT_BYTES])));
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.0.borrow_mut().push(why.to_string());
    }
}

/// A server of long documents, and how its connections have ended.
fn library() -> (Reactor, SocketAddr, Rc<RefCell<Vec<String>>>) {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let ends = Rc::new(RefCell::new(vec![]));
    let noted = Rc::clone(&ends);
    let server = reactor.spawn(TcpServer::new(0).serve(move |_| Library(Rc::clone(&noted))));
    let at = tcp(&mut reactor, server);
    (reactor, at, ends)
}

fn tcp(reactor: &mut Reactor, server: SessionId) -> SocketAddr {
    match reactor.call(server, TcpServer::LOCAL, ()).expect("it is there") {
        Some(Endpoint::Tcp(at)) => at,
        at => panic!("{at:?}"),
    }
}

/// Requests a document through a socket that buffers few unread bytes.
fn ask(at: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    socket.set_recv_buffer_size(32 * 1024).expect("the system takes it");
    socket.connect(&at.into()).expect("it listens");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it is open");
    stream
}

/// Turns the reactor until the other side has said something.
fn turn_until<T>(reactor: &mut Reactor, told: &Receiver<T>) -> T {
    let mut heard = None;
    wait_until(PATIENCE, || {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        heard = told.try_recv().ok();
        heard.is_some()
    });
    heard.expect("it has been heard")
}

#[test]
fn a_reader_that_took_some_all_the_time_was_given_up_for_what_the_system_held() {
    // More than a second passes before a third of 4 MB has been read.
    const BYTES_PER_MS: usize = 320;
    let (mut reactor, at, ends) = library();
    let mut stream = ask(at);
    stream.set_nonblocking(true).expect("it is open");
    let (begun, mut read) = (Instant::now(), 0);
    wait_until(PATIENCE, || {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        let due = begun.elapsed().as_millis() as usize * BYTES_PER_MS;
        let mut bytes = vec![0; due - read];
        read += stream.read(&mut bytes).unwrap_or(0);
        begun.elapsed() > 4 * STALL_TIME
    });
    assert_eq!(*ends.borrow(), [""; 0], "the reader was given up");
    assert!(read > 1024 * 1024, "{read} bytes have come");
}

#[test]
fn the_system_kept_megabytes_for_a_reader_that_had_been_given_up() {
    let (mut reactor, at, ends) = library();
    let mut stream = ask(at);
    wait_until(PATIENCE, || {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        !ends.borrow().is_empty()
    });
    assert_eq!(*ends.borrow(), ["the peer did not send or read in time"]);
    let mut rest = vec![];
    let error = stream.read_to_end(&mut rest).expect_err("a part of a document has no good end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // What the reader's own system had received; this side keeps nothing for it.
    assert!(rest.len() < 1024 * 1024, "{} bytes came after that", rest.len());
}

/// Sends nothing to its client.
struct Mute;

impl Connection for Mute {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {}
}

/// More than the 128 that libraries ask for; less than any system's own limit.
const WAITING: usize = 200;

/// Connects many clients to a server that accepts none of them.
#[track_caller]
fn check_backlog(server: TcpServer<()>, connect: impl Fn(&Endpoint) -> io::Result<Socket>) {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let (tell, told) = channel();
    let started = move |_: &mut Cx<'_>, at: &Endpoint| tell.send(at.clone()).expect("it waits");
    reactor.spawn(server.concurrency(0).started(started).serve(|_| Mute));
    let at = turn_until(&mut reactor, &told);
    let clients: Vec<_> = (0..WAITING).map(|_| connect(&at)).collect();
    let refused = clients.iter().filter_map(|client| client.as_ref().err());
    assert_eq!(refused.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}

fn by_tcp(at: &Endpoint) -> io::Result<Socket> {
    let Endpoint::Tcp(at) = *at else { panic!("{at:?}") };
    // A connection that finds no room in the backlog takes a second or more.
    TcpStream::connect_timeout(&at, Duration::from_millis(900)).map(Socket::from)
}

fn by_path(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?; // without room it would wait
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

#[test]
fn a_storm_of_clients_met_a_backlog_of_128() {
    check_backlog(TcpServer::new(0), by_tcp);
}

#[test]
fn a_storm_of_clients_of_a_unix_socket_finds_room_in_the_backlog() {
    let folder = Folder::new("backlog");
    let path = folder.path().join("server");
    check_backlog(TcpServer::new(Endpoint::Unix(path.clone())), |_| by_path(&path));
}

#[test]
fn a_socket_that_was_handed_over_kept_its_small_backlog() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).and_then(|()| socket.listen(1)).expect("the system has a port");
    let socket = ListeningSocket::try_from(TcpListener::from(socket)).expect("it listens");
    check_backlog(TcpServer::adopt(socket), by_tcp);
}

#[test]
fn a_unix_socket_that_was_handed_over_kept_its_small_backlog() {
    let folder = Folder::new("handed-over");
    let path = folder.path().join("server");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("there are descriptors");
    let at = SockAddr::unix(&path).expect("the path is short");
    socket.bind(&at).and_then(|()| socket.listen(1)).expect("the folder is empty");
    let socket =
        ListeningSocket::try_from(UnixListener::from(OwnedFd::from(socket))).expect("it listens");
    check_backlog(TcpServer::adopt(socket), |_| by_path(&path));
}
