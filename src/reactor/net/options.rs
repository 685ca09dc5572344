//! Options of the system's sockets: how many clients wait to be accepted, how much the system holds
//! for a peer that reads slowly, and how a peer that has vanished is noticed.
//!
//! Every option is a request. If the system refuses one, the connection works without it.

use super::socket::Socket;
use super::transport::Transport;
use crate::limits::{
    LISTEN_BACKLOG, PEER_KEEPALIVE_IDLE, PEER_KEEPALIVE_INTERVAL, SEND_BUFFER_BYTES,
};
use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;

/// Sets the backlog of a listening socket to the largest that the system allows. The socket may
/// listen already.
pub(in crate::reactor) fn deepen_backlog(listener: SockRef<'_>) -> io::Result<()> {
    listener.listen(LISTEN_BACKLOG)
}

/// Sets the options of a connection that was accepted. Small writes are sent without delay
/// (`TCP_NODELAY`), because replies are written whole.
pub(in crate::reactor) fn prepare_accepted(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let options = [
        stream.set_nodelay(true),
        socket.set_send_buffer_size(SEND_BUFFER_BYTES),
        bound_unsent(&socket),
        keep_alive(&socket, PEER_KEEPALIVE_IDLE, PEER_KEEPALIVE_INTERVAL),
    ];
    for error in options.into_iter().filter_map(Result::err) {
        log::debug!("an option of a connection cannot be set: {error}");
    }
}

/// "Writable" then follows what the peer takes. Without it the system reports room only when a
/// third of its send buffer is free again.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn bound_unsent(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(crate::limits::SEND_UNSENT_BYTES)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bound_unsent(_: &SockRef<'_>) -> io::Result<()> {
    Ok(())
}

fn keep_alive(socket: &SockRef<'_>, idle: Duration, interval: Duration) -> io::Result<()> {
    let [idle, interval] = [idle, interval].map(|time| time.clamp(SECOND, KEEPALIVE_TIME_MAX));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval))
}

const SECOND: Duration = Duration::from_secs(1);

/// The longest time that Linux takes for a keep-alive. It refuses a longer one.
const KEEPALIVE_TIME_MAX: Duration = Duration::from_secs(32_767);

/// The longest time to acknowledge that Linux takes: 24.8 days. It refuses a longer one.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ACK_TIME_MAX: Duration = Duration::from_millis(i32::MAX as u64);

impl Socket {
    /// Turns on keep-alives (RFC 9293, section 3.8.4): when nothing has arrived for `idle`, the
    /// system sends a probe each `interval`, and ends the connection if the peer does not answer.
    /// Both are whole seconds, from 1 to 32,767 (nine hours).
    ///
    /// Keep-alives detect a peer whose machine is gone, and a router that has forgotten the
    /// connection. They do not detect a program that hangs. They have no effect on Unix sockets and
    /// sockets in memory.
    ///
    /// Accepted connections have keep-alives, with [`PEER_KEEPALIVE_IDLE`].
    pub fn set_keepalive(&self, idle: Duration, interval: Duration) -> io::Result<()> {
        match self.transport() {
            Transport::Tcp(stream) => keep_alive(&SockRef::from(stream), idle, interval),
            Transport::Unix(_) | Transport::Memory(_) => Ok(()),
        }
    }

    /// Lets the system end the connection if the peer acknowledges no sent byte for `time`, at most
    /// 24.8 days (`TCP_USER_TIMEOUT`, RFC 5482). `None` restores the system's default, about 15
    /// minutes. Only Linux has this option; elsewhere, and for other sockets than TCP's, this does
    /// nothing.
    ///
    /// Linux also counts the time for which the peer has had no room to receive, and counts on
    /// while a slow peer makes a little room. So it must be off while a peer reads slowly.
    pub fn set_ack_time(&self, time: Option<Duration>) -> io::Result<()> {
        match self.transport() {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Transport::Tcp(stream) => {
                let time = time.map(|time| time.min(ACK_TIME_MAX));
                SockRef::from(stream).set_tcp_user_timeout(time)
            }
            _ => {
                let _ = time;
                Ok(())
            }
        }
    }

