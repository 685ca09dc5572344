//! A listening socket that was opened by who started the program: systemd's socket activation
//! (`sd_listen_fds(3)`). Connections wait in it while the program starts, or starts anew.

use listenfd::ListenFd;
use masque::reactor::ListeningSocket;
use std::io;

/// The socket that was handed over by `LISTEN_FDS`, of TCP or of Unix; `None` when there is none.
///
/// # Errors
/// When what was handed over is no listening socket, or more than one.
pub(crate) fn socket() -> io::Result<Option<ListeningSocket>> {
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => return Ok(None),
        1 => {}
        count => return Err(io::Error::other(format!("{count} sockets, of which one is served"))),
    }
    if let Ok(Some(listener)) = handed.take_unix_listener(0) {
        return listener.try_into().map(Some);
    }
    handed.take_tcp_listener(0)?.map(ListeningSocket::try_from).transpose()
}
