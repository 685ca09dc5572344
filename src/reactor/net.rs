//! The outside world as wheels see it: endpoints, sockets, and the two networks that they are of.

pub(super) use super::memory::Memory;
use super::memory::{MemoryListener, MemorySocket};
use super::options::{deepen_backlog, prepare_accepted};
use super::sockets::Sockets;
use super::transport::{Layer, Transport, retry};
use super::wheel::Permit;
use socket2::SockRef;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
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
    transport: Transport,
    layer: Option<Box<dyn Layer>>,
    /// The place that it takes with the listener that accepted it.
    permit: Option<Permit>,
}

impl From<Transport> for Socket {
    fn from(transport: Transport) -> Self {
        Socket { transport, layer: None, permit: None }
    }
}

impl From<mio::net::TcpStream> for Socket {
    fn from(stream: mio::net::TcpStream) -> Self {
        Transport::Tcp(stream).into()
    }
}

impl From<mio::net::UnixStream> for Socket {
    fn from(stream: mio::net::UnixStream) -> Self {
        Transport::Unix(stream).into()
    }
}

impl From<MemorySocket> for Socket {
    fn from(socket: MemorySocket) -> Self {
        Transport::Memory(socket).into()
    }
}

impl Socket {
    /// Has the socket carry a permit until it closes.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Has a layer change the bytes from now on.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS is the only layer"))]
    pub(super) fn with_layer(mut self, layer: impl Layer + 'static) -> Self {
        self.layer = Some(Box::new(layer));
        self
    }

    /// Reads what is there; 0 is the end, `WouldBlock` means that there is nothing now. Less than
    /// the buffer holds is all that there is now, unless the socket [`reads_on`](Self::reads_on).
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.layer {
            Some(layer) => layer.read(&mut self.transport, buffer),
            None => self.transport.read(buffer),
        }
    }

    /// Writes as much of `slices` as there is room for, in one system call.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.layer {
            Some(layer) => layer.write(&mut self.transport, slices),
            None => self.transport.write(slices),
        }
    }

    /// Writes what is [`held`](Self::held) as far as there is room.
    pub fn flush(&mut self) -> io::Result<()> {
        self.layer.as_mut().map_or(Ok(()), |layer| layer.flush(&mut self.transport))
    }

    /// How many bytes a layer, such as TLS, has taken or made and not written yet.
    pub fn held(&self) -> usize {
        self.layer.as_ref().map_or(0, |layer| layer.held())
    }

    /// Whether there is more to read, be it the end, of which no poll will tell.
    pub fn reads_on(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.reads_on())
    }

    /// Whether there is reason to write of which no poll will tell: a layer has something to say,
    /// or would take now what it has refused.
    pub fn writes_on(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.writes_on())
    }

    /// Tells the peer that nothing more will be written.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        match &mut self.layer {
            Some(layer) => layer.shutdown_write(&mut self.transport),
            None => self.transport.shutdown_write(),
        }
    }

    /// What carries the bytes.
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn has_layer(&self) -> bool {
        self.layer.is_some()
    }

    /// Takes the layer off, without its last words.
    pub(super) fn drop_layer(&mut self) {
        self.layer = None;
    }

    /// How an attempt to connect has gone: `WouldBlock` while it is under way.
    pub fn connected(&mut self) -> io::Result<()> {
        let error = match &self.transport {
            Transport::Tcp(stream) => stream.take_error()?,
            Transport::Unix(stream) => stream.take_error()?,
            Transport::Memory(_) => None,
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
        match &self.transport {
            Transport::Tcp(stream) => stream.peer_addr().map(Endpoint::Tcp),
            Transport::Unix(stream) => {
                stream.peer_addr().map(|address| unix(address.as_pathname()))
            }
            Transport::Memory(socket) => socket.peer(),
        }
    }

    /// The address on this side.
    pub fn local(&self) -> io::Result<Endpoint> {
        match &self.transport {
            Transport::Tcp(stream) => stream.local_addr().map(Endpoint::Tcp),
            Transport::Unix(stream) => {
                stream.local_addr().map(|address| unix(address.as_pathname()))
            }
            Transport::Memory(socket) => Ok(socket.local()),
        }
    }
}

impl Drop for Socket {
    /// A layer takes its leave, as TLS must, if there is room for that.
    fn drop(&mut self) {
        if let Some(layer) = &mut self.layer {
            let _ = layer.shutdown_write(&mut self.transport);
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
    /// The next connection that waits; `WouldBlock` means that there is none now.
    pub fn accept(&self) -> io::Result<(Socket, Endpoint)> {
        retry(|| match &self.0 {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                prepare_accepted(&stream);
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
        match (self, &mut socket.transport) {
            (Net::System(sockets), Transport::Tcp(stream)) => sockets.register(stream, token),
            (Net::System(sockets), Transport::Unix(stream)) => sockets.register(stream, token),
            (_, Transport::Memory(socket)) => {
                socket.register(token);
                Ok(())
            }
            (Net::Memory(_), _) => Err(of_the_system()),
        }
    }

    pub(super) fn adopt(&mut self, socket: &mut ListeningSocket, token: usize) -> io::Result<()> {
        match (self, &mut socket.0) {
            (Net::System(sockets), Listening::Tcp(listener)) => {
                deepen_backlog(SockRef::from(&*listener))?;
                sockets.register(listener, token)
            }
            (Net::System(sockets), Listening::Unix(listener)) => {
                deepen_backlog(SockRef::from(&*listener))?;
                sockets.register(listener, token)
            }
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
