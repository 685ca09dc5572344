//! The outside world as wheels see it: endpoints, sockets, and the two networks that they are of.

pub(super) use super::memory::Memory;
use super::memory::{MemoryListener, MemorySocket};
use super::sockets::Sockets;
use super::wheel::Permit;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;

/// Where a socket is or goes: an IP address with a port, or a path of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, with its path.
    Unix(PathBuf),
    /// The peer of a Unix socket, which has no name.
    Unnamed,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::Tcp(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
            Endpoint::Unnamed => f.write_str("unnamed"),
        }
    }
}

/// A connected socket that never blocks. It closes when it is dropped.
#[derive(Debug)]
pub struct Socket {
    kind: Kind,
    /// The place that it takes with the listener that accepted it.
    permit: Option<Permit>,
}

#[derive(Debug)]
enum Kind {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    Memory(MemorySocket),
}

impl From<mio::net::TcpStream> for Socket {
    fn from(stream: mio::net::TcpStream) -> Self {
        Socket { kind: Kind::Tcp(stream), permit: None }
    }
}

impl From<mio::net::UnixStream> for Socket {
    fn from(stream: mio::net::UnixStream) -> Self {
        Socket { kind: Kind::Unix(stream), permit: None }
    }
}

impl From<MemorySocket> for Socket {
    fn from(socket: MemorySocket) -> Self {
        Socket { kind: Kind::Memory(socket), permit: None }
    }
}

impl Socket {
    /// Has the socket carry a permit until it closes.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Reads what is there; 0 is the end, `WouldBlock` means that there is nothing now.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| match &mut self.kind {
            Kind::Tcp(stream) => stream.read(buffer),
            Kind::Unix(stream) => stream.read(buffer),
            Kind::Memory(socket) => socket.read(buffer),
        })
    }

    /// Writes as much of `slices` as there is room for, in one system call.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match &mut self.kind {
            Kind::Tcp(stream) => stream.write_vectored(slices),
            Kind::Unix(stream) => stream.write_vectored(slices),
            Kind::Memory(socket) => socket.write(slices),
        })
    }

    /// Tells the peer that nothing more will be written.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        match &self.kind {
            Kind::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Kind::Unix(stream) => stream.shutdown(Shutdown::Write),
            Kind::Memory(socket) => socket.shutdown_write(),
        }
    }

    /// How an attempt to connect has gone: `WouldBlock` while it is under way.
    pub fn connected(&mut self) -> io::Result<()> {
        let error = match &self.kind {
            Kind::Tcp(stream) => stream.take_error()?,
            Kind::Unix(stream) => stream.take_error()?,
            Kind::Memory(_) => None,
        };
        match error {
            Some(error) => Err(error),
            None => self.peer().map(drop).map_err(|error| match error.kind() {
                io::ErrorKind::NotConnected => io::ErrorKind::WouldBlock.into(),
                _ => error,
            }),
        }
    }

    /// Who is on the other side.
    pub fn peer(&self) -> io::Result<Endpoint> {
        match &self.kind {
            Kind::Tcp(stream) => stream.peer_addr().map(Endpoint::Tcp),
            Kind::Unix(stream) => stream.peer_addr().map(|address| unix(address.as_pathname())),
            Kind::Memory(socket) => socket.peer(),
        }
    }

    /// The address on this side.
    pub fn local(&self) -> io::Result<Endpoint> {
        match &self.kind {
            Kind::Tcp(stream) => stream.local_addr().map(Endpoint::Tcp),
            Kind::Unix(stream) => stream.local_addr().map(|address| unix(address.as_pathname())),
            Kind::Memory(socket) => Ok(socket.local()),
        }
    }
}

/// A socket that accepts connections. It closes when it is dropped.
#[derive(Debug)]
pub struct ListeningSocket(Listening);

#[derive(Debug)]
enum Listening {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
    Memory(MemoryListener),
}

impl From<mio::net::TcpListener> for ListeningSocket {
    fn from(listener: mio::net::TcpListener) -> Self {
        ListeningSocket(Listening::Tcp(listener))
    }
}

