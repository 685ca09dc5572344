//! Addresses of sockets.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address of a socket or of its peer: an IP address with a port, or a path of the file system.
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

/// The endpoint of a Unix socket with this path, or without one.
pub(super) fn of_path(path: Option<&std::path::Path>) -> Endpoint {
    path.map_or(Endpoint::Unnamed, |path| Endpoint::Unix(path.into()))
}
