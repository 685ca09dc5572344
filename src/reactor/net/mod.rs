//! The network of a kernel: the system's, or one in memory. It knows ids and nothing else of the
//! kernel.

mod endpoint;
mod listener;
mod memory;
mod options;
mod readiness;
mod signal;
mod socket;
mod system;
#[cfg(feature = "tls")]
mod tls;
mod tls_error;
mod transport;

pub use endpoint::Endpoint;
pub use listener::ListeningSocket;
pub(in crate::reactor) use memory::Memory;
pub use readiness::Readiness;
pub use signal::Signal;
pub use socket::Socket;
pub(in crate::reactor) use system::{SIGNALS, Sockets, WAKER};
#[cfg(feature = "tls")]
pub use tls::Trust;
pub use tls_error::TlsError;

use listener::Listening;
use options::deepen_backlog;
use socket2::SockRef;
use std::io;
use transport::Transport;

/// The network of a kernel: the system's, or one in memory.
pub(in crate::reactor) enum Net {
    System(Sockets),
    Memory(Memory),
}

impl Net {
    pub(in crate::reactor) fn listen(
        &mut self,
        at: &Endpoint,
        token: usize,
    ) -> io::Result<ListeningSocket> {
        match self {
            Net::System(sockets) => sockets.listen(at, token),
            Net::Memory(memory) => {
                Ok(ListeningSocket(Listening::Memory(memory.listen(at, token)?)))
            }
        }
    }

    pub(in crate::reactor) fn connect(
        &mut self,
        to: &Endpoint,
        token: usize,
    ) -> io::Result<Socket> {
        match self {
            Net::System(sockets) => sockets.connect(to, token),
            Net::Memory(memory) => memory.connect(to, token).map(Socket::from),
        }
    }

    pub(in crate::reactor) fn register(
        &mut self,
        socket: &mut Socket,
        token: usize,
    ) -> io::Result<()> {
        match (self, socket.transport_mut()) {
            (Net::System(sockets), Transport::Tcp(stream)) => sockets.register(stream, token),
            (Net::System(sockets), Transport::Unix(stream)) => sockets.register(stream, token),
            (_, Transport::Memory(socket)) => {
                socket.register(token);
                Ok(())
            }
            (Net::Memory(_), _) => Err(of_the_system()),
        }
    }

    pub(in crate::reactor) fn adopt(
        &mut self,
        socket: &mut ListeningSocket,
        token: usize,
    ) -> io::Result<()> {
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

    pub(in crate::reactor) fn resolve(
        &mut self,
        host: &str,
        port: u16,
        token: usize,
    ) -> io::Result<()> {
        match self {
            Net::System(sockets) => sockets.resolve(host, port, token),
            Net::Memory(memory) => {
                memory.resolve(host, port, token);
                Ok(())
            }
        }
    }

    pub(in crate::reactor) fn resolved(
        &mut self,
        token: usize,
    ) -> Option<io::Result<Vec<Endpoint>>> {
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
