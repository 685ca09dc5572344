//! Accepting connections: POE's `Wheel::ListenAccept` and the server side of
//! `Wheel::SocketFactory`.

use super::per_address::PerAddress;
use super::refused_client::RefusedClient;
use crate::limits::{ACCEPT_RETRY, ACCEPTS_PER_TURN, CONNECTIONS_MAX, REFUSALS_MAX};
use crate::reactor::{
    Cx, Endpoint, Event, ListeningSocket, LogLimit, Readiness, Socket, Wheel, WheelCx, WheelEvent,
    WheelId,
};
use bytes::Bytes;
use std::io::{self, ErrorKind};

/// Accepts connections until it is closed or its session stops.
///
/// It accepts in batches, so that a rush of clients leaves time for connected ones. If descriptors
/// or memory run out, it pauses, logs that at most once a minute, and tries again after a pause or
/// when a connection has closed. At its limit of connections, it leaves the others in the system's
/// backlog or refuses them: see [`overload`](Listener::overload).
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    id: WheelId<ListenerState>,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection. The listener counts it until it closes, even if another session has it.
    pub socket: Socket,
    /// The address of the client.
    pub peer: Endpoint,
}

/// What happens to clients beyond the limit of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overload {
    /// They wait in the system's backlog until another connection closes.
    #[default]
    Backlog,
    /// They are accepted, get these bytes, such as a 503 with `Retry-After`, and are closed. The
    /// bytes must fit into a new connection's send buffer: at most about 10 KiB.
    Refuse(Bytes),
}

/// Counters of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were accepted and delivered.
    pub accepted: u64,
    /// Connections that were refused because of the limit of connections.
    pub refused_for_total: u64,
    /// Connections that were refused because of the limit for each address.
    pub refused_for_address: u64,
    /// The number of pauses because the system had no descriptor or memory.
    pub starved: u64,
}

#[derive(Debug)]
pub(super) struct ListenerState {
    socket: ListeningSocket,
    accepted: WheelEvent<Accepted>,
    most: usize,
    most_per_address: usize,
    per_address: PerAddress,
    overload: Overload,
    counts: Counts,
    /// The number of refusals in progress, and its limit.
    refusing: usize,
    refusals_max: usize,
    paused: bool,
    /// Limits the log messages about errors of accepting.
    starved: LogLimit,
}

impl Listener {
    /// Listens at `at`; with port 0 the system picks a port. Each connection is delivered as
    /// `accepted`.
    ///
    /// # Errors
    /// The error of binding, such as an address in use.
    ///
    /// # Panics
    /// If the session's kind has no handler for the event.
    #[track_caller]
    pub fn new(cx: &mut Cx<'_>, at: &Endpoint, accepted: Event<Accepted>) -> io::Result<Self> {
        Self::over(cx, accepted, |cx, id| id.listen(cx, at))
    }

    /// Listens on a socket that was opened elsewhere, for example by a supervisor. Each connection
    /// is delivered as `accepted`, including the ones in its backlog.
    ///
    /// # Errors
    /// If the system cannot poll the socket, or the kernel's network is in memory.
    ///
    /// # Panics
    /// If the session's kind has no handler for the event.
    #[track_caller]
    pub fn adopt(
        cx: &mut Cx<'_>,
        mut socket: ListeningSocket,
        accepted: Event<Accepted>,
    ) -> io::Result<Self> {
        Self::over(cx, accepted, |cx, id| id.adopt(cx, &mut socket).map(|()| socket))
    }

    #[track_caller]
    fn over(
        cx: &mut Cx<'_>,
        accepted: Event<Accepted>,
        open: impl FnOnce(&mut Cx<'_>, WheelId<ListenerState>) -> io::Result<ListeningSocket>,
    ) -> io::Result<Self> {
        let accepted = cx.wheel_event(accepted);
        let id = cx.mount(|cx, id| {
            let (socket, most) = (open(cx, id)?, CONNECTIONS_MAX);
            Ok::<_, io::Error>(ListenerState {
                socket,
                accepted,
                most,
                most_per_address: usize::MAX,
                per_address: PerAddress::default(),
                overload: Overload::default(),
                counts: Counts::default(),
                refusing: 0,
                refusals_max: REFUSALS_MAX,
                paused: false,
                starved: LogLimit::default(),
            })
        })?;
        Ok(Listener { id })
    }

    /// The address on which it listens, with the port that the system picked; `None` if it is
    /// closed.
    pub fn local(self, cx: &mut Cx<'_>) -> Option<Endpoint> {
        self.id.state(cx)?.socket.local().ok()
    }

    /// Limits the open connections to `most`; 0 accepts none. It applies to new connections and
    /// closes none.
    pub fn limit(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.most = most;
            self.id.again(cx);
        }
    }

