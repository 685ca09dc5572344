//! Connecting to servers: the client side of POE's `Wheel::SocketFactory`.

use crate::deadline::Deadline;
use crate::reactor::{Cx, Endpoint, Event, Readiness, Socket, Wheel, WheelCx, WheelEvent, WheelId};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Connects to a server, delivers the result once, and is then unmounted.
///
/// A name is looked up in another thread. Its addresses are tried one after the other, within one
/// time limit that they share.
#[derive(Clone, Copy, Debug)]
pub struct Connector {
    id: WheelId<ConnectorState>,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A host by its name or address, and a port.
    Host(String, u16),
    /// A socket's address.
    Endpoint(Endpoint),
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Target::Endpoint(address.into())
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Target::Endpoint(endpoint)
    }
}

/// A port of this machine, at 127.0.0.1.
impl From<u16> for Target {
    fn from(port: u16) -> Self {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
    }
}

/// An IP address is used directly. Any other text is a name, which is looked up.
impl From<(&str, u16)> for Target {
    fn from((host, port): (&str, u16)) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, port).into(),
            Err(_) => Target::Host(host.into(), port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Target::Host(host, port) => write!(f, "{host}:{port}"),
            Target::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

/// Why no connection was made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be looked up, or has no address.
    Lookup {
        /// The target of the connection.
        to: Target,
        /// The system's error.
        error: io::Error,
    },
    /// The last address that was tried refused the connection.
    Connect {
        /// The target of the connection.
        to: Target,
        /// The system's error.
        error: io::Error,
    },
    /// There was neither an answer nor a refusal within the time limit.
    TimedOut {
        /// The target of the connection.
        to: Target,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Lookup { to, error } => write!(f, "cannot look up {to}: {error}"),
            ConnectError::Connect { to, error } => write!(f, "cannot connect to {to}: {error}"),
            ConnectError::TimedOut { to } => write!(f, "cannot connect to {to}: no answer in time"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Lookup { error, .. } | ConnectError::Connect { error, .. } => Some(error),
            ConnectError::TimedOut { .. } => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct ConnectorState {
    to: Target,
    deadline: Deadline,
    /// The addresses that have not been tried, the next one last.
    addresses: Vec<Endpoint>,
    attempt: Option<Socket>,
    error: Option<io::Error>,
    connected: WheelEvent<Result<Socket, ConnectError>>,
}

impl Connector {
    /// Connects to `to` within `time`; [`Duration::MAX`] sets no limit. The result is delivered as
    /// `connected`, never before this returns.
    ///
    /// # Panics
    /// If the session's kind has no handler for the event.
    #[track_caller]
    pub fn new(
        cx: &mut Cx<'_>,
        to: impl Into<Target>,
        time: Duration,
        connected: Event<Result<Socket, ConnectError>>,
    ) -> Self {
        let (to, connected) = (to.into(), cx.wheel_event(connected));
        let deadline = Deadline::after(cx.now(), time);
        let mounted = cx.mount(|cx, id| {
            let (mut addresses, mut error) = (vec![], None);
            match &to {
                Target::Endpoint(endpoint) => addresses.push(endpoint.clone()),
                Target::Host(host, port) => error = id.resolve_host(cx, host, *port).err(),
            }
            if !addresses.is_empty() || error.is_some() {
                id.again(cx);
            }
            id.delay(cx, time);
            Ok::<_, std::convert::Infallible>(ConnectorState {
                to,
                deadline,
                addresses,
                attempt: None,
                error,
                connected,
            })
        });
        match mounted {
            Ok(id) => Connector { id },
            Err(never) => match never {},
        }
    }

    /// Stops connecting. Nothing is delivered.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }
}

impl Wheel for ConnectorState {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        if ready.intersects(Readiness::RESOLVED) {
            match me.resolved(cx) {
                Some(Ok(addresses)) if !addresses.is_empty() => {
                    let Some(state) = me.state(cx) else { return };
                    state.addresses = addresses;
                    state.addresses.reverse();
                }
                found => return end(cx, me, Outcome::NoAddress(found.and_then(Result::err))),
            }
        }
        if ready.intersects(Readiness::TIMER) {
            let now = cx.now();
            let Some(state) = me.state(cx) else { return };
            state.attempt = None;
            if state.deadline.left(now).is_zero() || state.addresses.is_empty() {
                return end(cx, me, Outcome::TimedOut);
            }
        }
        attempt(cx, me);
    }
}

/// Continues the current attempt. If it has failed, tries the next address.
fn attempt(cx: &mut WheelCx<'_, '_, ConnectorState>, me: WheelId<ConnectorState>) {
    loop {
        let Some(state) = me.state(cx) else { return };
        if let Some(mut socket) = state.attempt.take() {
            match socket.connected() {
                Ok(()) => return end(cx, me, Outcome::Connected(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.attempt = Some(socket);
                    return;
                }
                Err(error) => state.error = Some(error),
            }
        }
        let Some(address) = state.addresses.pop() else {
            let Some(error) = state.error.take() else { return }; // the name is being looked up
            return end(cx, me, Outcome::Failed(error));
        };
        let (deadline, share) = (state.deadline, state.addresses.len() as u32 + 1);
        let time = deadline.left(cx.now()) / share;
        me.delay(cx, time);
        let connecting = me.connect(cx, &address);
        let Some(state) = me.state(cx) else { return };
        match connecting {
            Ok(socket) => state.attempt = Some(socket),
            Err(error) => state.error = Some(error),
        }
    }
}

/// How the attempts have ended.
enum Outcome {
    Connected(Socket),
    /// The error of the lookup; `None` if the name has no address.
    NoAddress(Option<io::Error>),
    /// The error of the last address.
    Failed(io::Error),
    TimedOut,
}

fn end(cx: &mut WheelCx<'_, '_, ConnectorState>, me: WheelId<ConnectorState>, outcome: Outcome) {
    let Some(ConnectorState { to, connected, .. }) = me.unmount(cx) else { return };
    let result = match outcome {
        Outcome::Connected(socket) => Ok(socket),
        Outcome::NoAddress(error) => {
            let none = || io::Error::new(ErrorKind::NotFound, "the name has no address");
            Err(ConnectError::Lookup { to, error: error.unwrap_or_else(none) })
        }
        Outcome::Failed(error) => Err(ConnectError::Connect { to, error }),
        Outcome::TimedOut => Err(ConnectError::TimedOut { to }),
    };
    cx.deliver(connected, result);
}
