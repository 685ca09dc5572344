//! The transport of a socket's bytes, and layers such as TLS between the socket and its transport.

use super::memory::MemorySocket;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

/// The transport of a socket's bytes.
#[derive(Debug)]
pub(in crate::reactor) enum Transport {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    Memory(MemorySocket),
}

/// A layer that changes the bytes between a socket and its transport, as TLS does.
///
/// A poll reports only the transport's readiness, so a layer has methods that report its own.
pub(in crate::reactor) trait Layer: fmt::Debug + Send {
    /// See [`Socket::read`].
    fn read(&mut self, transport: &mut Transport, buffer: &mut [u8]) -> io::Result<usize>;

    /// See [`Socket::write`]. `WouldBlock` may also mean that the layer is not ready.
    fn write(&mut self, transport: &mut Transport, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// See [`Socket::flush`].
    fn flush(&mut self, transport: &mut Transport) -> io::Result<()>;

    /// See [`Socket::shutdown_write`]; it happens after the held bytes have been written.
    fn shutdown_write(&mut self, transport: &mut Transport) -> io::Result<()>;

    /// See [`Socket::held`].
    fn held(&self) -> usize;

    /// See [`Socket::reads_on`].
    fn reads_on(&self) -> bool;

    /// See [`Socket::writes_on`].
    fn writes_on(&self) -> bool;
}

impl Transport {
    pub(in crate::reactor) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| match self {
            Transport::Tcp(stream) => stream.read(buffer),
            Transport::Unix(stream) => stream.read(buffer),
            Transport::Memory(socket) => socket.read(buffer),
        })
    }

    pub(in crate::reactor) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // The system takes one slice faster than a list of one.
        retry(|| match (&mut *self, slices) {
            (Transport::Tcp(stream), [slice]) => stream.write(slice),
            (Transport::Tcp(stream), slices) => stream.write_vectored(slices),
            (Transport::Unix(stream), [slice]) => stream.write(slice),
            (Transport::Unix(stream), slices) => stream.write_vectored(slices),
            (Transport::Memory(socket), slices) => socket.write(slices),
        })
    }

    pub(in crate::reactor) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
            Transport::Memory(socket) => socket.shutdown_write(),
        }
    }
}

/// Repeats a system call that a signal has interrupted.
pub(in crate::reactor) fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
