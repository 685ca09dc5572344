//! Wheels: what turns a socket's readiness into a session's events.
//!
//! The kernel keeps a wheel for the session that mounted it, and removes it when that session
//! stops. The session keeps a [`WheelId`], typed and copyable, which the wheel's own module wraps
//! into a handle such as [`ReadWrite`](crate::wheels::ReadWrite).

use crate::reactor::cx::Cx;
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, WheelToken};
use crate::reactor::kernel::dispatch::EnterError;
use crate::reactor::kernel::wheels::WheelVTable;
use crate::reactor::net::{Endpoint, ListeningSocket, Readiness, Socket};
use crate::reactor::release::{Permit, Release};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

/// The state of a wheel, and what it does when there is a reason to run it.
///
/// To write a wheel: keep its state in a type and implement [`Wheel`] for it. Borrow the state
/// again after every event that was delivered, because the event's handler may have unmounted the
/// wheel.
///
/// ```
/// use masque::reactor::{Cx, Event, Readiness, Wheel, WheelCx, WheelEvent, WheelId};
/// use std::time::Duration;
///
/// /// Delivers the numbers from 1 on, one each second.
/// struct Counter { count: u32, counted: WheelEvent<u32> }
///
/// impl Counter {
///     fn mount(cx: &mut Cx<'_>, counted: Event<u32>) -> WheelId<Counter> {
///         let counted = cx.wheel_event(counted);
///         let mounted = cx.mount(|cx, id| {
///             id.delay(cx, Duration::from_secs(1));
///             Ok::<_, std::convert::Infallible>(Counter { count: 0, counted })
///         });
///         let Ok(id) = mounted;
///         id
///     }
/// }
///
/// impl Wheel for Counter {
///     fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
///         if !ready.intersects(Readiness::TIMER) {
///             return;
///         }
///         let id = cx.wheel();
///         id.delay(cx, Duration::from_secs(1));
///         let Some(state) = id.state(cx) else { return };
///         state.count += 1;
///         let (count, counted) = (state.count, state.counted);
///         cx.deliver(counted, count);
///     }
/// }
/// ```
pub trait Wheel: Sized + 'static {
    /// Runs the wheel for these reasons, as its owner.
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness);

    /// Runs when the owner has panicked, before the wheel is removed, so that it can send a last
    /// answer to a peer. It does not run if the owner stops, or if the wheel itself has panicked.
    fn orphaned(&mut self, _date: SystemTime) {}
}

/// The id of a mounted wheel, and what can be done with the wheel. It is not valid any more when
/// the wheel is unmounted: then these verbs do nothing.
pub struct WheelId<W> {
    token: WheelToken,
    state: PhantomData<fn(W)>,
}

/// What a wheel can do while it runs: what its owner can do, as [`Cx`], and
/// [`deliver`](Self::deliver) events to it.
pub struct WheelCx<'a, 'k, W> {
    cx: &'a mut Cx<'k>,
    wheel: WheelId<W>,
}

/// The handler for a wheel's events in its owner, looked up once.
pub struct WheelEvent<P> {
    at: HandlerRef,
    payload: PhantomData<fn(P)>,
}

impl Cx<'_> {
    /// Mounts a wheel that `make` builds from its id, for this session. If `make` fails, nothing is
    /// mounted. O(1). For a session that has stopped the wheel is unmounted before this returns.
    ///
    /// # Panics
    /// If there are as many wheels as [`Limits::wheels`](crate::reactor::Limits::wheels) allows.
    #[track_caller]
    pub fn mount<W: Wheel, E>(
        &mut self,
        make: impl FnOnce(&mut Self, WheelId<W>) -> Result<W, E>,
    ) -> Result<WheelId<W>, E> {
        let most = self.kernel.limits.wheels;
        assert!(self.kernel.wheels.len() < most, "one wheel too many: there may be {most}");
        let vtable = const {
            &WheelVTable {
                run: |cx, token, ready| {
                    let wheel = WheelId { token, state: PhantomData };
                    W::ready(&mut WheelCx { cx, wheel }, ready);
                },
                orphaned: |kernel, state, date| {
                    if let Some(wheel) = kernel.wheels.state_at::<W>(state) {
                        wheel.orphaned(date);
                    }
                },
                discard: |kernel, state| drop(kernel.wheels.take_state::<W>(state)),
            }
        };
        let token = self.kernel.mount::<W>(self.me, vtable);
        let id = WheelId { token, state: PhantomData };
        let state = make(self, id).inspect_err(|_| drop(self.kernel.unmount::<W>(token)))?;
        self.kernel.set_state(token, state);
        Ok(id)
    }

    /// The handler of this session for a wheel's events.
    ///
    /// # Panics
    /// If this kind of session has no handler for the event.
    #[track_caller]
    pub fn wheel_event<P: 'static>(&mut self, event: Event<P>) -> WheelEvent<P> {
        // A session that has stopped gets one too: no event will be delivered to it.
        WheelEvent { at: self.mine(event).unwrap_or(HandlerRef::NONE), payload: PhantomData }
    }

    /// Takes an object that all wheels of a kernel share, such as a buffer. Give it back with
    /// [`put_scratch`](Self::put_scratch).
    pub fn take_scratch<T: Default + 'static>(&mut self) -> Box<T> {
        self.kernel.scratch.take()
    }

    /// Gives back what [`take_scratch`](Self::take_scratch) took.
    pub fn put_scratch<T: 'static>(&mut self, object: Box<T>) {
        self.kernel.scratch.put_back(object);
    }
}

