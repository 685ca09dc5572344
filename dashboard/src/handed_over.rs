//! A listening socket that a supervisor passes to the program: socket activation of systemd
//! (`sd_listen_fds(3)`). Connections wait in it while the program starts or restarts.

use listenfd::ListenFd;
use masque::reactor::ListeningSocket;
use rustix::net::sockopt::socket_acceptconn;
use std::env;
use std::io;
use std::os::fd::AsFd;

/// Returns the socket that was passed with `LISTEN_FDS`, TCP or Unix. `None` if there is none.
///
/// # Errors
/// If more than one socket was passed, or the socket does not listen.
pub(crate) fn socket() -> io::Result<Option<ListeningSocket>> {
    let is_for_us = env::var("LISTEN_PID").map_or(true, |id| id == std::process::id().to_string());
    let count = env::var("LISTEN_FDS").ok().filter(|count| is_for_us && !count.is_empty());
    check_count(count.as_deref())?;
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => return Ok(None),
        1 => {}
        count => {
            return Err(io::Error::other(format!(
                "{count} sockets were passed, but only one is supported"
            )));
        }
    }
    if let Ok(Some(listener)) = handed.take_unix_listener(0) {
        check_listens(&listener)?;
        return listener.try_into().map(Some);
    }
    let listener = handed.take_tcp_listener(0).map_err(|_| is_none())?;
    let Some(listener) = listener else { return Ok(None) };
    check_listens(&listener)?;
    listener.try_into().map(Some)
}

/// Without this check, a malformed number would count as no socket, and the program would listen on
/// another address.
fn check_count(count: Option<&str>) -> io::Result<()> {
    match count.map(str::parse::<u16>) {
        Some(Err(_)) => Err(io::Error::other("not a number of sockets")),
        _ => Ok(()),
    }
}

/// A connected socket, or one that does not listen yet, would never accept anything.
fn check_listens(socket: &impl AsFd) -> io::Result<()> {
    if socket_acceptconn(socket)? { Ok(()) } else { Err(is_none()) }
}

fn is_none() -> io::Error {
    io::Error::other("the passed descriptor is not a listening TCP or Unix socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_count_is_an_error() {
        for (count, is_good) in [
            (None, true),
            (Some("0"), true),
            (Some("1"), true),
            (Some("one"), false),
            (Some("-1"), false),
            (Some("99999999999999999999"), false),
        ] {
            assert_eq!(check_count(count).is_ok(), is_good, "{count:?}");
        }
    }
}
