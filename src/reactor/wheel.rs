//! Wheels: what turns a socket's readiness into a session's events.
//!
//! A wheel is kept by the kernel for the session that mounted it, and is gone when the session is.
//! The session's heap keeps a [`WheelId`], typed and copyable, which the wheel's own module wraps
//! into a handle such as [`ReadWrite`](crate::wheels::ReadWrite).
//!
//! To write one: keep the state in a type, implement [`Wheel`] for it, and borrow the state anew
//! through [`Cx::wheel`] after every event that was delivered, for its handler may have unmounted
//! it.

use super::cx::Cx;
use super::event::Event;
use super::hold::{Guard, Release};
use super::lifetime::Refusal;
use super::mounts::{RawWheel, Verbs};
use super::net::{Endpoint, ListeningSocket, Socket};
use super::session::At;
use super::shelf::Shelf;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The state of a wheel, and what it does when something has come for it.
pub trait Wheel: Sized + 'static {
    /// Runs the wheel, on behalf of its owner, whose `cx` this is.
    fn ready(cx: &mut Cx<'_>, me: WheelId<Self>, ready: Ready);

    /// Its owner has panicked and is gone, and so is the wheel after this: the place for last words
    /// to a peer. Not called when the owner just stops, nor when the wheel itself panicked.
    fn orphaned(&mut self, _date: SystemTime) {}
}

/// A mounted wheel's id. It is not valid any more once the wheel is unmounted.
pub struct WheelId<W> {
    raw: RawWheel,
    state: PhantomData<fn(W)>,
}

/// Why a wheel runs: a set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready(u8);

impl Ready {
    /// There may be bytes, or the end, to read; or a connection to accept.
    pub const READABLE: Ready = Ready(1);
    /// There may be room to write; or a connection has been made or refused.
    pub const WRITABLE: Ready = Ready(2);
    /// Its timer has fired.
    pub const TIMER: Ready = Ready(4);
    /// It has asked for another turn.
    pub const AGAIN: Ready = Ready(8);
    /// A permit that it gave out has been dropped.
    pub const RELEASED: Ready = Ready(16);
    /// A name that it asked for has been resolved.
    pub const RESOLVED: Ready = Ready(32);
    /// The peer has ended its half, or the connection has failed: read until that is found.
    pub const HANGUP: Ready = Ready(64);
    /// The connection has failed, as by a reset: what was received before can still be read.
    pub const FAILED: Ready = Ready(128);

    /// Whether `other` is among the reasons.
    pub fn has(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }

    /// Both reasons.
    #[must_use]
    pub fn and(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

/// Where a wheel's event goes: a handler of its owner, found once.
pub struct Outlet<P> {
    at: At,
    payload: PhantomData<fn(P)>,
}

/// A guard that a wheel gives out; when it is dropped, wherever that is, the wheel runs.
#[derive(Debug)]
#[expect(dead_code, reason = "both are there to be dropped")]
pub struct Permit(Guard, Option<Arc<()>>);

impl Permit {
    /// Has the permit carry a share of something that counts its shares, until it is dropped.
    #[must_use]
    pub fn with_place(mut self, place: Arc<()>) -> Self {
        self.1 = Some(place);
        self
    }
}

impl Cx<'_> {
    /// Mounts a wheel that `make` builds from its id, for this session; nothing is mounted when it
    /// fails. O(1). For a session that has stopped the wheel is unmounted before this returns.
    ///
    /// # Panics
    /// When there are as many wheels as there may be
    /// ([`Limits::wheels`](crate::limits::Limits::wheels)).
    #[track_caller]
    pub fn mount<W: Wheel, E>(
        &mut self,
        make: impl FnOnce(&mut Self, WheelId<W>) -> Result<W, E>,
    ) -> Result<WheelId<W>, E> {
        let most = self.kernel.limits.wheels;
        assert!(self.kernel.wheels.len() < most, "one wheel too many: there may be {most}");
        let verbs = const {
            &Verbs {
                run: |cx, raw, ready| W::ready(cx, WheelId { raw, state: PhantomData }, ready),
                orphaned: |kernel, state, date| {
                    if let Some(wheel) = state.of::<W>(&mut kernel.wheels) {
                        wheel.orphaned(date);
                    }
                },
                discard: |kernel, state| drop(state.take::<W>(&mut kernel.wheels)),
                shrink: |shelf| Shelf::<W>::of(shelf).give_back(),
                tidy: |shelf| Shelf::<W>::of(shelf).tidy(),
            }
        };
        let raw = self.kernel.mount::<W>(self.me, verbs);
        let id = WheelId { raw, state: PhantomData };
        let state = make(self, id).inspect_err(|_| drop(self.kernel.unmount::<W>(raw)))?;
        self.kernel.furnish(raw, state);
        Ok(id)
    }

    /// The state of a wheel, unless it has been unmounted. O(1).
    pub fn wheel<W: Wheel>(&mut self, id: WheelId<W>) -> Option<&mut W> {
        self.kernel.wheels.state(id.raw)
    }

    /// Takes a wheel off; its sockets close with it. O(wheels of its owner).
    pub fn unmount<W: Wheel>(&mut self, id: WheelId<W>) -> Option<W> {
        self.kernel.unmount(id.raw)
    }

    /// My handler for a wheel's events.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn outlet<P: 'static>(&mut self, event: Event<P>) -> Outlet<P> {
        // A session that has stopped gets an outlet too: nothing will ever come through it.
        Outlet { at: self.mine(event).unwrap_or(At::NONE), payload: PhantomData }
    }