impl<W: Wheel> WheelId<W> {
    /// The state of the wheel, unless it has been unmounted. O(1).
    pub fn state<'a>(self, cx: &'a mut Cx<'_>) -> Option<&'a mut W> {
        cx.kernel.wheels.state(self.token)
    }

    /// Unmounts the wheel; its sockets close with its state. O(wheels of its owner).
    pub fn unmount(self, cx: &mut Cx<'_>) -> Option<W> {
        cx.kernel.unmount(self.token)
    }

    /// Runs the wheel again in the next turn, with [`Readiness::AGAIN`]. O(1).
    pub fn again(self, cx: &mut Cx<'_>) {
        cx.kernel.wake_wheel(self.token, Readiness::AGAIN);
    }

    /// Runs the wheel after `after`, with [`Readiness::TIMER`]; replaces its earlier timer. O(log
    /// timers).
    pub fn delay(self, cx: &mut Cx<'_>, after: Duration) {
        cx.kernel.delay_wheel(self.token, after);
    }

    /// Removes the timer of [`delay`](Self::delay). O(log timers).
    pub fn delay_clear(self, cx: &mut Cx<'_>) {
        cx.kernel.clear_wheel_timer(self.token);
    }

    /// A permit whose drop runs the wheel, with [`Readiness::RELEASED`].
    pub fn permit(self, cx: &mut Cx<'_>) -> Permit {
        if let Some(permits) = cx.kernel.permits(self.token) {
            *permits += 1;
        }
        Permit::new(cx.kernel.guard(Release::Permit(self.token)))
    }

    /// The number of permits of this wheel that have not been dropped. O(1).
    pub fn permits(self, cx: &mut Cx<'_>) -> usize {
        cx.kernel.permits(self.token).map_or(0, |permits| *permits as usize)
    }

    /// Runs the wheel when `socket` is ready. Edge-triggered: after each run it must be read until
    /// it would block, or the wheel must ask to run [again](Self::again).
    pub fn register(self, cx: &mut Cx<'_>, socket: &mut Socket) -> io::Result<()> {
        cx.kernel.net.register(socket, self.token.token())
    }

    /// Opens a listening socket and runs the wheel when it is ready.
    pub fn listen(self, cx: &mut Cx<'_>, at: &Endpoint) -> io::Result<ListeningSocket> {
        cx.kernel.net.listen(at, self.token.token())
    }

    /// Runs the wheel when a listening socket is ready that was opened elsewhere.
    pub fn adopt(self, cx: &mut Cx<'_>, socket: &mut ListeningSocket) -> io::Result<()> {
        cx.kernel.net.adopt(socket, self.token.token())
    }

    /// Starts to connect a socket and runs the wheel when it is ready.
    pub fn connect(self, cx: &mut Cx<'_>, to: &Endpoint) -> io::Result<Socket> {
        cx.kernel.net.connect(to, self.token.token())
    }

    /// Has a name resolved by another thread, then runs the wheel with [`Readiness::RESOLVED`].
    pub fn resolve_host(self, cx: &mut Cx<'_>, host: &str, port: u16) -> io::Result<()> {
        cx.kernel.net.resolve(host, port, self.token.token())
    }

    /// The addresses of the resolved name, once.
    pub fn resolved(self, cx: &mut Cx<'_>) -> Option<io::Result<Vec<Endpoint>>> {
        cx.kernel.net.resolved(self.token.token())
    }
}

impl<W: Wheel> WheelCx<'_, '_, W> {
    /// The wheel that runs.
    pub fn wheel(&self) -> WheelId<W> {
        self.wheel
    }

    /// The state of the wheel that runs, unless it has been unmounted. O(1).
    pub fn state(&mut self) -> Option<&mut W> {
        self.wheel.state(self.cx)
    }

    /// Delivers an event to the owner, now. If the owner has stopped, or stops or panics because of
    /// it, the wheel is unmounted when this returns.
    ///
    /// Only a wheel that runs can deliver, because no handler of its owner is running then:
    ///
    /// ```compile_fail,E0599
    /// # use masque::reactor::{Cx, WheelEvent};
    /// fn in_a_handler(cx: &mut Cx<'_>, event: WheelEvent<u32>) {
    ///     cx.deliver(event, 1); // `Cx` has no such method
    /// }
    /// ```
    pub fn deliver<P: 'static>(&mut self, event: WheelEvent<P>, payload: P) {
        let (me, at) = (self.cx.me, event.at);
        let mut slot = (Some(payload), None::<()>);
        if let Err(EnterError::Busy) = self.cx.kernel.call_with_slot(me, me, at, &mut slot) {
            unreachable!("no handler of a wheel's owner is running while the wheel runs");
        }
    }
}

impl<'k, W> Deref for WheelCx<'_, 'k, W> {
    type Target = Cx<'k>;

    fn deref(&self) -> &Cx<'k> {
        self.cx
    }
}

impl<W> DerefMut for WheelCx<'_, '_, W> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.cx
    }
}

impl<W> fmt::Debug for WheelCx<'_, '_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WheelCx").field("wheel", &self.wheel).field("cx", &self.cx).finish()
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
        self.token == other.token
    }
}

impl<W> Eq for WheelId<W> {}

impl<W> fmt::Debug for WheelId<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WheelId({})", self.token)
    }
}

impl<P> Clone for WheelEvent<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for WheelEvent<P> {}

impl<P> fmt::Debug for WheelEvent<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WheelEvent({:?})", self.at)
    }
}
