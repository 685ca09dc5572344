//! A network in memory, so that servers and clients run together on virtual time.
//!
//! It behaves like TCP: bytes arrive in order, and a write to a full pipe would block. Closing an
//! end that has unread bytes resets the other end. Readiness is reported once for each edge.

use super::endpoint::Endpoint;
use super::readiness::Readiness;
use slab::Slab;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

/// The capacity of a pipe in bytes. A write to a full pipe would block.
const PIPE_BYTES: usize = 64 * 1024;
/// The number of connections that wait to be accepted. More are refused.
const BACKLOG: usize = 1024;

/// The network: listeners, connections and names.
#[derive(Clone, Debug, Default)]
pub(in crate::reactor) struct Memory(Arc<Mutex<Network>>);

#[derive(Debug, Default)]
struct Network {
    ends: Slab<End>,
    listeners: HashMap<Endpoint, Listener>,
    names: HashMap<String, Vec<IpAddr>>,
    /// Endpoints that neither accept nor refuse a connection.
    silent: HashSet<Endpoint>,
    resolved: HashMap<usize, io::Result<Vec<Endpoint>>>,
    ready: VecDeque<(usize, Readiness)>,
    ports: u16,
}

#[derive(Debug)]
struct Listener {
    token: usize,
    waiting: VecDeque<usize>,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    token: Option<usize>,
    other: Other,
    local: Endpoint,
    peer: Endpoint,
    inbox: VecDeque<u8>,
    input: Input,
    /// Closing this end resets the other one.
    is_reset_on_close: bool,
    /// The write side of this end is closed.
    is_shut: bool,
    /// This end waits for room in the other one's inbox.
    is_stalled: bool,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// An endpoint that never answers.
    Silent,
    Open(usize),
    Closed,
}

impl Other {
    fn open(self) -> Option<usize> {
        match self {
            Other::Open(end) => Some(end),
            Other::Silent | Other::Closed => None,
        }
    }
}

/// What follows after the bytes in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// More bytes may arrive.
    Open,
    /// The other end has closed its write side.
    Ended,
    /// The other end was reset, or closed with unread bytes. The inbox is lost.
    Reset,
}

impl Input {
    /// The readiness that a closed or failed connection adds.
    fn readiness(self) -> Readiness {
        match self {
            Input::Open => Readiness::default(),
            Input::Ended => Readiness::HANGUP,
            Input::Reset => Readiness::HANGUP | Readiness::FAILED,
        }
    }
}

#[derive(Debug)]
pub(in crate::reactor) struct MemorySocket {
    network: Memory,
    end: usize,
}

#[derive(Debug)]
pub(in crate::reactor) struct MemoryListener {
    network: Memory,
    at: Endpoint,
}

