//! The examples follow a document in couch-mem, served over loopback, through a change of it.

use bytes::Bytes;
use couch_mem::{Answer, Couch, Feed, Identity, Pace, Then};
use http::{Method, Request, Response};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

/// A database and the signal that it has changed.
struct Server {
    couch: Mutex<Couch>,
    changed: Condvar,
}

impl Server {
    fn put(&self, body: &str) {
        let request = Request::put("/db/sensor").header("Content-Type", "application/json");
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let mut couch = self.couch.lock().unwrap();
        let Answer::Complete(answer) = couch.answer(&request) else { panic!("it is no feed") };
        assert_eq!(answer.status(), 201, "{:?}", answer.body());
        self.changed.notify_all();
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader)? {
            let answer = self.couch.lock().unwrap().answer(&request);
            match answer {
                Answer::Complete(answer) => write(reader.get_mut(), &answer)?,
                Answer::Feed(feed) => self.send(reader.get_mut(), feed)?,
            }
        }
        Ok(())
    }

    /// Sends a feed, which lasts until the client leaves.
    fn send(&self, stream: &mut TcpStream, mut feed: Feed) -> std::io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut couch = self.couch.lock().unwrap();
        loop {
            let rows = feed.rows(&couch);
            if !rows.lines.is_empty() {
                chunk(stream, &rows.lines)?;
            }
            if rows.then == Then::Wait {
                let (Pace::Heartbeat(pause) | Pace::Timeout(pause)) = feed.pace();
                let (guard, waited) = self.changed.wait_timeout(couch, pause).unwrap();
                couch = guard;
                if waited.timed_out() {
                    chunk(stream, Feed::HEARTBEAT)?;
                }
            }
        }
    }
}

fn chunk(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n", data.len()).as_bytes())?;
    stream.write_all(data)?;
    stream.write_all(b"\r\n")
}

/// A request without a body, or `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request<Bytes>>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next().filter(|word| !word.is_empty()), words.next())
    else {
        return Ok(None);
    };
    let request = Request::builder().method(method.parse::<Method>().unwrap()).uri(target);
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    Ok(Some(request.body(Bytes::new()).unwrap()))
}

fn write(stream: &mut TcpStream, answer: &Response<Bytes>) -> std::io::Result<()> {
    let length = answer.body().len();
    write!(stream, "HTTP/1.1 {}\r\nContent-Length: {length}\r\n\r\n", answer.status())?;
    stream.write_all(answer.body())
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(example: &str) {
    let mut couch = Couch::new(Identity { uuid: 1, start_time_s: 1_800_000_000 });
    couch.create_database("db").unwrap();
    let server = Arc::new(Server { couch: Mutex::new(couch), changed: Condvar::new() });
    server.put(r#"{"celsius":21}"#);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/db", listener.local_addr().unwrap());
    let shared = Arc::clone(&server);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = Arc::clone(&shared);
            std::thread::spawn(move || server.serve(stream));
        }
    });
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(example);
    let mut command = Command::new(program);
    let child = command.args([&url, "sensor"]).stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("cargo builds the examples for the tests"));
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut expect = |what: &str| {
        let line = lines.by_ref().find(|line| line.as_ref().unwrap().contains(what));
        line.unwrap_or_else(|| panic!("{example} ends without {what}")).unwrap()
    };
    let first = expect("Change(");
    let rev = first.split("Some(\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(rev.starts_with("1-"), "{first}");
    expect("CaughtUp");
    server.put(&format!(r#"{{"_rev":"{rev}","celsius":22}}"#));
    assert!(expect("Change(").contains("\"2-"), "{example} misses the change");
}

#[test]
fn a_blocking_client_follows_a_document() {
    follow("ureq");
}

#[test]
fn a_client_on_tokio_follows_a_document() {
    follow("tokio");
}
