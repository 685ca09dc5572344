//! What a reactor that sleeps, or slept too long, does first.

use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use masque::filters::{Httpd, Request, Response};
use masque::reactor::{Cx, Event, Handlers, Hold, Postback, Reactor, Session};
use masque::sessions::{Connection, TcpServer};
use masque::wheels::ReadWrite;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Within what a head must come, in the test of a process that is stopped: long enough to stop it
/// on a busy machine.
const HEAD_TIME: Duration = Duration::from_secs(2);

/// Says when a client is there, and answers everything.
struct Greeter;

impl Connection for Greeter {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        Httpd::new().with_head_time(HEAD_TIME)
    }

    fn connected(&mut self, _: &mut Cx<'_>, _: ReadWrite<Httpd>) {
        println!("\nconnected");
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, _: Result<Request, Response>) {
        wire.put(cx, Response::new("hello".into()));
    }
}

/// A server in a process of its own, which the test can stop.
fn serve() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let server = TcpServer::new(0).started(|_, at| println!("\nat {at}"));
    reactor.spawn(server.serve(|_| Greeter));
    reactor.run().expect("the system polls");
}

/// Returns true if each thread of the process has been stopped by a signal.
fn is_stopped(process: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it is there");
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    })
}

#[test]
fn a_request_that_came_while_the_process_was_stopped_was_closed_without_an_answer() {
    const CHILD: &str = "MASQUE_TEST_STOPPED";
    if std::env::var_os(CHILD).is_some() {
        return serve();
    }
    let name = "wheels::waking::\
                a_request_that_came_while_the_process_was_stopped_was_closed_without_an_answer";
    let this = std::env::current_exe().expect("a test knows its program");
    let arguments = ["--exact", name, "--nocapture"];
    let mut server = Program::start(Command::new(this).args(arguments).env(CHILD, "1"));
    let at = server.wait_for_line("at ", PATIENCE);
    let mut client = TcpStream::connect(at.trim_start_matches("at ")).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    let connected = Instant::now();
    server.wait_for_line("connected", PATIENCE);
    server.signal("STOP");
    wait_until(PATIENCE, || is_stopped(server.id()));
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("there is room");
    // Its time is up, but the request had come before.
    wait_until(PATIENCE, || connected.elapsed() > HEAD_TIME + Duration::from_millis(100));
    server.signal("CONT");
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer, *b"HTTP/1.1 200");
}

/// Gives away what holds it, and is there as long as that.
struct Held {
    hold: Sender<Hold>,
    postback: Sender<Postback<()>>,
}

impl Held {
    const NEVER: Event<()> = Event::new("held.never");
}

impl Session for Held {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::NEVER, |_, _, ()| ());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let hold = cx.hold(cx.id()).expect("it is there");
        self.hold.send(hold).expect("the test listens");
        let postback = cx.postback(Self::NEVER);
        self.postback.send(postback).expect("the test listens");
    }
}

#[test]
fn a_hold_that_was_dropped_in_another_thread_left_a_reactor_asleep() {
    let (hold, holds) = channel();
    let (postback, postbacks) = channel();
    let (tell, told) = channel();
    let reactor = thread::spawn(move || {
        let task = fs::read_link("/proc/thread-self").expect("the system shows its threads");
        tell.send(task).expect("the test listens");
        let mut reactor = Reactor::new().expect("the system has a poll");
        reactor.spawn(Held { hold, postback });
        reactor.run().expect("the system polls");
        reactor.stats()
    });
    let task = told.recv().expect("it tells").join("stat");
    let is_asleep = || {
        let stat = fs::read_to_string(std::path::Path::new("/proc").join(&task));
        let stat = stat.expect("the thread runs");
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
    };
    let (hold, postback) = (holds.recv().expect("it comes"), postbacks.recv().expect("it comes"));
    wait_until(PATIENCE, is_asleep);
    drop(hold);
    wait_until(PATIENCE, is_asleep);
    drop(postback);
    wait_until(PATIENCE, || reactor.is_finished());
    let stats = reactor.join().expect("it does not panic");
    assert_eq!((stats.sessions, stats.holds), (0, 0));
    assert!(stats.turns < 10, "it sleeps, and does not spin: {stats:?}");
}
