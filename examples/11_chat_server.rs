//! A chat server: all clients receive each line that a client writes.
//!
//! A topic carries each line to all clients. A client's nick is an alias of its session, so that
//! the kernel keeps nicks unique. A delay, set again with every line, ends idle clients.
//!
//! Notice:
//! - No list of clients, no lock and no reference counter: the kernel has the watchers of the topic
//!   and the aliases, and removes them when a session ends.
//! - It needs no default feature of masque.
//!
//! With a port as its argument it serves that port until it is stopped: try it with `nc`. Without
//! one, a thread plays two clients.
//!
//! Run it with `cargo run --example 11_chat_server`; it prints
//!
//! ```text
//! ann reads "* welcome, guest1"
//! ann reads "* guest1 joins"
//! ann reads "* guest1 is now ann"
//! bob reads "* welcome, guest2"
//! bob reads "* guest2 joins"
//! bob reads "* ann is taken"
//! bob reads "ann: hello"
//! bob reads "* bye"
//! ann reads "* guest2 joins"
//! ann reads "ann: hello"
//! ann reads "* guest2 leaves"
//! ```

use masque::filters::Line;
use masque::reactor::{Cx, Event, Handlers, Reactor, Topic};
use masque::sessions::{Connection, Peer, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SAID: Topic<String> = Topic::new("chat.said");
const IDLE: Duration = Duration::from_secs(60);

struct Client {
    nick: String,
}

impl Client {
    const SAY: Event<String> = Event::new("client.say");
    const IDLE: Event<()> = Event::new("client.idle");

    fn rename(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, nick: &str) {
        if nick.is_empty() || nick.contains(char::is_whitespace) {
            wire.put(cx, "* no such nick");
        } else if cx.alias(format!("nick:{nick}")).is_err() {
            wire.put(cx, format!("* {nick} is taken"));
        } else {
            let old = std::mem::replace(&mut self.nick, nick.to_owned());
            cx.alias_remove(&format!("nick:{old}"));
            cx.notify(SAID, format!("* {old} is now {nick}"));
        }
    }
}

impl Connection for Client {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::SAY, |peer, cx, line| {
            peer.put(cx, line);
        })
        .on(Self::IDLE, |peer, cx, ()| {
            if let Some(wire) = peer.wire() {
                wire.put_last(cx, "* you are idle");
            }
        });
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        wire.put(cx, format!("* welcome, {}", self.nick));
        cx.watch(SAID, Self::SAY);
        cx.notify(SAID, format!("* {} joins", self.nick));
        cx.delay(Self::IDLE, IDLE, ());
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        cx.delay(Self::IDLE, IDLE, ());
        match line.strip_prefix("/nick ") {
            Some(nick) => self.rename(cx, wire, nick.trim()),
            None if line == "/quit" => wire.put_last(cx, "* bye"),
            None => {
                cx.notify(SAID, format!("{}: {line}", self.nick));
            }
        }
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, _: &Ended) {
        cx.notify(SAID, format!("* {} leaves", self.nick));
    }
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse());
    let port: u16 = port.map_err(std::io::Error::other)?;
    let mut server = TcpServer::new(("127.0.0.1", port));
    if port == 0 {
        server = server.started(|_, at| {
            let at = at.to_string();
            std::thread::spawn(move || play(&at));
        });
    }
    let mut reactor = Reactor::new()?;
    let mut guests = 0;
    reactor.spawn(server.serve(move |_| {
        guests += 1;
        Client { nick: format!("guest{guests}") }
    }));
    reactor.run()?;
    Ok(())
}

/// Two clients, one step after the other; then the program ends.
fn play(address: &str) {
    let mut ann = Person::new("ann", address);
    ann.read(2);
    ann.write("/nick ann");
    ann.read(1);
    let mut bob = Person::new("bob", address);
    bob.read(2);
    bob.write("/nick ann");
    bob.read(1);
    ann.write("hello");
    bob.read(1);
    bob.write("/quit");
    bob.read(1);
    drop(bob);
    ann.read(3);
    std::process::exit(0);
}

struct Person(&'static str, BufReader<TcpStream>);

impl Person {
    fn new(name: &'static str, address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        Person(name, BufReader::new(stream))
    }

    fn read(&mut self, lines: usize) {
        for line in self.1.by_ref().lines().take(lines) {
            println!("{} reads {:?}", self.0, line.expect("the server answers"));
        }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.1.get_mut(), "{line}").expect("the server reads");
    }
}
