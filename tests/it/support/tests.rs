//! The support is tested, too: a test that leans on something broken proves nothing.

use super::folder::Folder;
use super::followers::follow;
use super::http::{self, Connection, Reply};
use super::process::Program;
use super::{PATIENCE, pouchdb_server, wait_until};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A server that reads something, says `answer` and closes, once.
fn answer_once(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the test connects");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(answer);
    });
    address
}

#[track_caller]
fn check(answer: &'static [u8], expected: Result<(u16, &str), io::ErrorKind>) {
    let url = format!("http://{}/", answer_once(answer));
    let reply = http::request("GET", &url, &[], b"");
    let reply = reply.as_ref().map(|reply| (reply.status, reply.text()));
    assert_eq!(reply.map_err(io::Error::kind), expected);
}

#[test]
fn answers_are_read_by_their_framing() {
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", Ok((200, "ok")));
    check(b"HTTP/1.0 200 OK\r\n\r\nto the end", Ok((200, "to the end")));
    check(b"HTTP/1.1 204 No Content\r\n\r\nnone", Ok((204, "")));
    check(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Ok((304, "")));
    check(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          A\r\n0123456789\r\n3\r\nabc\r\n0\r\n\r\n",
        Ok((200, "0123456789abc")),
    );
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Err(io::ErrorKind::UnexpectedEof));
    check(b"", Err(io::ErrorKind::UnexpectedEof));
    check(b"HTTP/1.1 200 OK\n\n", Err(io::ErrorKind::InvalidData));
    check(b"hello\r\n\r\n", Err(io::ErrorKind::InvalidData));
}

#[test]
fn fields_are_found_in_any_case_and_json_is_read() {
    let address = answer_once(b"HTTP/1.1 200 OK\r\neTag: \"1-a\"\r\n\r\n{\"a\":1}");
    let reply: Reply = http::get(&format!("http://{address}/a/b?c"));
    assert_eq!(reply.header("ETAG"), Some("\"1-a\""));
    assert_eq!(reply.header("Age"), None);
    assert_eq!(reply.json()["a"], 1);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let address = answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    let reply = http::request("HEAD", &format!("http://{address}"), &[], b"").expect("a head");
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[test]
fn answers_on_one_connection_are_read_one_by_one() {
    let address = answer_once(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1the rest",
    );
    let mut connection = Connection::open(&address.to_string()).expect("it listens");
    connection.send(b"GET / HTTP/1.1\r\n\r\n").expect("it reads");
    assert_eq!(connection.reply(PATIENCE).expect("interim").status, 100);
    assert_eq!(connection.reply(PATIENCE).expect("final").text(), "1");
    assert_eq!(connection.rest(PATIENCE).expect("until it closes"), b"the rest");
}

#[test]
fn nobody_waits_for_ever_for_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let mut connection = Connection::open(&address).expect("it listens");
    let error = connection.reply(Duration::from_millis(10)).expect_err("nobody answers");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_condition_is_waited_for_and_a_vain_wait_ends() {
    let mut looks = 0;
    wait_until(PATIENCE, || {
        looks += 1;
        looks == 3
    });
    let vain = std::panic::catch_unwind(|| wait_until(Duration::ZERO, || false));
    assert!(vain.is_err(), "it looks once, then gives up");
}

#[test]
fn a_program_is_heard_and_spoken_to() {
    let mut cat = Program::start(&mut Command::new("cat"));
    cat.say("one");
    cat.say("two");
    assert_eq!(cat.wait_for_line("tw", PATIENCE), "two");
    cat.close_stdin();
    assert!(cat.wait_for_end(PATIENCE).success());

    let mut shell = Program::start(Command::new("sh").args(["-c", "echo bad >&2; exit 3"]));
    assert_eq!(shell.wait_for_end(PATIENCE).code(), Some(3));
    wait_until(PATIENCE, || shell.log() == "bad\n");

    // Not INT: the process that started the tests may ignore it, as shells do for the background.
    let mut signalled = Program::start(&mut Command::new("cat"));
    signalled.signal("TERM");
    assert_eq!(signalled.wait_for_end(PATIENCE).code(), None, "a signal ended it");
}

#[test]
fn a_line_that_does_not_come_is_told_with_what_came() {
    let mut shell = Program::start(Command::new("sh").args(["-c", "echo no; echo why >&2; cat"]));
    shell.wait_for_line("no", PATIENCE);
    wait_until(PATIENCE, || shell.log() == "why\n");
    shell.close_stdin();
    let wait = || shell.wait_for_line("yes", PATIENCE);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
    let message = *panic.expect_err("it ends").downcast::<String>().expect("a message");
    assert!(message.contains("ended without \"yes\""), "{message}");
    assert!(message.ends_with("stderr:\nwhy\n"), "{message}");
}

#[test]
fn a_program_ends_with_its_handle() {
    let mut shell = Program::start(Command::new("sh").args(["-c", "echo $$; exec cat"]));
    let process = shell.wait_for_line("", PATIENCE);
    let is_there = || {
        let probe = Command::new("kill").args(["-s", "0", &process]).output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    assert!(is_there());
    drop(shell);
    assert!(!is_there(), "it is killed and waited for");
}

#[test]
fn a_folder_is_empty_and_goes_with_its_handle() {
    let folder = Folder::new("folder");
    let path = folder.path().to_owned();
    assert_eq!(std::fs::read_dir(&path).expect("it is there").count(), 0);
    std::fs::write(path.join("a"), "a").expect("it can be written to");
    drop(folder);
    assert!(!path.exists());
}

/// One change made by hand and one made by the client itself, both seen by the client.
#[track_caller]
fn a_follower_sees_changes(client: &str) {
    let server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    assert_eq!(http::put(&database, "").status, 201);

    let mut follower = follow(client, &database);
    let stored = http::put(&format!("{database}/overview"), r#"{"receipts":7}"#);
    assert_eq!(stored.status, 201, "{}", stored.text());
    let rev = stored.json()["rev"].as_str().expect("a revision").to_owned();
    let change = follower.wait_for_line(r#"{"id":"overview""#, PATIENCE);
    let change: serde_json::Value = serde_json::from_str(&change).expect("a line of JSON");
    assert_eq!(change["rev"], rev);
    assert_eq!(change["doc"]["receipts"], 7);

    follower.say(r#"{"_id":"overview","receipts":8}"#);
    assert!(follower.wait_for_line("stored overview 2-", PATIENCE).len() > 18);
    let overview = http::get(&format!("{database}/overview")).json();
    assert_eq!(overview["receipts"], 8, "over the revision that was there");
    follower.say(&format!(r#"{{"_id":"overview","_rev":"{rev}"}}"#));
    follower.wait_for_line("refused overview 409", PATIENCE);

    follower.close_stdin();
    assert!(follower.wait_for_end(PATIENCE).success(), "it does not outlive its stdin");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn pouchdb_sees_changes() {
    a_follower_sees_changes("pouchdb");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn nano_sees_changes() {
    a_follower_sees_changes("nano");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn a_killed_server_comes_back_at_its_address_and_empty() {
    let mut server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    assert_eq!(http::put(&database, "").status, 201);

    server.kill();
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let start = Instant::now();
    assert!(TcpStream::connect_timeout(&address, PATIENCE).is_err());
    assert!(start.elapsed() < PATIENCE, "refused, not timed out");

    server.restart();
    assert_eq!(http::get(&database).status, 404);
}
