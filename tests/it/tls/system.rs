//! TLS over the system's sockets, with a server on a thread of its own.

use super::certificates::{Authority, of};
use super::stage::{Dialer, Watcher, row};
use super::wire::{Client, noise};
use crate::support::PATIENCE;
use masque::reactor::{Reactor, Trust};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

type Wire = StreamOwned<ServerConnection, TcpStream>;

/// A server for one client; its port.
fn serve<T: Send + 'static>(
    config: Arc<ServerConfig>,
    serve: impl FnOnce(Wire) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream))
    });
    (port, server)
}

#[track_caller]
fn run_until(reactor: &mut Reactor, mut is_done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < end, "it does not come to an end");
        reactor.turn(Some(PATIENCE)).expect("the system polls");
    }
}

#[test]
fn both_sides_send_more_than_there_is_room_for_at_once() {
    const COUNT: usize = 8_000_000;
    let authority = Authority::new();
    let (port, server) = serve(authority.sign(&of(&["couch"])).server(), |mut wire| {
        wire.write_all(&noise(COUNT)).unwrap(); // before anything is read
        wire.conn.refresh_traffic_keys().unwrap();
        let mut heard = vec![];
        wire.read_to_end(&mut heard).map(|_| heard)
    });
    let trust = Trust::authority(authority.pem().as_bytes()).unwrap();
    let (client, came) = Client::new(noise(COUNT), COUNT);
    let mut reactor = Reactor::new().unwrap();
    reactor.spawn(Dialer::new(port, move |cx, socket| {
        (client, socket.into_tls(&trust, "couch", cx.date()).unwrap())
    }));
    run_until(&mut reactor, || !came.ends().is_empty());
    assert_eq!(came.ends(), ["all has been sent"]);
    assert!(came.bytes() == noise(COUNT), "{} bytes came", came.bytes().len());
    let heard = server.join().unwrap().expect("the client ends in good order");
    assert!(heard == noise(COUNT), "the server heard {} bytes", heard.len());
}

/// The next request's target.
fn target(wire: &mut Wire) -> String {
    let mut request = vec![];
    while !request.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 1000];
        match wire.read(&mut bytes) {
            Ok(count) => request.extend_from_slice(&bytes[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
        }
    }
    String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_feed_is_followed() {
    let authority = Authority::new();
    let (port, server) = serve(authority.sign(&of(&["localhost"])).server(), |mut wire| {
        for body in [
            r#"{"db_name":"db","update_seq":"1-a","instance_start_time":"1"}"#,
            r#"{"_id":"x","_rev":"1-a"}"#,
        ] {
            target(&mut wire);
            write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .unwrap();
        }
        assert!(target(&mut wire).starts_with("/db/_changes?feed=continuous"));
        write!(wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for rev in ["2-b", "3-c"] {
            wire.write_all(row(rev).as_bytes()).unwrap();
        }
        wire // stays open
    });
    let url = format!("https://localhost:{port}/db");
    let (watcher, told) = Watcher::new(&url, &authority.pem());
    let mut reactor = Reactor::new().unwrap();
    reactor.spawn(watcher);
    let mut all = vec![];
    run_until(&mut reactor, || {
        all.extend(told.take());
        all.last().is_some_and(|last| last == "x is 3-c")
    });
    assert_eq!(all[..3], ["x is 1-a", "connected", "caught up"]);
    drop(server.join().unwrap());
}

#[test]
fn the_platform_is_not_asked_until_it_is_needed_and_does_not_know_a_private_authority() {
    let identity = Authority::named("nobody knows it").sign(&of(&["localhost"]));
    let (port, server) = serve(identity.server(), |mut wire| wire.read(&mut [0; 1]));
    let (watcher, told) = Watcher::trusting_the_platform(&format!("https://localhost:{port}/db"));
    let mut reactor = Reactor::new().unwrap();
    reactor.spawn(watcher);
    run_until(&mut reactor, || told.is_lost());
    let why = told.loss().0.to_string();
    let is_right = why.starts_with("no trusted authority") || why.starts_with("the authorities");
    assert!(is_right, "{why}");
    server.join().unwrap().expect_err("the client hangs up");
}
