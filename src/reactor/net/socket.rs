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
    /// The place that it takes with the listener that accepted it.
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
    /// Has the socket carry a permit until it closes.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Has a layer change the bytes from now on.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS is the only layer"))]
    pub(in crate::reactor) fn with_layer(mut self, layer: impl Layer + 'static) -> Self {
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
    pub(super) fn transport_mut(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(in crate::reactor) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(in crate::reactor) fn has_layer(&self) -> bool {
        self.layer.is_some()
    }

    /// Takes the layer off, without its last words.
    pub(in crate::reactor) fn drop_layer(&mut self) {
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
                stream.peer_addr().map(|address| of_path(address.as_pathname()))
            }
            Transport::Memory(socket) => socket.peer(),
        }
    }

    /// The address on this side.
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
    /// A layer takes its leave, as TLS must, if there is room for that.
    fn drop(&mut self) {
        if let Some(layer) = &mut self.layer {
            let _ = layer.shutdown_write(&mut self.transport);
        }
    }
}
