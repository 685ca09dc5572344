//! A browser's connection: blocking, and never for long.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any poll is held, and than a busy machine takes for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, but for its body, which has been read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The revision, if it is tagged with one.
    pub(super) tag: String,
    pub(super) closes: bool,
    pub(super) body: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(super) fn open(address: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire(BufReader::with_capacity(4096, stream)))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Sends a GET and does not wait.
    pub(super) fn ask(&mut self, path: &str) -> io::Result<()> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    pub(super) fn end_sending(&mut self) -> io::Result<()> {
        self.0.get_mut().shutdown(Shutdown::Write)
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// The next answer. Its body has a length: nothing that is asked for here is sent otherwise.
    pub(super) fn answer(&mut self) -> io::Result<Answer> {
        let start = self.line()?;
        let status = start.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { return Err(io::Error::other(start)) };
        let mut answer = Answer { status, tag: String::new(), closes: false, body: vec![] };
        let mut length = 0;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "etag" => value.trim_matches('"').clone_into(&mut answer.tag),
                "connection" => answer.closes = value == "close",
                _ => {}
            }
        }
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Reads no more than this; how much it was.
    pub(super) fn sip(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }

    /// Reads until the server closes. Returns the number of bytes.
    pub(super) fn rest(&mut self) -> io::Result<u64> {
        io::copy(&mut self.0, &mut io::sink())
    }
}
