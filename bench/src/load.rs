//! Thousands of browsers in one thread. Each reply is read whole and compared; that it costs little
//! matters as much, for what the load takes long to do looks as if the server did.

use crate::Failure;
use crate::asking::Asking;
use crate::feeder::Document;
use crate::reply::{Replies, Reply};
use crate::sys::{self, Epoll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Browsers of one server.
#[derive(Debug)]
pub struct Load {
    server: SocketAddrV4,
    asking: Asking,
    poll: Epoll,
    browsers: Vec<Browser>,
    replies: Replies,
    buffer: Box<[u8]>,
    /// What a browser sends that has the newest document.
    poll_request: Vec<u8>,
}

#[derive(Debug)]
struct Browser {
    stream: TcpStream,
    /// The received part of an incomplete reply.
    partial: Vec<u8>,
    has_answer: bool,
}

/// One change, sent to all browsers.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// From the change to the first complete reply.
    pub first: Duration,
    /// To the half of them.
    pub median: Duration,
    /// To the last.
    pub last: Duration,
    /// The part of that time in which the load itself ran.
    pub load_busy: f64,
}

/// When a browser polls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// As soon as it is answered, as browsers do.
    AtOnce,
    /// When all have been answered: so the load does little during the server's fan-out, and the
    /// time of the last reply is the server's own.
    AfterAll,
}

/// Requests one after the other on connections that stay.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Requests that were answered.
    pub count: usize,
    /// The time that it took.
    pub time: Duration,
    /// The part of that time in which the load itself ran.
    pub load_busy: f64,
}

type HeadAndBody = (Vec<u8>, Vec<u8>);

/// Longest that any one thing may take before the benchmark gives up on a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time after which requests one after the other end: the parked requests must not time out
/// before.
const RUN: Duration = Duration::from_secs(10);

/// Connections opened before the server is let answer them, well below any backlog.
const BATCH: usize = 100;

/// Connections from one address, well below the number of ports.
const PER_ADDRESS: usize = 10_000;

/// Room for a reply.
const BUFFER: usize = 256 * 1024;

impl Load {
    /// A load without browsers as yet.
    pub fn new(server: SocketAddrV4, asking: Asking) -> Result<Self, Failure> {
        Ok(Load {
            server,
            asking,
            poll: Epoll::new()?,
            browsers: vec![],
            replies: Replies::default(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            poll_request: vec![],
        })
    }

    /// How many browsers there are.
    pub fn browsers(&self) -> usize {
        self.browsers.len()
    }

    /// Opens further browsers: each connects and asks for the current revision, as a page does
    /// first.
    pub fn open(&mut self, count: usize, document: &Document) -> Result<(), Failure> {
        let request = self.asking.request(None);
        let end = self.browsers.len() + count;
        while self.browsers.len() < end {
            let begin = self.browsers.len();
            for place in begin..end.min(begin + BATCH) {
                let stream = sys::connect(source(place), self.server)?;
                self.poll.add(stream.as_raw_fd(), place)?;
                let mut browser = Browser { stream, partial: vec![], has_answer: false };
                browser.send(&request)?;
                self.browsers.push(browser);
            }
            self.until_answered(begin..self.browsers.len(), document)?;
        }
        Ok(())
    }

    /// Every browser from this index on asks for a later revision than it has: they are parked.
    pub fn park(&mut self, from: usize) -> Result<(), Failure> {
        for browser in &mut self.browsers[from..] {
            browser.send(&self.poll_request)?;
        }
        Ok(())
    }

    /// Sends a change and reads all replies; each browser polls again with the revision it
    /// received.
    pub fn round(
        &mut self,
        again: Again,
        document: &Document,
        tell: impl FnOnce(),
    ) -> Result<Round, Failure> {
        let count = self.browsers.len();
        let mut times = Vec::with_capacity(count);
        self.browsers.iter_mut().for_each(|browser| browser.has_answer = false);
        self.poll_request.clear();
        let (begin, ran) = (Instant::now(), sys::thread_time());
        tell();
        while times.len() < count {
            self.wait(begin)?;
            for place in 0..self.poll.ready_len() {
                let browser = self.poll.ready(place);
                if self.receive(browser, document)? {
                    times.push(begin.elapsed());
                    if again == Again::AtOnce {
                        self.browsers[browser].send(&self.poll_request)?;
                    }
                }
            }
        }
        let (last, load_busy) = (times[count - 1], busy(begin, ran));
        if again == Again::AfterAll {
            self.park(0)?;
        }
        Ok(Round { first: times[0], median: times[count / 2], last, load_busy })
    }

    /// The browsers from this place on ask again as soon as they are answered, so many times in
    /// all, or until some time has passed.
    pub fn run(&mut self, from: usize, count: usize, document: &Document) -> Result<Run, Failure> {
        let request = self.asking.request(None);
        let (mut asked, mut answered) = (0, 0);
        let (begin, ran) = (Instant::now(), sys::thread_time());
        for browser in &mut self.browsers[from..] {
            browser.has_answer = false;
            browser.send(&request)?;
            asked += 1;
        }
        while answered < asked {
            self.wait(begin)?;
            for place in 0..self.poll.ready_len() {
                let place = self.poll.ready(place);
                if self.receive(place, document)? {
                    answered += 1;
                    if asked < count && begin.elapsed() < RUN {
                        asked += 1;
                        self.browsers[place].has_answer = false;
                        self.browsers[place].send(&request)?;
                    }
                }
            }
        }
        Ok(Run::since(begin, ran, answered))
    }

    /// So many browsers come, ask once and go, some at a time.
    pub fn visits(&mut self, count: usize, document: &Document) -> Result<Run, Failure> {
        const AT_A_TIME: usize = 32;
        self.close();
        let request = self.asking.request(None);
        let (begin, ran) = (Instant::now(), sys::thread_time());
        let (mut come, mut gone) = (0, 0);
        while gone < count {
            while come < count && come - gone < AT_A_TIME {
                let place = come - gone;
                let stream = sys::connect(source(come), self.server)?;
                self.poll.add(stream.as_raw_fd(), place)?;
                let mut browser = Browser { stream, partial: vec![], has_answer: false };
                browser.send(&request)?;
                if let Some(old) = self.browsers.get_mut(place) {
                    *old = browser;
                } else {
                    self.browsers.push(browser);
                }
                come += 1;
            }
            // All of them, so that every place is free again.
            self.until_answered(0..come - gone, document)?;
            gone = come;
        }
        self.close();
        Ok(Run::since(begin, ran, count))
    }

    /// One browser polls until it is given `last`; what it gets before must be older revisions.
    pub fn watch(&mut self, last: &Document, bytes: usize) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut sequence = 0;
        loop {
            self.wait(begin)?;
            for _ in 0..self.poll.ready_len() {
                let Some((head, body)) = self.take(0)? else { continue };
                let got = sequence_of(&body);
                if got <= sequence || body != Document::new(got, bytes).body {
                    return Err(Failure("a reply is not of a newer revision".into()));
                }
                sequence = got;
                if body == last.body {
                    return Ok(());
                }
                let rev = Document::new(got, bytes).rev;
                let request = self.asking.request(Some((&rev, &head)));
                self.browsers[0].send(&request)?;
            }
        }
    }

