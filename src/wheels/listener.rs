//! Accepting connections: POE's `Wheel::ListenAccept` and the server side of
//! `Wheel::SocketFactory`.

use super::crowd::Crowd;
use super::refusal::Refusal;
use crate::limits::{ACCEPT_RETRY, ACCEPTS_PER_TURN, CONNECTIONS_MAX, REFUSALS_MAX};
use crate::reactor::{
    Cx, Endpoint, Event, ListeningSocket, LogLimit, Readiness, Socket, Wheel, WheelCx, WheelEvent,
    WheelId,
};
use bytes::Bytes;
use std::io::{self, ErrorKind};

/// Accepts connections for its session until it is closed or the session stops.
///
/// Accepting goes in batches, so that a rush of clients leaves time for the ones that are there.
/// When descriptors or memory run out it pauses, logs that once a minute and tries again, also as
/// soon as a connection has closed. At its greatest number of connections it leaves the rest in the
/// system's backlog, or turns them away: [`overload`](Listener::overload).
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    id: WheelId<State>,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection. It counts as the listener's until it closes, whoever has it then.
    pub socket: Socket,
    /// Who connected.
    pub peer: Endpoint,
}

/// What becomes of clients for whom there is no room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// They wait in the system's backlog until there is.
    #[default]
    Backlog,
    /// They are accepted, given these bytes, such as a 503 with `Retry-After`, and closed. At most
    /// what a new connection takes at once, which is some 10 KiB.
    Refuse(Bytes),
}

/// What a listener has done so far, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were accepted and delivered.
    pub accepted: u64,
    /// Connections that were turned away because there were as many as there may be.
    pub refused_for_total: u64,
    /// Connections that were turned away because their address had as many as it may have.
    pub refused_for_address: u64,
    /// Times that accepting had to pause because the system had no descriptor or memory to give.
    pub starved: u64,
}

#[derive(Debug)]
pub(super) struct State {
    socket: ListeningSocket,
    accepted: WheelEvent<Accepted>,
    most: usize,
    most_per_address: usize,
    crowd: Crowd,
    overload: Overload,
    counts: Counts,
    /// Refusals that are in progress, and the most that may be.
    refusing: usize,
    refusals_max: usize,
    paused: bool,
    /// For the log, when the system refuses to accept.
    starved: LogLimit,
}

impl Listener {
    /// Listens at `at`; port 0 has the system pick one. Each connection is an `accepted`.
    ///
    /// # Errors
    /// What binding meets, such as an address in use.
    ///
    /// # Panics
    /// When the session's kind has no handler for the event.
    #[track_caller]
    pub fn new(cx: &mut Cx<'_>, at: &Endpoint, accepted: Event<Accepted>) -> io::Result<Self> {
        Self::over(cx, accepted, |cx, id| id.listen(cx, at))
    }

    /// Listens by a socket that was opened elsewhere, such as one that a supervisor hands over.
    /// Each connection is an `accepted`, those that wait in its backlog included.
    ///
    /// # Errors
    /// When the system cannot watch the socket, or the kernel's network is one in memory.
    ///
    /// # Panics
    /// When the session's kind has no handler for the event.
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
        open: impl FnOnce(&mut Cx<'_>, WheelId<State>) -> io::Result<ListeningSocket>,
    ) -> io::Result<Self> {
        let accepted = cx.wheel_event(accepted);
        let id = cx.mount(|cx, id| {
            let (socket, most) = (open(cx, id)?, CONNECTIONS_MAX);
            Ok::<_, io::Error>(State {
                socket,
                accepted,
                most,
                most_per_address: usize::MAX,
                crowd: Crowd::default(),
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

    /// Where it listens, with the port that the system picked; `None` when it is closed.
    pub fn local(self, cx: &mut Cx<'_>) -> Option<Endpoint> {
        self.id.state(cx)?.socket.local().ok()
    }

    /// Has at most `most` connections be open at a time; 0 accepts none. It takes effect at once
    /// for those to come and closes none of those that are there.
    pub fn limit(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.most = most;
            self.id.again(cx);
        }
    }

    /// Has at most `most` connections of one address be open at a time; those beyond are turned
    /// away, for others wait behind them. A network of 64 bits counts as one address of IPv6. A
    /// Unix socket's clients have no address and are not counted.
    pub fn limit_per_address(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.most_per_address = most;
        }
    }

    /// Says what becomes of clients for whom there is no room. Without it they wait.
    pub fn overload(self, cx: &mut Cx<'_>, overload: Overload) {
        if let Some(state) = self.id.state(cx) {
            state.overload = overload;
            self.id.again(cx);
        }
    }

    /// Limits the clients that are being told that there is no room: each keeps its connection for
    /// up to [`LINGER_TIME`](crate::limits::LINGER_TIME), in addition to those that are served.
    /// More are closed without an answer. Without this it is [`REFUSALS_MAX`].
    pub fn limit_refusals(self, cx: &mut Cx<'_>, most: usize) {
        if let Some(state) = self.id.state(cx) {
            state.refusals_max = most;
        }
    }

    /// What it has done so far.
    pub fn counts(self, cx: &mut Cx<'_>) -> Counts {
        self.id.state(cx).map_or(Counts::default(), |state| state.counts)
    }

    /// How many connections that it accepted are open. Those that were turned away do not count.
    pub fn connections(self, cx: &mut Cx<'_>) -> usize {
        self.id.permits(cx)
    }

    /// Accepts nothing until [`resume`](Listener::resume); who connects waits in the backlog.
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

    /// Stops listening. Connections that were accepted go on.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }
}

impl Wheel for State {
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
                    } else if let Some(place) = state.crowd.place(&peer, state.most_per_address) {
                        state.counts.accepted += 1;
                        let accepted = state.accepted;
                        let socket = socket.with_permit(me.permit(cx).with_share(place));
                        cx.deliver(accepted, Accepted { socket, peer });
                    } else {
                        state.counts.refused_for_address += 1;
                        refuse(cx, me, socket);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It connected and was gone again before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return starve(cx, me, &error),
            }
        }
        me.again(cx);
    }
}

/// Turns a client away: with an answer if there is one, and not too many are being given theirs.
fn refuse(cx: &mut Cx<'_>, me: WheelId<State>, socket: Socket) {
    let Some(state) = me.state(cx) else { return };
    let Overload::Refuse(answer) = &state.overload else { return };
    if state.refusing >= state.refusals_max {
        return;
    }
    let answer = answer.clone();
    if Refusal::begin(cx, me, socket, &answer)
        && let Some(state) = me.state(cx)
    {
        state.refusing += 1;
    }
}

/// A refusal is over.
pub(super) fn refused(cx: &mut Cx<'_>, me: WheelId<State>) {
    if let Some(state) = me.state(cx) {
        state.refusing -= 1;
    }
}

/// The system cannot give a descriptor now (EMFILE, ENFILE, ENOBUFS, ENOMEM), and the listener
/// stays readable: try again later instead of at once for ever.
fn starve(cx: &mut Cx<'_>, me: WheelId<State>, error: &io::Error) {
    let now = cx.now();
    if let Some(state) = me.state(cx) {
        state.counts.starved += 1;
        if let Some(more) = state.starved.pass(now) {
            log::warn!("accepting pauses: {error}{more}");
        }
    }
    me.delay(cx, ACCEPT_RETRY);
}