    /// Delivers a wheel's event to its owner, now. When the owner has stopped, or stops or panics
    /// over it, the wheel is gone afterwards.
    ///
    /// # Panics
    /// When a handler of the owner is running: only a wheel that [runs](Wheel::ready) may deliver.
    #[track_caller]
    pub fn deliver<P: 'static>(&mut self, outlet: Outlet<P>, payload: P) {
        let (me, at) = (self.me, outlet.at);
        let mut exchange = (Some(payload), None::<()>);
        if let Err(Refusal::Busy) = self.kernel.exchange(me, me, at, &mut exchange) {
            drop(exchange); // its own panic would be the second one
            let (session, event) = (self.kernel.kind_name(at), self.kernel.event_name(at));
            panic!("`{event}` was delivered to `{session}` while a handler of its was running");
        }
    }

    /// Runs the wheel again in the next turn, for what is left to do. O(1).
    pub fn again<W: Wheel>(&mut self, id: WheelId<W>) {
        self.kernel.wake_wheel(id.raw, Ready::AGAIN);
    }

    /// Runs the wheel after `after`, in place of an earlier such wish. O(log timers).
    pub fn wheel_delay<W: Wheel>(&mut self, id: WheelId<W>, after: Duration) {
        self.kernel.delay_wheel(id.raw, after);
    }

    /// Takes back [`wheel_delay`](Cx::wheel_delay). O(log timers).
    pub fn wheel_delay_clear<W: Wheel>(&mut self, id: WheelId<W>) {
        self.kernel.clear_wheel_timer(id.raw);
    }

    /// A permit whose drop runs the wheel with [`Ready::RELEASED`].
    pub fn permit<W: Wheel>(&mut self, id: WheelId<W>) -> Permit {
        if let Some(permits) = self.kernel.permits(id.raw) {
            *permits += 1;
        }
        Permit(self.kernel.guard(Release::Permit(id.raw)), None)
    }

    /// How many permits that the wheel gave out have not been dropped. O(1).
    pub fn permits<W: Wheel>(&mut self, id: WheelId<W>) -> usize {
        self.kernel.permits(id.raw).map_or(0, |permits| *permits as usize)
    }

    /// Has the readiness of `socket` run the wheel. Edge-triggered: after each run it must be read
    /// until it would block, or the wheel must ask to run [again](Cx::again).
    pub fn register<W: Wheel>(&mut self, id: WheelId<W>, socket: &mut Socket) -> io::Result<()> {
        self.kernel.net.register(socket, id.raw.token())
    }

    /// Opens a listening socket whose readiness runs the wheel.
    pub fn listen<W: Wheel>(
        &mut self,
        id: WheelId<W>,
        at: &Endpoint,
    ) -> io::Result<ListeningSocket> {
        self.kernel.net.listen(at, id.raw.token())
    }

    /// Has a listening socket that was opened elsewhere run the wheel.
    pub fn adopt<W: Wheel>(
        &mut self,
        id: WheelId<W>,
        socket: &mut ListeningSocket,
    ) -> io::Result<()> {
        self.kernel.net.adopt(socket, id.raw.token())
    }

    /// Begins to connect a socket whose readiness runs the wheel.
    pub fn connect<W: Wheel>(&mut self, id: WheelId<W>, to: &Endpoint) -> io::Result<Socket> {
        self.kernel.net.connect(to, id.raw.token())
    }

    /// Has a name resolved off the loop's thread; the wheel runs with [`Ready::RESOLVED`].
    pub fn resolve_host<W: Wheel>(
        &mut self,
        id: WheelId<W>,
        host: &str,
        port: u16,
    ) -> io::Result<()> {
        self.kernel.net.resolve(host, port, id.raw.token())
    }

    /// The addresses that the wheel's name was resolved to, once.
    pub fn resolved<W: Wheel>(&mut self, id: WheelId<W>) -> Option<io::Result<Vec<Endpoint>>> {
        self.kernel.net.resolved(id.raw.token())
    }

    /// Lends something that all wheels of a kernel share, such as a buffer; give it back.
    pub fn borrow_spare<T: Default + 'static>(&mut self) -> Box<T> {
        self.kernel.spares.take()
    }

    /// Gives back what [`borrow_spare`](Cx::borrow_spare) lent.
    pub fn return_spare<T: 'static>(&mut self, spare: Box<T>) {
        self.kernel.spares.give_back(spare);
    }
}

impl<W> Clone for WheelId<W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for WheelId<W> {}

impl<W> PartialEq for WheelId<W> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<W> Eq for WheelId<W> {}

impl<W> fmt::Debug for WheelId<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WheelId({})", self.raw)
    }
}

impl<P> Clone for Outlet<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Outlet<P> {}

impl<P> fmt::Debug for Outlet<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outlet({:?})", self.at)
    }
}
