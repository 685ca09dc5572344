//! Just enough CouchDB for the programs that follow it: one document, which changes on command.

use crate::Failure;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A database that is followed. Its threads live as long as the process.
#[derive(Debug, Clone)]
pub struct Feeder {
    address: SocketAddr,
    standing: Arc<Mutex<Standing>>,
}

/// The document's current state, and the followers that receive its changes.
#[derive(Debug)]
struct Standing {
    sequence: u64,
    document: Document,
    /// The bytes that each further document has.
    document_bytes: usize,
    followers: Vec<TcpStream>,
}

/// One revision of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its revision.
    pub rev: String,
    /// The document as it goes out to every browser.
    pub body: Vec<u8>,
}

impl Document {
    /// The document as of this sequence.
    pub fn new(sequence: u64, bytes: usize) -> Self {
        let rev = format!("{sequence}-{:032x}", u128::from(sequence) * 0x9e37_79b9_7f4a_7c15);
        let body = padded(&format!(r#""_id":"overview","_rev":"{rev}","#), bytes);
        Document { rev, body: body.into_bytes() }
    }

    /// The change as a line of the feed.
    fn line(&self, sequence: u64) -> Vec<u8> {
        let Document { rev, body } = self;
        let body = String::from_utf8_lossy(body);
        row(sequence, "overview", rev, &body).into_bytes()
    }
}

/// Long enough that it is no work, short enough for every follower's patience.
const HEARTBEAT: Duration = Duration::from_secs(4);

/// A follower that does not read for so long is given up.
const WRITE: Duration = Duration::from_secs(10);

/// Requests are of one segment; a client that sends a longer head is no follower.
const HEAD_BYTES: usize = 16 * 1024;

impl Feeder {
    /// Starts one whose documents have this length.
    pub fn start(document_bytes: usize) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(|error| Failure(format!("no port: {error}")))?;
        let address = listener.local_addr().map_err(|error| Failure(error.to_string()))?;
        let document = Document::new(1, document_bytes);
        let followers = vec![];
        let standing = Standing { sequence: 1, document, document_bytes, followers };
        let feeder = Feeder { address, standing: Arc::new(Mutex::new(standing)) };
        let this = feeder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = this.clone();
                std::thread::spawn(move || drop(this.serve(stream)));
            }
        });
        let this = feeder.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(HEARTBEAT);
                this.lock().tell(b"\n");
            }
        });
        Ok(feeder)
    }

    /// The database's address.
    pub fn url(&self) -> String {
        format!("http://{}/bench", self.address)
    }

    /// The current document.
    pub fn document(&self) -> Document {
        self.lock().document.clone()
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.lock().followers.len()
    }

    /// Forgets all followers: their connections are closed.
    pub fn hang_up(&self) {
        self.lock().followers.clear();
    }

    /// Makes the next revision ready, so that telling it costs one write.
    pub fn prepare(&self) -> Prepared {
        let standing = self.lock();
        let sequence = standing.sequence + 1;
        let document = Document::new(sequence, standing.document_bytes);
        let line = chunk(&document.line(sequence));
        Prepared { feeder: self.clone(), sequence, document, line }
    }

    /// Writes so many thousand lines, each with a document of the length that this was started
    /// with; the last of each thousand is the followed one, and the `others` are ready.
    pub fn pour(&self, thousands: usize, others: &[u8]) -> io::Result<()> {
        for _ in 0..thousands {
            // All of a thousand under the lock, so that no heartbeat falls into a line.
            let mut standing = self.lock();
            standing.sequence += 1;
            standing.document = Document::new(standing.sequence, standing.document_bytes);
            let line = chunk(&standing.document.line(standing.sequence));
            let follower = standing.followers.last_mut().ok_or(io::ErrorKind::NotConnected)?;
            follower.write_all(others)?;
            follower.write_all(&line)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of one connection until it follows, or ends.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE))?;
        let mut output = stream.try_clone()?;
        let mut input = BufReader::new(stream);
        loop {
            let Some(path) = request(&mut input)? else { return Ok(()) };
            let mut standing = self.lock();
            if path.contains("/_changes") {
                output.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                      Transfer-Encoding: chunked\r\n\r\n",
                )?;
                if !path.contains(&format!("since={}", standing.sequence)) {
                    let line = chunk(&standing.document.line(standing.sequence));
                    output.write_all(&line)?;
                }
                standing.followers.push(output);
                drop(standing);
                while !input.fill_buf()?.is_empty() {
                    let length = input.buffer().len();
                    input.consume(length);
                }
                return Ok(());
            }
            let body = if path.ends_with("/overview") {
                standing.document.body.clone()
            } else {
                let sequence = standing.sequence;
                let info = format!(
                    r#"{{"db_name":"bench","update_seq":"{sequence}","instance_start_time":"1"}}"#
                );
                info.into_bytes()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            output.write_all(&[head.as_bytes(), &body].concat())?;
        }
    }
}