impl Memory {
    pub(in crate::reactor) fn listen(
        &self,
        at: &Endpoint,
        token: usize,
    ) -> io::Result<MemoryListener> {
        let mut state = self.state();
        let at = match at {
            Endpoint::Tcp(address) if address.port() == 0 => {
                Endpoint::Tcp(SocketAddr::new(address.ip(), state.next_port()))
            }
            at => at.clone(),
        };
        if state.listeners.contains_key(&at) {
            return Err(ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(at.clone(), Listener { token, waiting: VecDeque::new() });
        Ok(MemoryListener { network: self.clone(), at })
    }

    pub(in crate::reactor) fn connect(
        &self,
        to: &Endpoint,
        token: usize,
    ) -> io::Result<MemorySocket> {
        let mut state = self.state();
        let port = state.next_port();
        let local = match to {
            Endpoint::Tcp(_) => Endpoint::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
            _ => Endpoint::Unnamed,
        };
        let Network { ends, listeners, ready, silent, .. } = &mut *state;
        if silent.contains(to) {
            let end = End::new(Some(token), Other::Silent, local, to.clone());
            return Ok(MemorySocket { network: self.clone(), end: ends.insert(end) });
        }
        let listener = listeners.get_mut(to).filter(|listener| listener.waiting.len() < BACKLOG);
        let listener = listener.ok_or(ErrorKind::ConnectionRefused)?;
        let mine = ends.insert(End::new(Some(token), Other::Closed, local.clone(), to.clone()));
        let theirs = ends.insert(End::new(None, Other::Open(mine), to.clone(), local));
        ends[mine].other = Other::Open(theirs);
        listener.waiting.push_back(theirs);
        ready.push_back((listener.token, Readiness::READABLE));
        ready.push_back((token, Readiness::WRITABLE));
        Ok(MemorySocket { network: self.clone(), end: mine })
    }

    /// Sets the addresses of a host name. With an empty list the name exists and has no address.
    pub(in crate::reactor) fn name(&self, host: &str, addresses: &[IpAddr]) {
        self.state().names.insert(host.into(), addresses.into());
    }

    /// Makes an endpoint neither accept nor refuse connections from now on.
    pub(in crate::reactor) fn silence(&self, endpoint: Endpoint) {
        self.state().silent.insert(endpoint);
    }

    pub(in crate::reactor) fn resolve(&self, host: &str, port: u16, token: usize) {
        let mut state = self.state();
        let found = match (state.names.get(host), host.parse::<IpAddr>()) {
            (Some(addresses), _) => Ok(addresses.clone()),
            (None, Ok(address)) => Ok(vec![address]),
            (None, Err(_)) if host == "localhost" => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
            (None, Err(_)) => Err(io::Error::new(ErrorKind::NotFound, "no such host")),
        };
        let found = found.map(|all| {
            all.into_iter().map(|ip| Endpoint::Tcp(SocketAddr::new(ip, port))).collect()
        });
        state.resolved.insert(token, found);
        state.ready.push_back((token, Readiness::RESOLVED));
    }

    pub(in crate::reactor) fn resolved(&self, token: usize) -> Option<io::Result<Vec<Endpoint>>> {
        self.state().resolved.remove(&token)
    }

    /// The readiness since the last call, in order.
    pub(in crate::reactor) fn take_ready(&self) -> VecDeque<(usize, Readiness)> {
        std::mem::take(&mut self.state().ready)
    }

    /// Returns true if [`take_ready`](Self::take_ready) would return something.
    pub(in crate::reactor) fn is_ready(&self) -> bool {
        !self.state().ready.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, Network> {
        self.0.lock().expect("nothing panics while it holds the network")
    }
}

impl Network {
    fn next_port(&mut self) -> u16 {
        self.ports = self.ports.wrapping_add(1).max(1);
        49_151_u16.saturating_add(self.ports % 16_000)
    }

    fn wake(&mut self, end: Option<usize>, why: Readiness) {
        if let Some(token) = end.and_then(|end| self.ends[end].token) {
            self.ready.push_back((token, why));
        }
    }

    fn close(&mut self, end: usize) {
        let End { other, inbox, is_reset_on_close, .. } = self.ends.remove(end);
        if let Some(other) = other.open() {
            let is_reset = is_reset_on_close || !inbox.is_empty();
            let input = if is_reset { Input::Reset } else { Input::Ended };
            self.ends[other].other = Other::Closed;
            self.ends[other].input = input;
            let both = Readiness::READABLE | Readiness::WRITABLE;
            self.wake(Some(other), both | input.readiness());
        }
    }
}

impl End {
    fn new(token: Option<usize>, other: Other, local: Endpoint, peer: Endpoint) -> Self {
        End {
            token,
            other,
            local,
            peer,
            inbox: VecDeque::new(),
            input: Input::Open,
            is_reset_on_close: false,
            is_shut: false,
            is_stalled: false,
        }
    }
}

impl MemorySocket {
    pub(in crate::reactor) fn register(&self, token: usize) {
        let mut state = self.network.state();
        state.ends[self.end].token = Some(token);
        // A poll too reports the present readiness of a socket when it is registered.
        let input = state.ends[self.end].input;
        let ready = Readiness::READABLE | Readiness::WRITABLE | input.readiness();
        state.wake(Some(self.end), ready);
    }

    pub(in crate::reactor) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.network.state();
        let end = &mut state.ends[self.end];
        match (end.input, end.inbox.is_empty()) {
            (Input::Reset, _) => return Err(ErrorKind::ConnectionReset.into()),
            (Input::Open, true) => return Err(ErrorKind::WouldBlock.into()),
            (Input::Ended, true) => return Ok(0),
            (Input::Open | Input::Ended, false) => {}
        }
        let (read, other) = (end.inbox.read(buffer)?, end.other);
        if let Some(other) = other.open()
            && std::mem::take(&mut state.ends[other].is_stalled)
        {
            state.wake(Some(other), Readiness::WRITABLE);
        }
        Ok(read)
    }

    pub(in crate::reactor) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.network.state();
        let end = &state.ends[self.end];
        if end.input == Input::Reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let other = end.other.open().filter(|_| !end.is_shut).ok_or(ErrorKind::BrokenPipe)?;
        let inbox = &mut state.ends[other].inbox;
        let mut room = PIPE_BYTES.saturating_sub(inbox.len());
        let mut written = 0;
        for slice in slices {
            let part = &slice[..slice.len().min(room)];
            inbox.extend(part);
            written += part.len();
            room -= part.len();
        }
        let asked: usize = slices.iter().map(|slice| slice.len()).sum();
        if written < asked {
            state.ends[self.end].is_stalled = true;
        }
        if written == 0 && asked > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.wake(Some(other), Readiness::READABLE);
        Ok(written)
    }

    pub(in crate::reactor) fn shutdown_write(&self) -> io::Result<()> {
        let mut state = self.network.state();
        state.ends[self.end].is_shut = true;
        let other = state.ends[self.end].other.open().ok_or(ErrorKind::NotConnected)?;
        state.ends[other].input = Input::Ended;
        state.wake(Some(other), Readiness::READABLE | Readiness::HANGUP);
        Ok(())
    }

    /// Resets the other end when this one is dropped.
    pub(in crate::reactor) fn reset(&self) {
        self.network.state().ends[self.end].is_reset_on_close = true;
    }

    /// Why the connection has failed.
    pub(in crate::reactor) fn error(&self) -> Option<io::Error> {
        let input = self.network.state().ends[self.end].input;
        (input == Input::Reset).then(|| ErrorKind::ConnectionReset.into())
    }

    pub(in crate::reactor) fn peer(&self) -> io::Result<Endpoint> {
        let state = self.network.state();
        let End { other, peer, .. } = &state.ends[self.end];
        if *other == Other::Silent { Err(ErrorKind::NotConnected.into()) } else { Ok(peer.clone()) }
    }

    pub(in crate::reactor) fn local(&self) -> Endpoint {
        self.network.state().ends[self.end].local.clone()
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.network.state().close(self.end);
    }
}

impl MemoryListener {
    pub(in crate::reactor) fn accept(&self) -> io::Result<(MemorySocket, Endpoint)> {
        let mut state = self.network.state();
        let listener = state.listeners.get_mut(&self.at).expect("it is listening");
        let end = listener.waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        let peer = state.ends[end].peer.clone();
        Ok((MemorySocket { network: self.network.clone(), end }, peer))
    }

    pub(in crate::reactor) fn local(&self) -> Endpoint {
        self.at.clone()
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let mut state = self.network.state();
        let waiting = state.listeners.remove(&self.at).map(|listener| listener.waiting);
        for end in waiting.into_iter().flatten() {
            state.close(end);
        }
    }
}
