//! HTTP/1.1 for tests: one blocking socket, nothing hidden, and no wait without an end.

use super::PATIENCE;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Sends a GET request for `url`.
#[track_caller]
pub(crate) fn get(url: &str) -> Reply {
    request("GET", url, &[], b"").unwrap_or_else(|error| panic!("GET {url}: {error}"))
}

/// Puts a JSON text at `url`.
#[track_caller]
pub(crate) fn put(url: &str, json: &str) -> Reply {
    let headers = [("Content-Type", "application/json")];
    request("PUT", url, &headers, json.as_bytes())
        .unwrap_or_else(|error| panic!("PUT {url}: {error}"))
}

/// Sends a request on a connection of its own and reads the answer.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let (address, path) = split(url);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    head += "\r\n";
    let mut connection = Connection::open(address)?;
    connection.send(&[head.as_bytes(), body].concat())?;
    if method == "HEAD" { connection.head(PATIENCE) } else { connection.reply(PATIENCE) }
}

impl Reply {
    /// The first field of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, which is text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body, which is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A connection, for tests of several requests on it, of broken ones and of none.
#[derive(Debug)]
pub(crate) struct Connection {
    input: BufReader<Timed>,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub(crate) fn open(address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { input: BufReader::new(Timed { stream, end: Instant::now() }) })
    }

    /// Sends these bytes, whatever they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.input.get_mut().stream.write_all(bytes)
    }

    /// Sends no more, but still reads.
    pub(crate) fn end_sending(&mut self) -> io::Result<()> {
        self.input.get_mut().stream.shutdown(Shutdown::Write)
    }

    /// Returns true if no unread input has arrived: no answer, and no end.
    pub(crate) fn is_silent(&mut self) -> io::Result<bool> {
        if !self.input.buffer().is_empty() {
            return Ok(false);
        }
        let stream = &self.input.get_mut().stream;
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The next answer; an interim one, as 100, is an answer of its own.
    pub(crate) fn reply(&mut self, within: Duration) -> io::Result<Reply> {
        let mut reply = self.head(within)?;
        let has_body = !matches!(reply.status, 100..200 | 204 | 304);
        let length = reply.header("Content-Length").map(str::parse);
        if reply.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked") {
            reply.body = self.chunks()?;
        } else if let Some(length) = length {
            let length: usize = length.map_err(|_| invalid("Content-Length"))?;
            if has_body {
                reply.body = self.exactly(length)?;
            }
        } else if has_body {
            self.input.read_to_end(&mut reply.body)?;
        }
        Ok(reply)
    }

    /// The next answer, when it is one to HEAD: no body follows, whatever its fields say.
    pub(crate) fn head(&mut self, within: Duration) -> io::Result<Reply> {
        self.input.get_mut().end = Instant::now() + within;
        let start = self.line()?;
        let status = start.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| invalid(&start))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Reply { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The remaining bytes until the other side closes.
    pub(crate) fn rest(&mut self, within: Duration) -> io::Result<Vec<u8>> {
        self.input.get_mut().end = Instant::now() + within;
        let mut rest = Vec::new();
        self.input.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// A line without its CRLF. A bare LF is an error: what we test must not send one.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None if line.ends_with('\n') => Err(invalid(&line)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next chunk of an answer whose head has been read; an empty one is its end.
    pub(crate) fn chunk(&mut self, within: Duration) -> io::Result<Vec<u8>> {
        self.input.get_mut().end = Instant::now() + within;
        self.next_chunk()
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.next_chunk()?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    fn next_chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| invalid(&size))?;
        let chunk = self.exactly(size)?;
        if !self.line()?.is_empty() {
            return Err(invalid("chunk"));
        }
        Ok(chunk)
    }
}

/// A socket whose reads end at a moment, however many there are.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        match self.stream.read(bytes) {
            // What Unix says when a read has waited long enough.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::TimedOut.into())
            }
            result => result,
        }
    }
}

/// `http://HOST:PORT/PATH` as `HOST:PORT` and `/PATH`.
#[track_caller]
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("the address begins with http://");
    let path = rest.find('/').unwrap_or(rest.len());
    (&rest[..path], if path == rest.len() { "/" } else { &rest[path..] })
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}