/// Lines of the feed of which one is the followed document.
pub const PER_FOLLOWED: usize = 1000;

/// A revision that is about to be sent.
#[derive(Debug)]
pub struct Prepared {
    feeder: Feeder,
    sequence: u64,
    /// The document that it will be.
    pub document: Document,
    line: Vec<u8>,
}

impl Prepared {
    /// Writes the one line to all followers.
    pub fn tell(self) {
        let mut standing = self.feeder.lock();
        standing.sequence = self.sequence;
        standing.document = self.document;
        standing.write(&self.line);
    }
}

impl Standing {
    fn tell(&mut self, line: &[u8]) {
        self.write(&chunk(line));
    }

    fn write(&mut self, bytes: &[u8]) {
        self.followers.retain_mut(|follower| follower.write_all(bytes).is_ok());
    }
}

fn request(input: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let (mut first, mut bytes) = (String::new(), 0);
    loop {
        let mut line = String::new();
        bytes += input.read_line(&mut line)?;
        if bytes > HEAD_BYTES || line.is_empty() {
            return Ok(None);
        }
        if first.is_empty() {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut first);
        } else if line == "\r\n" {
            return Ok(Some(first));
        }
    }
}

/// A thousand lines less one, of documents of so many bytes that are not followed.
pub fn others(bytes: usize) -> Vec<u8> {
    let mut lines = vec![];
    for number in 0..PER_FOLLOWED as u64 - 1 {
        let id = format!("other-{number:04}");
        let document = padded(&format!(r#""_id":"{id}","_rev":"1-0","#), bytes);
        lines.extend(chunk(row(0, &id, "1-0", &document).as_bytes()));
    }
    lines
}

fn row(sequence: u64, id: &str, rev: &str, document: &str) -> String {
    format!(
        "{{\"seq\":\"{sequence}\",\"id\":\"{id}\",\"changes\":[{{\"rev\":\"{rev}\"}}],\
         \"doc\":{document}}}\n"
    )
}

/// A document with these members and figures up to so many bytes.
fn padded(members: &str, bytes: usize) -> String {
    let mut text = format!("{{{members}\"figures\":[0");
    let mut number = 0;
    while text.len() + 8 < bytes {
        number = (number * 73 + 41) % 1000;
        let _ = write!(text, ",{number}"); // a String takes everything
    }
    text.push_str("]}");
    text
}

fn chunk(line: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", line.len()).into_bytes();
    chunk.extend_from_slice(line);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

#[cfg(test)]
mod tests {
    use super::{Document, padded};

    #[test]
    fn documents_are_json_of_the_length_asked_for() {
        for bytes in [200, 600, 20_000] {
            let document = Document::new(7, bytes);
            let length = document.body.len();
            assert!((bytes - 10..=bytes).contains(&length), "{length} of {bytes}");
            let value: serde_json::Value = serde_json::from_slice(&document.body).expect("JSON");
            assert_eq!(value["_rev"], document.rev.as_str());
            let line: serde_json::Value =
                serde_json::from_slice(&document.line(7)).expect("a line of JSON");
            assert_eq!(line["doc"], value);
        }
        assert_eq!(padded(r#""a":1,"#, 0), r#"{"a":1,"figures":[0]}"#);
    }
}
