//! Sockets that accept connections.

use super::endpoint::{Endpoint, of_path};
use super::memory::MemoryListener;
use super::options::prepare_accepted;
use super::socket::Socket;
use super::transport::{Transport, retry};
use std::io;

/// A socket that accepts connections. It closes when it is dropped.
#[derive(Debug)]
pub struct ListeningSocket(pub(super) Listening);

#[derive(Debug)]
pub(super) enum Listening {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
    Memory(MemoryListener),
}

impl From<Listening> for ListeningSocket {
    fn from(listening: Listening) -> Self {
        ListeningSocket(listening)
    }
}

/// A socket that was opened elsewhere, such as one that a supervisor hands over. It does not block
/// from now on.
impl TryFrom<std::net::TcpListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Listening::Tcp(mio::net::TcpListener::from_std(listener)).into())
    }
}

/// A socket that was opened elsewhere. It does not block from now on.
impl TryFrom<std::os::unix::net::UnixListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Listening::Unix(mio::net::UnixListener::from_std(listener)).into())
    }
}

impl ListeningSocket {
    /// The next connection that waits; `WouldBlock` means that there is none now.
    pub fn accept(&self) -> io::Result<(Socket, Endpoint)> {
        retry(|| match &self.0 {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                prepare_accepted(&stream);
                Ok((Transport::Tcp(stream).into(), Endpoint::Tcp(peer)))
            }
            Listening::Unix(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Transport::Unix(stream).into(), of_path(peer.as_pathname())))
            }
            Listening::Memory(listener) => {
                listener.accept().map(|(socket, peer)| (socket.into(), peer))
            }
        })
    }

    /// The address on which it listens, with the port that the system picked.
    pub fn local(&self) -> io::Result<Endpoint> {
        match &self.0 {
            Listening::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Listening::Unix(listener) => {
                listener.local_addr().map(|address| of_path(address.as_pathname()))
            }
            Listening::Memory(listener) => Ok(listener.local()),
        }
    }
}
