//! The kinds of browsers, and what each does over and over.

use super::server::{DOCUMENT, Server};
use super::wire::{Answer, Wire};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A kind of browser.
#[derive(Debug)]
pub(super) struct Kind {
    /// What they do, as in "browsers that ...".
    pub(super) about: &'static str,
    /// How many there are that do it at their own pace.
    pub(super) threads: usize,
    /// How many connections each has at a time.
    connections: usize,
    visit: fn(&mut Visit<'_>) -> io::Result<()>,
}

/// All browsers.
pub(super) const ALL: &[Kind] = &[
    Kind { about: "store documents", threads: 1, connections: 1, visit: store },
    Kind { about: "park and stay", threads: 4, connections: 100, visit: park },
    Kind { about: "park and leave", threads: 2, connections: 20, visit: leave },
    Kind { about: "park and send no more", threads: 1, connections: 10, visit: half_close },
    Kind { about: "leave with answers unread", threads: 1, connections: 10, visit: reset },
    Kind { about: "pipeline", threads: 1, connections: 1, visit: pipeline },
    Kind { about: "listen to events", threads: 2, connections: 10, visit: listen },
    Kind { about: "send rubbish", threads: 2, connections: 5, visit: rubbish },
    Kind { about: "send slowly, and stop", threads: 1, connections: 20, visit: trickle },
    Kind { about: "read slowly, and stop", threads: 1, connections: 20, visit: sip },
    Kind { about: "leave behind a pipeline", threads: 1, connections: 10, visit: leave_behind },
    Kind { about: "listen and never read", threads: 1, connections: 10, visit: ignore_events },
];

/// Bytes sent after a poll: more than a head may have, so that the server stops reading.
const PIPELINED_BYTES: usize = 20 * 1024;

/// What became of a kind's visits.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) visits: u64,
    pub(super) answers: u64,
    pub(super) faults: u64,
    /// The first fault.
    pub(super) first: Option<String>,
}

/// One round of one browser's.
#[derive(Debug)]
struct Visit<'a> {
    server: &'a Server,
    connections: usize,
    is_over: &'a AtomicBool,
    random: &'a mut fastrand::Rng,
    answers: u64,
}

impl Kind {
    /// How many connections of this kind there are at a time.
    pub(super) fn many(&self) -> usize {
        self.threads * self.connections
    }

    /// Visits until it is over. A fault ends a visit, never the others.
    pub(super) fn run(&self, server: &Server, number: usize, is_over: &AtomicBool) -> Tally {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let mut tally = Tally::default();
        let Kind { connections, .. } = *self;
        while !is_over.load(Ordering::Relaxed) {
            let random = &mut random;
            let mut visit = Visit { server, connections, is_over, random, answers: 0 };
            let fault = (self.visit)(&mut visit).err();
            tally.visits += 1;
            tally.answers += visit.answers;
            if let Some(fault) = fault {
                tally.faults += 1;
                tally.first.get_or_insert(fault.to_string());
            }
        }
        tally
    }
}

impl Tally {
    /// Both together.
    pub(super) fn add(self, other: Tally) -> Tally {
        Tally {
            visits: self.visits + other.visits,
            answers: self.answers + other.answers,
            faults: self.faults + other.faults,
            first: self.first.or(other.first),
        }
    }
}

impl Visit<'_> {
    fn open(&self) -> io::Result<Vec<Wire>> {
        (0..self.connections).map(|_| Wire::open(self.server.address)).collect()
    }

    /// One that has to be `status`.
    fn answer(&mut self, wire: &mut Wire, status: u16) -> io::Result<Answer> {
        let answer = wire.answer()?;
        self.answers += 1;
        if answer.status == status {
            return Ok(answer);
        }
        Err(io::Error::other(format!("{} instead of {status}", answer.status)))
    }

    /// Connections with a poll each that waits.
    fn parked(&mut self) -> io::Result<Vec<Wire>> {
        let mut wires = self.open()?;
        for wire in &mut wires {
            let path = ["/overview", "/board"][self.random.usize(..2)];
            wire.ask(path)?;
            // Nothing has been stored yet, the first time.
            let answer = wire.answer()?;
            self.answers += 1;
            wire.ask(&format!("{path}/{}", answer.tag))?;
        }
        Ok(wires)
    }

    fn pause(&mut self, most_ms: usize) {
        thread::sleep(Duration::from_millis(self.random.usize(..most_ms) as u64));
    }
}