    /// Limits the open connections of one address to `most`. More are refused, because they would
    /// block the backlog for others. An IPv6 network of 64 bits counts as one address. Clients of a
    /// Unix socket have no address and are not counted.
    pub fn limit_per_address(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.most_per_address = most;
        }
    }

    /// Sets what happens to clients beyond the limit of connections. By default they wait.
    pub fn overload(self, cx: &mut Cx<'_>, overload: Overload) {
        if let Some(state) = self.id.state(cx) {
            state.overload = overload;
            self.id.again(cx);
        }
    }

    /// Limits the refusals in progress. Each keeps its connection for up to
    /// [`LINGER_TIME`](crate::limits::LINGER_TIME), in addition to the accepted ones. Clients
    /// beyond this limit are closed without an answer. Default: [`REFUSALS_MAX`].
    pub fn limit_refusals(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.refusals_max = most;
        }
    }

    /// Its counters so far.
    pub fn counts(self, cx: &mut Cx<'_>) -> Counts {
        self.id.state(cx).map_or(Counts::default(), |state| state.counts)
    }

    /// The number of accepted connections that are open. Refused ones do not count.
    pub fn connections(self, cx: &mut Cx<'_>) -> usize {
        self.id.permits(cx)
    }

    /// Accepts nothing until [`resume`](Listener::resume). New clients wait in the backlog.
    pub fn pause(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx) {
            state.paused = true;
        }
    }

    /// Accepts again.
    pub fn resume(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx) {
            state.paused = false;
            self.id.again(cx);
        }
    }

    /// Stops listening. Accepted connections stay open.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }
}

impl Wheel for ListenerState {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, _: Readiness) {
        let me = cx.wheel();
        for _ in 0..ACCEPTS_PER_TURN {
            let open = me.permits(cx);
            let Some(state) = me.state(cx) else { return };
            let is_full = open >= state.most;
            if state.paused || (is_full && state.overload == Overload::Backlog) {
                return; // resume(), limit() or a connection that closes runs this again
            }
            match state.socket.accept() {
                Ok((socket, peer)) => {
                    if is_full {
                        state.counts.refused_for_total += 1;
                        refuse(cx, me, socket);
                    } else if let Some(share) =
                        state.per_address.share(&peer, state.most_per_address)
                    {
                        state.counts.accepted += 1;
                        let accepted = state.accepted;
                        let socket = socket.with_permit(me.permit(cx).with_share(share));
                        cx.deliver(accepted, Accepted { socket, peer });
                    } else {
                        state.counts.refused_for_address += 1;
                        refuse(cx, me, socket);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The client left before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return starve(cx, me, &error),
            }
        }
        me.again(cx);
    }
}

/// Refuses a client, with the answer if there is one and not too many refusals are in progress.
fn refuse(cx: &mut Cx<'_>, me: WheelId<ListenerState>, socket: Socket) {
    let Some(state) = me.state(cx) else { return };
    let Overload::Refuse(answer) = &state.overload else { return };
    if state.refusing >= state.refusals_max {
        return;
    }
    let answer = answer.clone();
    if RefusedClient::begin(cx, me, socket, &answer)
        && let Some(state) = me.state(cx)
    {
        state.refusing += 1;
    }
}

/// Counts a refusal that has ended.
pub(super) fn refused(cx: &mut Cx<'_>, me: WheelId<ListenerState>) {
    if let Some(state) = me.state(cx) {
        state.refusing -= 1;
    }
}

/// The system has no descriptor or memory now (EMFILE, ENFILE, ENOBUFS, ENOMEM), and the listener
/// stays readable. Tries again after a pause, because trying at once would be an endless loop.
fn starve(cx: &mut Cx<'_>, me: WheelId<ListenerState>, error: &io::Error) {
    let now = cx.now();
    if let Some(state) = me.state(cx) {
        state.counts.starved += 1;
        if let Some(more) = state.starved.pass(now) {
            log::warn!("accepting pauses: {error}{more}");
        }
    }
    me.delay(cx, ACCEPT_RETRY);
}
