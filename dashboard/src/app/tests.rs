//! The whole program on virtual time, with a network in memory.

use super::{App, DRAIN_TIME};
use crate::command_line::{self, Command};
use masque::filters::Stream;
use masque::reactor::{Cx, Rig, Signal};
use masque::sessions::{Connection, TcpClient};
use masque::wheels::ReadWrite;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A browser that sends what it is told to and keeps what it gets.
struct Browser {
    sends: &'static str,
    got: Arc<Mutex<String>>,
}

impl Connection for Browser {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, self.sends);
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>, bytes: bytes::Bytes) {
        let text = std::str::from_utf8(&bytes).expect("it is text");
        self.got.lock().expect("nobody panics").push_str(text);
    }
}

/// A program that has run for a second.
fn running(arguments: &[&str]) -> Rig {
    let parsed = command_line::parse(lexopt::Parser::from_args(arguments));
    let Ok(Command::Run(options)) = parsed else { panic!("{parsed:?}") };
    let mut rig = Rig::new();
    rig.spawn(App::new(*options, None));
    rig.run_for(Duration::from_secs(1));
    rig
}

fn browse(rig: &mut Rig, sends: &'static str) -> Arc<Mutex<String>> {
    let got = Arc::new(Mutex::new(String::new()));
    let browser = Browser { sends, got: Arc::clone(&got) };
    rig.spawn(TcpClient::new(8080).run(browser));
    rig.settle();
    got
}

#[test]
fn it_leaves_as_soon_as_the_last_connection_has_ended() {
    let mut rig = running(&[]);
    let idle = browse(&mut rig, "");
    let served = browse(&mut rig, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
    let streaming = browse(&mut rig, "GET /overview/events HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.raise(Signal::Term);
    rig.run_for(Duration::from_millis(900));
    assert!(rig.stats().sessions > 0, "one that has just connected has a second");
    assert!(streaming.lock().expect("nobody panics").ends_with("0\r\n\r\n"), "it has ended");
    assert!(served.lock().expect("nobody panics").starts_with("HTTP/1.1 200 OK\r\n"));
    rig.run_for(Duration::from_millis(200));
    assert_eq!(rig.stats().sessions, 0);
    assert!(idle.lock().expect("nobody panics").is_empty());
}

#[test]
fn it_leaves_by_the_deadline_whoever_dawdles() {
    let mut rig = running(&[]);
    browse(&mut rig, "POST /overview HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    rig.raise(Signal::Int);
    let moment = Duration::from_millis(1);
    rig.run_for(DRAIN_TIME.saturating_sub(moment));
    assert!(rig.stats().sessions > 0, "its body is waited for");
    rig.run_for(2 * moment);
    assert_eq!(rig.stats().sessions, 0);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut rig = running(&[]);
    browse(&mut rig, "POST /overview HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    rig.raise(Signal::Term);
    rig.settle();
    assert!(rig.stats().sessions > 0);
    rig.raise(Signal::Term);
    rig.settle();
    assert_eq!(rig.stats().sessions, 0);
}

#[test]
fn a_quiet_stream_shows_a_sign_of_life_twice_in_the_time_of_a_poll() {
    let mut rig = running(&["--doc", "still", "--long-poll", "20"]);
    let got = browse(&mut rig, "GET /still/events HTTP/1.1\r\nHost: h\r\n\r\n");
    for beats in 0..4 {
        let seen = got.lock().expect("nobody panics").matches("3\r\n:\n\n\r\n").count();
        assert_eq!(seen, beats);
        rig.run_for(Duration::from_secs(10));
    }
}