fn store(visit: &mut Visit<'_>) -> io::Result<()> {
    let (address, database) = &visit.server.couch;
    let mut wire = Wire::open(*address)?;
    wire.ask(&format!("{database}/{DOCUMENT}"))?;
    let current = wire.answer()?;
    let mut rev = current.tag;
    for _ in 0..20 {
        let query = if rev.is_empty() { String::new() } else { format!("?rev={rev}") };
        let text = "x".repeat(visit.random.usize(..4_000));
        let json = format!(r#"{{"n":{},"text":"{text}"}}"#, visit.random.usize(..1_000));
        let head = format!(
            "PUT {database}/{DOCUMENT}{query} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            json.len()
        );
        wire.send(&[head.as_bytes(), json.as_bytes()].concat())?;
        rev = visit.answer(&mut wire, 201)?.tag;
        visit.pause(200);
    }
    Ok(())
}

fn park(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for wire in &mut wires {
        wire.ask("/overview")?;
    }
    for _ in 0..20 {
        for wire in &mut wires {
            let rev = visit.answer(wire, 200)?.tag;
            wire.ask(&format!("/overview/{rev}"))?;
        }
        if visit.is_over.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

fn leave(visit: &mut Visit<'_>) -> io::Result<()> {
    let wires = visit.parked()?;
    visit.pause(300);
    drop(wires);
    Ok(())
}

/// More than the server reads is behind the poll, so it cannot read the end of the connection.
fn leave_behind(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.parked()?;
    for wire in &mut wires {
        wire.send(&vec![b'x'; PIPELINED_BYTES])?;
    }
    visit.pause(300);
    drop(wires);
    Ok(())
}

fn ignore_events(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for wire in &mut wires {
        wire.ask("/board/events")?;
    }
    visit.pause(10_000);
    drop(wires);
    Ok(())
}

fn half_close(visit: &mut Visit<'_>) -> io::Result<()> {
    for mut wire in visit.parked()? {
        wire.end_sending()?;
        wire.answer()?;
        visit.answers += 1;
        wire.rest()?;
    }
    Ok(())
}

/// Closing a socket that has unread bytes makes the system reset the connection.
fn reset(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for wire in &mut wires {
        wire.ask("/file/page.js")?;
        wire.ask("/overview/unknown")?;
        wire.sip(&mut [0])?;
    }
    visit.pause(100);
    Ok(())
}

fn pipeline(visit: &mut Visit<'_>) -> io::Result<()> {
    let paths = ["/board", "/file/page.js", "/health", "/nothing", "/overview"];
    let paths: Vec<_> = (0..50).map(|_| paths[visit.random.usize(..paths.len())]).collect();
    let mut wire = Wire::open(visit.server.address)?;
    let requests =
        paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    wire.send(requests.collect::<String>().as_bytes())?;
    for path in paths {
        let answer = wire.answer()?;
        visit.answers += 1;
        let is_expected = match path {
            "/nothing" => answer.status == 404,
            "/board" => [200, 404].contains(&answer.status), // not stored yet, the first time
            _ => answer.status == 200,
        };
        if !is_expected {
            return Err(io::Error::other(format!("{path} is answered by {}", answer.status)));
        }
    }
    visit.pause(50);
    Ok(())
}

fn listen(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for wire in &mut wires {
        wire.ask("/overview/events")?;
    }
    for wire in &mut wires {
        let mut events = 0;
        while events < 2 {
            events += u32::from(wire.line()?.starts_with("id: "));
        }
        visit.answers += 1;
    }
    Ok(())
}

/// Nothing of it may be answered by a success, and the connection is closed.
fn rubbish(visit: &mut Visit<'_>) -> io::Result<()> {
    const HEADS: [&str; 8] = [
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ];
    for mut wire in visit.open()? {
        let is_head = visit.random.usize(..2) == 0;
        let bytes: Vec<u8> = if is_head {
            HEADS[visit.random.usize(..HEADS.len())].into()
        } else {
            // Longer than a line may be, now and then.
            let length = visit.random.usize(..20_000) + 1;
            let noise = (0..length).map(|_| visit.random.usize(..256) as u8);
            noise.chain(*b"\r\n\r\n").collect()
        };
        // It may be refused and closed before it has all been sent.
        if wire.send(&bytes).is_err() {
            continue;
        }
        match wire.answer() {
            Ok(answer) if answer.closes && answer.status >= 400 => visit.answers += 1,
            Ok(Answer { status, .. }) => {
                return Err(io::Error::other(format!("{status} to rubbish, or it goes on")));
            }
            // The answer can be lost to a reset when more is sent than is read of it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn trickle(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for byte in b"GET /overview HTTP/1.1\r\nHost: so" {
        for wire in &mut wires {
            wire.send(&[*byte])?;
        }
        visit.pause(100);
    }
    // Half of them leave; the others receive the answer that they took too long.
    wires.truncate(visit.connections / 2);
    for wire in &mut wires {
        visit.answer(wire, 408)?;
        wire.rest()?;
    }
    Ok(())
}

fn sip(visit: &mut Visit<'_>) -> io::Result<()> {
    let mut wires = visit.open()?;
    for wire in &mut wires {
        for _ in 0..50 {
            wire.ask("/file/uPlot.iife.min.js")?;
        }
    }
    for _ in 0..20 {
        for wire in &mut wires {
            let mut bytes = [0; 256];
            if wire.sip(&mut bytes)? == 0 {
                return Err(io::Error::other("closed for reading slowly"));
            }
        }
        visit.pause(200);
    }
    Ok(())
}
