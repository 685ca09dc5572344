//! The system's own sockets: what a network in memory cannot show.

use crate::support::folder::Folder;
use crate::support::{PATIENCE, wait_until};
use masque::filters::{Line, Stream};
use masque::limits::{ACCEPT_RETRY, READ_PER_TURN};
use masque::reactor::{Cx, Endpoint, Reactor};
use masque::sessions::{Connection, Peer, TcpClient, TcpServer};
use masque::wheels::{ConnectError, Ended, ReadWrite, Target};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Says what it hears, then `end` when the client has ended.
struct Echo;

impl Connection for Echo {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        wire.put(cx, line);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, _: &Ended) {
        wire.put_last(cx, "end");
    }
}

/// Says three lines, one after the other's echo, and writes down what it hears.
struct Talker(Sender<String>);

impl Connection for Talker {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        wire.put(cx, "one");
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        match &*line {
            "one" => drop(wire.put(cx, "two")),
            "two" => wire.put_last(cx, "three"),
            _ => unreachable!("it has ended"),
        }
        self.0.send(line).expect("the test listens");
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        self.0.send(why.to_string()).expect("the test listens");
        cx.post("echo", TcpServer::SHUTDOWN, ()).expect("it is there until now");
    }

    fn connect_failed(&mut self, _: &mut Cx<'_>, why: &ConnectError) {
        self.0.send(why.to_string()).expect("the test listens");
    }
}

/// Runs until no session is left.
#[track_caller]
fn run(reactor: &mut Reactor) {
    let end = Instant::now() + PATIENCE;
    while reactor.turn(Some(PATIENCE)).expect("the system polls") {
        assert!(Instant::now() < end, "it does not end");
    }
}

/// An echo server at `at` with a client that talks to it, both in one kernel, to their end.
#[track_caller]
fn check_echo(at: impl Into<Target>, to: impl FnOnce(&Endpoint) -> Target + 'static) {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let (tell, told) = channel();
    let server = TcpServer::new(at).alias("echo");
    reactor.spawn(
        server
            .started(move |cx, at| {
                cx.spawn(TcpClient::new(to(at)).run(Talker(tell)));
            })
            .serve(|_| Echo),
    );
    run(&mut reactor);
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["one", "two", "all has been sent"]);
}

#[test]
fn an_echo_over_tcp() {
    check_echo(("127.0.0.1", 0), |at| at.clone().into());
}

#[test]
fn an_echo_by_the_hosts_name() {
    check_echo(("localhost", 0), |at| match at {
        Endpoint::Tcp(at) => ("localhost", at.port()).into(),
        other => panic!("{other:?}"),
    });
}

#[test]
fn an_echo_over_ipv6() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // this system has none
    }
    check_echo(("::1", 0), |at| at.clone().into());
}

#[test]
fn an_echo_over_a_unix_socket() {
    let folder = Folder::new("unix-socket");
    let at = Endpoint::Unix(folder.path().join("echo"));
    check_echo(at, |at| at.clone().into());
}

#[test]
fn a_port_without_a_listener_and_port_0_fail_immediately() {
    let used = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    let unused = used.local_addr().expect("it is bound").port();
    drop(used);
    for port in [unused, 0] {
        let mut reactor = Reactor::new().expect("the system has a poll");
        let (tell, told) = channel();
        reactor.spawn(TcpClient::new(port).run(Talker(tell)));
        let begun = Instant::now();
        run(&mut reactor);
        assert!(begun.elapsed() < Duration::from_secs(5));
        let told: Vec<_> = told.into_iter().collect();
        assert!(told.len() == 1 && told[0].starts_with("cannot connect to 127.0.0.1:"), "{told:?}");
    }
}

