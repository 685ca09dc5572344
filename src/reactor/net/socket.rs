//! Connected sockets.

use super::endpoint::{Endpoint, of_path};
use super::memory::MemorySocket;
use super::transport::{Layer, Transport};
use crate::reactor::release::Permit;
use std::io::{self, IoSlice};

/// A connected socket that never blocks. It closes when it is dropped.
#[derive(Debug)]
pub struct Socket {
    transport: Transport,
    layer: Option<Box<dyn Layer>>,
    /// The permit of the listener that accepted it, which counts its connections.
    permit: Option<Permit>,
}

impl From<Transport> for Socket {
    fn from(transport: Transport) -> Self {
        Socket { transport, layer: None, permit: None }
    }
}

/// A socket that was connected elsewhere. It does not block from now on.
impl TryFrom<std::net::TcpStream> for Socket {
    type Error = io::Error;

    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Transport::Tcp(mio::net::TcpStream::from_std(stream)).into())
    }
}

/// A socket that was connected elsewhere. It does not block from now on.
impl TryFrom<std::os::unix::net::UnixStream> for Socket {
    type Error = io::Error;

    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Transport::Unix(mio::net::UnixStream::from_std(stream)).into())
    }
}

impl From<MemorySocket> for Socket {
    fn from(socket: MemorySocket) -> Self {
        Transport::Memory(socket).into()
    }
}

impl Socket {
    /// Stores a permit in the socket until it closes.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Passes all bytes through a layer from now on.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS is the only layer"))]
    pub(in crate::reactor) fn with_layer(mut self, layer: impl Layer + 'static) -> Self {
        self.layer = Some(Box::new(layer));
        self
    }

    /// Reads the available bytes. Returns 0 at the end, and `WouldBlock` if there are none now. If
    /// it returns less than the buffer's length, no more bytes are available now, unless
    /// [`reads_on`](Self::reads_on) is true.
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

    /// Writes the [`held`](Self::held) bytes, as far as there is room.
    pub fn flush(&mut self) -> io::Result<()> {
        self.layer.as_mut().map_or(Ok(()), |layer| layer.flush(&mut self.transport))
    }

    /// The number of bytes that a layer, such as TLS, has not written to the transport yet.
    pub fn held(&self) -> usize {
        self.layer.as_ref().map_or(0, |layer| layer.held())
    }

    /// Returns true if a layer has more to read, or the end, which no poll will report.
    pub fn reads_on(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.reads_on())
    }

    /// Returns true if a write is due that no poll will report: a layer has bytes to send, or now
    /// accepts bytes that it refused before.
    pub fn writes_on(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.writes_on())
    }

    /// Closes the write side: the peer reads the end after the bytes that were written.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        match &mut self.layer {
            Some(layer) => layer.shutdown_write(&mut self.transport),
            None => self.transport.shutdown_write(),
        }
    }

    /// The transport of the bytes.
    pub(super) fn transport_mut(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(in crate::reactor) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(in crate::reactor) fn has_layer(&self) -> bool {
        self.layer.is_some()
    }

    /// Removes the layer, without its last bytes.
    pub(in crate::reactor) fn drop_layer(&mut self) {
        self.layer = None;
    }

    /// The result of an attempt to connect: `WouldBlock` while it is in progress.
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

    /// The address of the peer.
    pub fn peer(&self) -> io::Result<Endpoint> {
        match &self.transport {
            Transport::Tcp(stream) => stream.peer_addr().map(Endpoint::Tcp),
            Transport::Unix(stream) => {
                stream.peer_addr().map(|address| of_path(address.as_pathname()))
            }
            Transport::Memory(socket) => socket.peer(),
        }
    }

    /// The local address.
    pub fn local(&self) -> io::Result<Endpoint> {
        match &self.transport {
            Transport::Tcp(stream) => stream.local_addr().map(Endpoint::Tcp),
            Transport::Unix(stream) => {
                stream.local_addr().map(|address| of_path(address.as_pathname()))
            }
            Transport::Memory(socket) => Ok(socket.local()),
        }
    }
}

impl Drop for Socket {
    /// Sends a layer's last bytes, as TLS requires, if there is room.
    fn drop(&mut self) {
        if let Some(layer) = &mut self.layer {
            let _ = layer.shutdown_write(&mut self.transport);
        }
    }
}
