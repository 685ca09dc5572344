//! A network in memory, so that servers and clients run together on virtual time.
//!
//! It behaves as TCP does where it matters: bytes come in order, a pipe that is full would block,
//! an end that is closed with bytes unread, or reset, resets the other, readiness is told once for
//! each edge.

use super::endpoint::Endpoint;
use super::readiness::Readiness;
use slab::Slab;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

/// How many bytes a pipe holds before its writer would block.
const PIPE_BYTES: usize = 64 * 1024;
/// How many connections wait to be accepted before more are refused.
const BACKLOG: usize = 1024;

/// The network: listeners, connections and names.
#[derive(Clone, Debug, Default)]
pub(in crate::reactor) struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ends: Slab<End>,
    listeners: HashMap<Endpoint, Listener>,
    names: HashMap<String, Vec<IpAddr>>,
    /// Who never answers a connection.
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
#[expect(clippy::struct_excessive_bools, reason = "each is told to one of four verbs, alone")]
struct End {
    token: Option<usize>,
    other: Option<usize>,
    local: Endpoint,
    peer: Endpoint,
    inbox: VecDeque<u8>,
    /// The other end writes no more.
    ended: bool,
    /// The other end went away with bytes unread, or by a reset.
    reset: bool,
    /// This end is to go by a reset.
    resets: bool,
    /// This end writes no more.
    shut: bool,
    /// This end would have written more.
    stalled: bool,
    /// The peer has not answered, and never will.
    pending: bool,
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
        let State { ends, listeners, ready, silent, .. } = &mut *state;
        if silent.contains(to) {
            let end = End { pending: true, ..End::new(Some(token), local, to.clone()) };
            return Ok(MemorySocket { network: self.clone(), end: ends.insert(end) });
        }
        let listener = listeners.get_mut(to).filter(|listener| listener.waiting.len() < BACKLOG);
        let listener = listener.ok_or(ErrorKind::ConnectionRefused)?;
        let mine = ends.insert(End::new(Some(token), local.clone(), to.clone()));
        let theirs = ends.insert(End::new(None, to.clone(), local));
        ends[mine].other = Some(theirs);
        ends[theirs].other = Some(mine);
        listener.waiting.push_back(theirs);
        ready.push_back((listener.token, Readiness::READABLE));
        ready.push_back((token, Readiness::WRITABLE));
        Ok(MemorySocket { network: self.clone(), end: mine })
    }

    /// Gives a host a name; without an address it is known and leads nowhere.
    pub(in crate::reactor) fn name(&self, host: &str, addresses: &[IpAddr]) {
        self.state().names.insert(host.into(), addresses.into());
    }

    /// Has an endpoint answer no connection from now on.
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

    /// The readiness that has come about since the last time, in order.
    pub(in crate::reactor) fn take_ready(&self) -> VecDeque<(usize, Readiness)> {
        std::mem::take(&mut self.state().ready)
    }

    /// Whether there is readiness to take.
    pub(in crate::reactor) fn is_ready(&self) -> bool {
        !self.state().ready.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the network")
    }
}

impl State {
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
        let End { other, inbox, resets, .. } = self.ends.remove(end);
        if let Some(other) = other {
            self.ends[other].other = None;
            self.ends[other].ended = true;
            let is_reset = resets || !inbox.is_empty();
            self.ends[other].reset |= is_reset;
            let failed = if is_reset { Readiness::FAILED } else { Readiness::default() };
            let hangup = Readiness::READABLE | Readiness::WRITABLE | Readiness::HANGUP;
            self.wake(Some(other), hangup | failed);
        }
    }
}

impl End {
    fn new(token: Option<usize>, local: Endpoint, peer: Endpoint) -> Self {
        End {
            token,
            other: None,
            local,
            peer,
            inbox: VecDeque::new(),
            ended: false,
            reset: false,
            resets: false,
            shut: false,
            stalled: false,
            pending: false,
        }
    }
}

impl MemorySocket {
    pub(in crate::reactor) fn register(&self, token: usize) {
        let mut state = self.network.state();
        state.ends[self.end].token = Some(token);
        // As a poll does: what is ready already is told to who registers.
        let (ended, reset) = (state.ends[self.end].ended, state.ends[self.end].reset);
        let hangup = if ended { Readiness::HANGUP } else { Readiness::default() };
        let failed = if reset { Readiness::FAILED } else { Readiness::default() };
        let ready = Readiness::READABLE | Readiness::WRITABLE | hangup | failed;
        state.wake(Some(self.end), ready);
    }

    pub(in crate::reactor) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.network.state();
        let end = &mut state.ends[self.end];
        if end.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if end.inbox.is_empty() {
            return if end.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let (read, other) = (end.inbox.read(buffer)?, end.other);
        if let Some(other) = other
            && std::mem::take(&mut state.ends[other].stalled)
        {
            state.wake(Some(other), Readiness::WRITABLE);
        }
        Ok(read)
    }

    pub(in crate::reactor) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.network.state();
        let end = &state.ends[self.end];
        if end.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let other = end.other.filter(|_| !end.shut).ok_or(ErrorKind::BrokenPipe)?;
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
            state.ends[self.end].stalled = true;
        }
        if written == 0 && asked > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.wake(Some(other), Readiness::READABLE);
        Ok(written)
    }

    pub(in crate::reactor) fn shutdown_write(&self) -> io::Result<()> {
        let mut state = self.network.state();
        state.ends[self.end].shut = true;
        let other = state.ends[self.end].other.ok_or(ErrorKind::NotConnected)?;
        state.ends[other].ended = true;
        state.wake(Some(other), Readiness::READABLE | Readiness::HANGUP);
        Ok(())
    }

    /// Has the other end be reset when this one is dropped.
    pub(in crate::reactor) fn reset(&self) {
        self.network.state().ends[self.end].resets = true;
    }

    /// Why the connection has failed.
    pub(in crate::reactor) fn error(&self) -> Option<io::Error> {
        self.network.state().ends[self.end].reset.then(|| ErrorKind::ConnectionReset.into())
    }

    pub(in crate::reactor) fn peer(&self) -> io::Result<Endpoint> {
        let state = self.network.state();
        let End { pending, peer, .. } = &state.ends[self.end];
        if *pending { Err(ErrorKind::NotConnected.into()) } else { Ok(peer.clone()) }
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