/// An echo server in a thread of its own, until it is dropped.
struct Server {
    at: SocketAddr,
    stop: Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (stop, stopped) = channel::<()>();
        let (tell, told) = channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new().expect("the system has a poll");
            let started = move |_: &mut Cx<'_>, at: &Endpoint| match at {
                Endpoint::Tcp(at) => tell.send(*at).expect("the test waits"),
                other => panic!("{other:?}"),
            };
            reactor.spawn(TcpServer::new(0).started(started).serve(|_| Echo));
            while stopped.try_recv().is_err() {
                reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
            }
        });
        let at = told.recv_timeout(PATIENCE).expect("it listens");
        Server { at, stop, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

#[test]
fn a_peer_that_ended_its_side_still_gets_output_and_its_unterminated_line_counts() {
    let server = Server::start();
    let mut stream = server.connect();
    stream.write_all(b"one\r\ntwo").expect("it is open");
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).expect("it ends without a reset");
    assert_eq!(heard, "one\ntwo\nend\n");
}

#[test]
fn a_firehose_does_not_starve_the_others() {
    let server = Server::start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Empty lines are the most work for the least bytes; their echo is read and discarded.
        let mut firehose = server.connect();
        let mut echo = firehose.try_clone().expect("there are descriptors");
        let is_over = &is_over;
        scope.spawn(move || {
            let lines = vec![b'\n'; 64 * 1024];
            while !is_over.load(Ordering::Relaxed) && firehose.write_all(&lines).is_ok() {}
            firehose.shutdown(Shutdown::Both).expect("it is open");
        });
        scope.spawn(move || {
            let mut buffer = vec![0; 1024 * 1024];
            while let Ok(1..) = echo.read(&mut buffer) {}
        });
        let other = server.connect();
        let mut heard = BufReader::new(&other);
        let begun = Instant::now();
        for count in 0..10 {
            writeln!(&other, "{count}").expect("it is open");
            let mut line = String::new();
            heard.read_line(&mut line).expect("it is answered in time");
            assert_eq!(line, format!("{count}\n"));
        }
        assert!(begun.elapsed() < PATIENCE, "each waits for the firehose");
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Counts the bytes that come.
struct Sink(Rc<Cell<usize>>);

impl Connection for Sink {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>, bytes: bytes::Bytes) {
        self.0.set(self.0.get() + bytes.len());
    }
}

#[test]
fn a_turn_reads_no_more_of_a_connection_than_it_may() {
    const BYTES: usize = 64 * 1024 * 1024;
    let mut reactor = Reactor::new().expect("the system has a poll");
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let server = reactor.spawn(TcpServer::new(0).serve(move |_| Sink(Rc::clone(&counted))));
    let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
    let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
    // It writes faster than it is read, so that there is always more to read.
    let firehose = thread::spawn(move || {
        let mut stream = TcpStream::connect(at)?;
        stream.write_all(&vec![0; BYTES])
    });
    let mut left = BYTES;
    wait_until(PATIENCE, || {
        for _ in 0..100 {
            reactor.turn(Some(Duration::from_millis(1))).expect("the system polls");
            let read = count.take();
            assert!(read <= READ_PER_TURN, "{read} bytes in one turn");
            left -= read;
        }
        left == 0
    });
    firehose.join().expect("it does not panic").expect("all is read");
}

/// Puts as much as it can and writes down how it ends.
struct Source(Rc<RefCell<Vec<String>>>);

impl Connection for Source {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, vec![0; 8 * 1024 * 1024]);
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>, _: bytes::Bytes) {}

    fn disconnected(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        let Ended::Failed(error) = why else { panic!("{why:?}") };
        let expected = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(expected.contains(&error.kind()), "{error}");
        self.0.borrow_mut().push(cx.event().to_owned());
    }
}

#[test]
fn a_peer_that_disconnects_during_a_write_is_one_failure() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let told = Rc::new(RefCell::new(vec![]));
    let telling = Rc::clone(&told);
    let server = reactor.spawn(TcpServer::new(0).serve(move |_| Source(Rc::clone(&telling))));
    let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
    let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
    let mut client = TcpStream::connect(at).expect("it listens");
    let mut begun = [0; 10];
    let connections = |reactor: &mut Reactor| {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        reactor.call(server, TcpServer::CONNECTIONS, ()).expect("it is there")
    };
    wait_until(PATIENCE, || connections(&mut reactor) == 1);
    client.read_exact(&mut begun).expect("it is sent to");
    drop(client);
    wait_until(PATIENCE, || connections(&mut reactor) == 0);
    assert_eq!(told.borrow().len(), 1);
    assert_eq!(reactor.stats().sessions, 1, "the connection's session has ended");
}

