//! The system's network: sockets, names and signals, all reported through one poll.

use super::endpoint::Endpoint;
use super::listener::{Listening, ListeningSocket};
use super::options::deepen_backlog;
use super::signal::Signal;
use super::socket::Socket;
use super::transport::Transport;
use crate::limits::NAME_LOOKUPS_MAX;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token, Waker};
use signal_hook_mio::v1_0::Signals;
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, PoisonError};

/// The token of the waker, which no wheel has.
pub(in crate::reactor) const WAKER: Token = Token(usize::MAX);
/// The token of the signals, which no wheel has.
pub(in crate::reactor) const SIGNALS: Token = Token(usize::MAX - 1);

type Lookup = io::Result<Vec<Endpoint>>;

/// The parts of the system that a kernel needs to open sockets, resolve names and receive signals.
pub(in crate::reactor) struct Sockets {
    registry: Registry,
    waker: Arc<Waker>,
    signals: Option<Signals>,
    /// The number of lookups in progress, each in its own thread.
    lookups: usize,
    found: HashMap<usize, Lookup>,
    /// The results that the threads have added.
    finished: Arc<Mutex<Vec<(usize, Lookup)>>>,
}

impl Sockets {
    pub(in crate::reactor) fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Sockets {
            registry: registry.try_clone()?,
            waker: Arc::new(Waker::new(registry, WAKER)?),
            signals: None,
            lookups: 0,
            found: HashMap::new(),
            finished: Arc::default(),
        })
    }

    /// Wakes the driver from any thread.
    pub(in crate::reactor) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub(in crate::reactor) fn listen(
        &mut self,
        at: &Endpoint,
        token: usize,
    ) -> io::Result<ListeningSocket> {
        match at {
            Endpoint::Tcp(address) => {
                let mut listener = TcpListener::bind(*address)?;
                deepen_backlog(SockRef::from(&listener))?;
                self.register(&mut listener, token)?;
                Ok(Listening::Tcp(listener).into())
            }
            Endpoint::Unix(path) => {
                let mut listener = UnixListener::bind(path)?;
                deepen_backlog(SockRef::from(&listener))?;
                self.register(&mut listener, token)?;
                Ok(Listening::Unix(listener).into())
            }
            Endpoint::Unnamed => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(in crate::reactor) fn connect(
        &mut self,
        to: &Endpoint,
        token: usize,
    ) -> io::Result<Socket> {
        match to {
            Endpoint::Tcp(address) => {
                let mut stream = TcpStream::connect(*address)?;
                self.register(&mut stream, token)?;
                stream.set_nodelay(true)?;
                Ok(Transport::Tcp(stream).into())
            }
            Endpoint::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                self.register(&mut stream, token)?;
                Ok(Transport::Unix(stream).into())
            }
            Endpoint::Unnamed => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Registers for both directions at once: edges cost nothing while nothing happens.
    pub(in crate::reactor) fn register(
        &mut self,
        source: &mut impl Source,
        token: usize,
    ) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.registry.register(source, Token(token), interest) {
            // The socket moves from the wheel that created it to the wheel that uses it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.registry.reregister(source, Token(token), interest)
            }
            result => result,
        }
    }

    /// Looks up a name in a thread, because the system's resolver blocks.
    pub(in crate::reactor) fn resolve(
        &mut self,
        host: &str,
        port: u16,
        token: usize,
    ) -> io::Result<()> {
        if self.lookups >= NAME_LOOKUPS_MAX {
            return Err(io::Error::other("too many names are being looked up"));
        }
        let (finished, waker) = (Arc::clone(&self.finished), Arc::clone(&self.waker));
        let host = host.to_owned();
        std::thread::Builder::new().name("masque-lookup".into()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found.map(|addresses| addresses.map(Endpoint::Tcp).collect());
            finished.lock().unwrap_or_else(PoisonError::into_inner).push((token, found));
            // The only failure is a full counter, and then the driver wakes anyway.
            let _ = waker.wake();
        })?;
        self.lookups += 1;
        Ok(())
    }

    pub(in crate::reactor) fn resolved(&mut self, token: usize) -> Option<Lookup> {
        self.found.remove(&token)
    }

    /// Calls `ended` with the token of each lookup that has ended since the last call.
    pub(in crate::reactor) fn take_lookups(&mut self, mut ended: impl FnMut(usize)) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for (token, found) in finished.drain(..) {
            self.lookups -= 1;
            self.found.insert(token, found);
            ended(token);
        }
    }

    /// Lets this kernel receive a signal of the process.
    pub(in crate::reactor) fn watch_signal(&mut self, signal: Signal) -> io::Result<()> {
        if let Some(signals) = &self.signals {
            return signals.add_signal(signal.number());
        }
        let mut signals = Signals::new([signal.number()])?;
        self.registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// The signals that have arrived since the last call.
    pub(in crate::reactor) fn take_signals(&mut self) -> Vec<Signal> {
        let pending = self.signals.iter_mut().flat_map(Signals::pending);
        pending.filter_map(Signal::of_number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_names_are_looked_up_at_a_time_and_the_next_is_refused() {
        let poll = mio::Poll::new().expect("the system has a poll");
        let mut sockets = Sockets::new(poll.registry()).expect("it has a waker");
        for token in 0..16 {
            sockets.resolve("127.0.0.1", 80, token).expect("there is room");
        }
        let error = sockets.resolve("127.0.0.1", 80, 16).expect_err("there is none");
        assert_eq!(error.to_string(), "too many names are being looked up");
        let mut ended = 0;
        while ended == 0 {
            std::thread::yield_now();
            sockets.take_lookups(|_| ended += 1);
        }
        sockets.resolve("127.0.0.1", 80, 16).expect("there is room again");
    }
}