    /// Returns true if bytes have arrived that no browser asked for.
    pub fn is_quiet(&mut self) -> Result<bool, Failure> {
        Ok(self.poll.wait(Duration::ZERO)? == 0)
    }

    /// All browsers leave.
    pub fn close(&mut self) {
        self.browsers.clear();
    }

    fn wait(&mut self, begin: Instant) -> Result<(), Failure> {
        let ready = self.poll.wait(Duration::from_millis(100))?;
        if ready == 0 && begin.elapsed() > PATIENCE {
            return Err(Failure(format!("a reply is lost: none for {} s", PATIENCE.as_secs())));
        }
        Ok(())
    }

    fn until_answered(
        &mut self,
        places: std::ops::Range<usize>,
        document: &Document,
    ) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut waiting = places.len();
        while waiting > 0 {
            self.wait(begin)?;
            for place in 0..self.poll.ready_len() {
                let place = self.poll.ready(place);
                waiting -= usize::from(self.receive(place, document)?);
            }
        }
        Ok(())
    }

    /// Reads the received bytes. Returns true if they are the whole reply, which is then checked.
    fn receive(&mut self, place: usize, document: &Document) -> Result<bool, Failure> {
        let browser = &mut self.browsers[place];
        let length = match browser.stream.read(&mut self.buffer) {
            Ok(0) => return Err(Failure("the server closed a connection".into())),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let bytes = if browser.partial.is_empty() {
            &self.buffer[..length]
        } else {
            browser.partial.extend_from_slice(&self.buffer[..length]);
            &browser.partial
        };
        match self.replies.read(bytes) {
            Reply::Wrong(why) => Err(Failure(why.into())),
            Reply::Partial => {
                if browser.partial.is_empty() {
                    browser.partial = self.buffer[..length].to_vec();
                }
                Ok(false)
            }
            Reply::Whole { .. } if browser.has_answer => {
                Err(Failure("a browser was answered twice".into()))
            }
            Reply::Whole { body, .. } if body != document.body => {
                Err(Failure("a reply is not the newest document".into()))
            }
            Reply::Whole { head, .. } => {
                if self.poll_request.is_empty() {
                    self.poll_request = self.asking.request(Some((&document.rev, head)));
                }
                browser.has_answer = true;
                browser.partial.clear();
                Ok(true)
            }
        }
    }

    /// Takes a whole reply, whatever its body.
    fn take(&mut self, place: usize) -> Result<Option<HeadAndBody>, Failure> {
        let browser = &mut self.browsers[place];
        match browser.stream.read(&mut self.buffer) {
            Ok(0) => return Err(Failure("the server closed a connection".into())),
            Ok(length) => browser.partial.extend_from_slice(&self.buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let taken = match self.replies.read(&browser.partial) {
            Reply::Wrong(why) => return Err(Failure(why.into())),
            Reply::Partial => return Ok(None),
            Reply::Whole { head, body } => (head.to_vec(), body.to_vec()),
        };
        browser.partial.clear();
        Ok(Some(taken))
    }
}

impl Run {
    fn since(begin: Instant, ran: Duration, count: usize) -> Self {
        Run { count, time: begin.elapsed(), load_busy: busy(begin, ran) }
    }
}

impl Browser {
    fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        match self.stream.write(request) {
            Ok(length) if length == request.len() => Ok(()),
            Ok(_) => Err(Failure("a request does not fit into a socket".into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// The part of the time since `begin` in which this thread has run; it `ran` so long before.
fn busy(begin: Instant, ran: Duration) -> f64 {
    let time = sys::thread_time().saturating_sub(ran);
    time.as_secs_f64() / begin.elapsed().as_secs_f64()
}

fn source(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, (2 + place / PER_ADDRESS) as u8)
}

fn sequence_of(body: &[u8]) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let rev = value["_rev"].as_str().and_then(|rev| rev.split('-').next());
    rev.and_then(|rev| rev.parse().ok()).unwrap_or_default()
}