#[test]
fn a_socket_that_was_accepted_outlives_its_listener() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let server = reactor.spawn(TcpServer::new(0).accept(|cx, accepted| {
        cx.yield_now(TcpServer::SHUTDOWN, ());
        cx.spawn(Peer::new(Echo, accepted.socket));
    }));
    let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
    let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("it listens");
        stream.write_all(b"hello\n").expect("it is open");
        let mut heard = String::new();
        BufReader::new(stream).read_line(&mut heard).expect("it is answered");
        heard
    });
    run(&mut reactor);
    assert_eq!(client.join().expect("it does not panic"), "hello\n");
}

#[test]
fn hundreds_of_clients_connect_before_the_first_is_accepted() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let server = reactor.spawn(TcpServer::new(0).serve(|_| Echo));
    let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
    let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
    // More than the backlog of 128 that `TcpListener` has. Linux ignores a client beyond it.
    for client in 0..300 {
        if let Err(error) = TcpStream::connect_timeout(&at, PATIENCE) {
            panic!("client {client}: {error}");
        }
    }
}

/// Set for the child process that has few descriptors.
const STARVED: &str = "MASQUE_TEST_STARVED";

#[test]
fn a_listener_survives_a_system_without_descriptors_and_does_not_spin() {
    if std::env::var_os(STARVED).is_some() {
        return starve();
    }
    let name = "wheels::system::a_listener_survives_a_system_without_descriptors_and_does_not_spin";
    let test = std::env::current_exe().expect("it runs");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(test)
        .args(["--exact", name, "--test-threads=1"])
        .env(STARVED, "yes")
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// In a process of its own: uses the descriptors up, connects, and looks at what the listener does.
fn starve() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let server = reactor.spawn(TcpServer::new(0).serve(|_| Echo));
    let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
    let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
    let mut files = vec![];
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    files.pop(); // for the client, so that none is left for the server
    let mut client = TcpStream::connect(at).expect("it listens");
    client.write_all(b"hello\n").expect("it is open");
    client.set_nonblocking(true).expect("it is open");

    let (begun, mut turns) = (Instant::now(), 0);
    while begun.elapsed() < 4 * ACCEPT_RETRY {
        assert!(reactor.turn(Some(ACCEPT_RETRY)).expect("the system polls"), "it has ended");
        turns += 1;
    }
    assert!(turns <= 12, "{turns} turns in four pauses");

    files.clear();
    let mut heard = [0; 16];
    let mut count = 0;
    wait_until(PATIENCE, || {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        count = client.read(&mut heard).unwrap_or(0);
        count > 0
    });
    assert_eq!(&heard[..count], b"hello\n");
}

/// Says more than two sockets hold, and ends.
struct Orator;

const SPEECH: usize = 16 * 1024 * 1024;

impl Connection for Orator {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put_last(cx, vec![7; SPEECH]);
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>, _: bytes::Bytes) {}

    fn disconnected(&mut self, cx: &mut Cx<'_>, _: &Ended) {
        cx.post("orator", TcpServer::SHUTDOWN, ()).expect("it is there until now");
    }
}

#[test]
fn last_bytes_were_lost_when_the_peer_ended_its_half_before_it_had_them() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let (tell, told) = channel();
    let server = TcpServer::new(("127.0.0.1", 0)).alias("orator");
    let started = move |_: &mut Cx<'_>, at: &Endpoint| tell.send(at.clone()).expect("it listens");
    reactor.spawn(server.started(started).serve(|_| Orator));
    let listener = thread::spawn(move || {
        let Ok(Endpoint::Tcp(at)) = told.recv() else { panic!("it listens at an address") };
        let mut peer = TcpStream::connect(at).expect("a program listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("it is a time");
        let mut first = [0; 1];
        peer.read_exact(&mut first).expect("the speech has begun");
        peer.shutdown(Shutdown::Write).expect("it is open");
        let mut rest = vec![];
        peer.read_to_end(&mut rest).expect("the speech ends");
        rest.len() + 1
    });
    run(&mut reactor);
    assert_eq!(listener.join().expect("it heard"), SPEECH);
}