    /// The time that was set by [`set_ack_time`](Socket::set_ack_time).
    #[cfg(all(test, target_os = "linux"))]
    pub fn ack_time(&self) -> io::Result<Option<Duration>> {
        match self.transport() {
            Transport::Tcp(stream) => SockRef::from(stream).tcp_user_timeout(),
            _ => Ok(None),
        }
    }

    /// Resets the connection when the socket is dropped, without the last bytes of a layer. The
    /// system then drops the bytes that it still holds for the peer.
    ///
    /// A layer that holds no bytes is closed normally instead: the transport has room then, and TLS
    /// must inform the peer of its failure.
    pub fn reset(&mut self) {
        if self.has_layer() && self.held() == 0 {
            return;
        }
        self.drop_layer();
        match self.transport() {
            Transport::Tcp(stream) => {
                if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
                    log::debug!("a connection cannot be reset: {error}");
                }
            }
            Transport::Memory(socket) => socket.reset(),
            Transport::Unix(_) => {}
        }
    }

    /// The error of a failed connection, once; `None` if it has not failed.
    pub fn take_error(&self) -> Option<io::Error> {
        match self.transport() {
            Transport::Tcp(stream) => stream.take_error(),
            Transport::Unix(stream) => stream.take_error(),
            Transport::Memory(socket) => Ok(socket.error()),
        }
        .unwrap_or_else(Some)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::limits::SEND_UNSENT_BYTES;
    use crate::reactor::net::{Endpoint, ListeningSocket};
    use std::net::TcpListener;

    /// An accepted connection, and the client's end of it.
    fn accepted() -> (Socket, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("it is bound"));
        let listener = ListeningSocket::try_from(listener).expect("it can be set not to block");
        let (socket, peer) = listener.accept().expect("the client has connected");
        assert!(matches!(peer, Endpoint::Tcp(_)));
        (socket, client.expect("it listens"))
    }

    fn options(socket: &Socket) -> SockRef<'_> {
        match socket.transport() {
            Transport::Tcp(stream) => SockRef::from(stream),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_peer_that_vanished_kept_its_place_until_the_system_gave_up() {
        let (socket, _client) = accepted();
        let socket = options(&socket);
        assert!(socket.keepalive().expect("TCP has it"));
        assert_eq!(socket.tcp_keepalive_time().ok(), Some(PEER_KEEPALIVE_IDLE));
        assert_eq!(socket.tcp_keepalive_interval().ok(), Some(PEER_KEEPALIVE_INTERVAL));
    }

    #[test]
    fn the_system_held_megabytes_for_each_peer_that_did_not_read() {
        let (socket, _client) = accepted();
        let socket = options(&socket);
        // Linux doubles the requested size, and has a limit.
        let bytes = socket.send_buffer_size().expect("TCP has it");
        assert!(bytes <= 2 * SEND_BUFFER_BYTES, "{bytes}");
        assert_eq!(socket.tcp_notsent_lowat().ok(), Some(SEND_UNSENT_BYTES));
        assert!(socket.tcp_nodelay().expect("TCP has it"));
    }

    #[test]
    fn the_time_to_acknowledge_can_be_set_and_taken_back() {
        let (socket, _client) = accepted();
        for time in [Some(Duration::from_secs(30)), None] {
            socket.set_ack_time(time).expect("Linux has it");
            assert_eq!(socket.ack_time().ok(), Some(time));
        }
    }

    #[test]
    fn a_time_that_is_too_long_for_the_system_was_refused_and_not_set() {
        let (socket, _client) = accepted();
        for time in [Duration::MAX, Duration::from_secs(30 * 86_400)] {
            socket.set_ack_time(Some(time)).expect("the longest that there is");
            assert_eq!(socket.ack_time().ok(), Some(Some(ACK_TIME_MAX)));
            socket.set_keepalive(time, time).expect("the longest that there is");
            assert_eq!(options(&socket).tcp_keepalive_time().ok(), Some(KEEPALIVE_TIME_MAX));
            assert_eq!(options(&socket).tcp_keepalive_interval().ok(), Some(KEEPALIVE_TIME_MAX));
        }
        socket.set_keepalive(Duration::ZERO, Duration::ZERO).expect("a second");
        assert_eq!(options(&socket).tcp_keepalive_time().ok(), Some(Duration::from_secs(1)));
    }
}