impl From<mio::net::UnixListener> for ListeningSocket {
    fn from(listener: mio::net::UnixListener) -> Self {
        ListeningSocket(Listening::Unix(listener))
    }
}

/// A socket that was opened elsewhere, such as one that a supervisor hands over. It does not block
/// from now on.
impl TryFrom<std::net::TcpListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(mio::net::TcpListener::from_std(listener).into())
    }
}

/// A socket that was opened elsewhere. It does not block from now on.
impl TryFrom<std::os::unix::net::UnixListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(mio::net::UnixListener::from_std(listener).into())
    }
}

impl ListeningSocket {
    /// The next connection that waits; `WouldBlock` means that there is none now. Small writes go out
    /// at once (`TCP_NODELAY`): replies are written whole.
    pub fn accept(&self) -> io::Result<(Socket, Endpoint)> {
        retry(|| match &self.0 {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok((stream.into(), Endpoint::Tcp(peer)))
            }
            Listening::Unix(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((stream.into(), unix(peer.as_pathname())))
            }
            Listening::Memory(listener) => {
                listener.accept().map(|(socket, peer)| (socket.into(), peer))
            }
        })
    }

    /// Where it listens, with the port that the system picked.
    pub fn local(&self) -> io::Result<Endpoint> {
        match &self.0 {
            Listening::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Listening::Unix(listener) => {
                listener.local_addr().map(|address| unix(address.as_pathname()))
            }
            Listening::Memory(listener) => Ok(listener.local()),
        }
    }
}

fn unix(path: Option<&std::path::Path>) -> Endpoint {
    path.map_or(Endpoint::Unnamed, |path| Endpoint::Unix(path.into()))
}

fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The network of a kernel: the system's, or one in memory.
pub(super) enum Net {
    System(Sockets),
    Memory(Memory),
}

impl Net {
    pub(super) fn listen(&mut self, at: &Endpoint, token: usize) -> io::Result<ListeningSocket> {
        match self {
            Net::System(sockets) => sockets.listen(at, token),
            Net::Memory(memory) => {
                Ok(ListeningSocket(Listening::Memory(memory.listen(at, token)?)))
            }
        }
    }

    pub(super) fn connect(&mut self, to: &Endpoint, token: usize) -> io::Result<Socket> {
        match self {
            Net::System(sockets) => sockets.connect(to, token),
            Net::Memory(memory) => memory.connect(to, token).map(Socket::from),
        }
    }

    pub(super) fn register(&mut self, socket: &mut Socket, token: usize) -> io::Result<()> {
        match (self, &mut socket.kind) {
            (Net::System(sockets), Kind::Tcp(stream)) => sockets.register(stream, token),
            (Net::System(sockets), Kind::Unix(stream)) => sockets.register(stream, token),
            (_, Kind::Memory(socket)) => {
                socket.register(token);
                Ok(())
            }
            (Net::Memory(_), _) => Err(of_the_system()),
        }
    }

    pub(super) fn adopt(&mut self, socket: &mut ListeningSocket, token: usize) -> io::Result<()> {
        match (self, &mut socket.0) {
            (Net::System(sockets), Listening::Tcp(listener)) => sockets.register(listener, token),
            (Net::System(sockets), Listening::Unix(listener)) => sockets.register(listener, token),
            (_, Listening::Memory(_)) => Ok(()), // it was made with its wheel
            (Net::Memory(_), _) => Err(of_the_system()),
        }
    }

    pub(super) fn resolve(&mut self, host: &str, port: u16, token: usize) -> io::Result<()> {
        match self {
            Net::System(sockets) => sockets.resolve(host, port, token),
            Net::Memory(memory) => {
                memory.resolve(host, port, token);
                Ok(())
            }
        }
    }

    pub(super) fn resolved(&mut self, token: usize) -> Option<io::Result<Vec<Endpoint>>> {
        match self {
            Net::System(sockets) => sockets.resolved(token),
            Net::Memory(memory) => memory.resolved(token),
        }
    }
}

fn of_the_system() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a socket of the system cannot be used on a network in memory",
    )
}
