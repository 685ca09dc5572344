//! A server that sends each line back.
//!
//! A `TcpServer` listens. It handles each client with a `Connection`, one value in a separate
//! session for each client. A filter turns bytes into lines and lines into bytes.
//!
//! Notice:
//! - The server's handlers never see a socket or a partial line.
//! - With port 0 the system selects a port; `started` gets its number.
//! - After `quit` the answer is sent in full before the connection ends (`put_last`).
//! - `SHUTDOWN` stops listening. The server's session ends with its last client, and then the
//!   program ends.
//!
//! Here a thread plays the clients. To try the server with `nc`, give it a fixed port.
//!
//! Run it with `cargo run --example 07_echo_server`; it prints
//!
//! ```text
//! client 1 connects
//! client 1 says "hello"
//! client 1 says "quit"
//! client 1 is gone: all has been sent
//! client 2 connects
//! client 2 says "an unterminated line"
//! client 2 is gone: all has been sent
//! the clients heard ["hello", "bye"] and ["an unterminated line"]
//! ```

use masque::filters::Line;
use masque::reactor::{Cx, Endpoint, Reactor};
use masque::sessions::{Connection, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

struct Echo {
    client: u32,
}

impl Connection for Echo {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>) {
        println!("client {} connects", self.client);
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        println!("client {} says {line:?}", self.client);
        if line == "quit" {
            wire.put_last(cx, "bye");
        } else {
            wire.put(cx, line);
        }
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        println!("client {} is gone: {why}", self.client);
        if self.client == 2 {
            cx.post("echo", TcpServer::SHUTDOWN, ()).expect("it is there until now");
        }
    }
}

fn main() -> std::io::Result<()> {
    let (tell, told) = channel();
    let mut clients = 0;
    let mut reactor = Reactor::new()?;
    reactor.spawn(
        TcpServer::new(("127.0.0.1", 0))
            .alias("echo")
            .started(move |_, at| tell.send(at.clone()).expect("the clients wait"))
            .serve(move |_peer| {
                clients += 1;
                Echo { client: clients }
            }),
    );
    let clients = thread::spawn(move || {
        let server = told.recv().expect("the server starts");
        let first = talk(&server, "hello\nquit\n")?;
        Ok::<_, std::io::Error>((first, talk(&server, "an unterminated line")?))
    });
    reactor.run()?;
    let (first, second) = clients.join().expect("the clients do not panic")?;
    println!("the clients heard {first:?} and {second:?}");
    Ok(())
}

/// A client without masque: writes everything, then reads everything.
fn talk(server: &Endpoint, words: &str) -> std::io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(server.to_string())?;
    stream.write_all(words.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    Ok(heard.lines().map(str::to_owned).collect())
}
