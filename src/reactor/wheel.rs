//! Wheels: what turns a socket's readiness into a session's events.
//!
//! A wheel is kept by the kernel for the session that mounted it, and is gone when the session is. The
//! session's heap keeps a [`WheelId`], typed and copyable, which the wheel's own module wraps into a
//! handle such as [`ReadWrite`](crate::wheels::ReadWrite).
//!
//! To write one: keep the state in a type, implement [`Wheel`] for it, and borrow the state anew
//! through [`Cx::wheel`] after every event that was delivered, for its handler may have unmounted it.

use super::cx::Cx;
use super::event::Event;
use super::hold::{Guard, Release};
use super::kernel::Kernel;
use super::net::{Endpoint, ListeningSocket, Socket};
use super::session::{At, SessionId};
use slab::Slab;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The state of a wheel, and what it does when something has come for it.
pub trait Wheel: Sized + 'static {
    /// Runs the wheel, on behalf of its owner, whose `cx` this is.
    fn ready(cx: &mut Cx<'_>, me: WheelId<Self>, ready: Ready);
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
pub struct Permit(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Guard>);

/// A wheel's place, with its type erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawWheel {
    index: u32,
    generation: u32,
}

pub(super) const NO_WHEEL: u32 = u32::MAX;
const NO_TIMER: u32 = u32::MAX;

impl RawWheel {
    /// The number under which its sockets are registered.
    pub(super) fn token(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    pub(super) fn of_token(token: usize) -> Self {
        RawWheel { index: token as u32, generation: (token >> 32) as u32 }
    }
}

/// Every mounted wheel, and those that have something to do.
#[derive(Default)]
pub(super) struct Wheels {
    mounted: Slab<Mounted>,
    generation: u32,
    ready: VecDeque<RawWheel>,
}

struct Mounted {
    generation: u32,
    owner: SessionId,
    /// The next wheel of the same owner.
    next: u32,
    timer: u32,
    /// How many permits that it gave out are still there.
    permits: u32,
    ready: Ready,
    queued: bool,
    run: fn(&mut Cx<'_>, RawWheel, Ready),
    state: Box<dyn Any>,
}

impl Wheels {
    pub(super) fn len(&self) -> usize {
        self.mounted.len()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    fn find(&mut self, wheel: RawWheel) -> Option<&mut Mounted> {
        self.mounted
            .get_mut(wheel.index as usize)
            .filter(|mounted| mounted.generation == wheel.generation)
    }
}

impl Cx<'_> {
    /// Mounts a wheel that `make` builds from its id, for this session; nothing is mounted when it
    /// fails. O(1).
    ///
    /// # Panics
    /// When there are as many wheels as there may be
    /// ([`Limits::wheels`](crate::limits::Limits::wheels)).
    pub fn mount<W: Wheel, E>(
        &mut self,
        make: impl FnOnce(&mut Self, WheelId<W>) -> Result<W, E>,
    ) -> Result<WheelId<W>, E> {
        let (me, most) = (self.me, self.kernel.limits.wheels);
        assert!(self.kernel.wheels.len() < most, "one wheel too many: there may be {most}");
        let wheels = &mut self.kernel.wheels;
        // A generation is half of a token; the top one is left for what is no wheel's.
        wheels.generation = (wheels.generation + 1) % (u32::MAX >> 1);
        let generation = wheels.generation;
        let index = wheels.mounted.insert(Mounted {
            generation,
            owner: me,
            next: NO_WHEEL,
            timer: NO_TIMER,
            permits: 0,
            ready: Ready::default(),
            queued: false,
            run: |cx, raw, ready| W::ready(cx, WheelId { raw, state: PhantomData }, ready),
            state: Box::new(()),
        }) as u32;
        if let Some(slot) = self.kernel.slots.find(me) {
            slot.refs += 1;
            self.kernel.wheels.mounted[index as usize].next = slot.first_wheel;
            slot.first_wheel = index;
        }
        let raw = RawWheel { index, generation };
        let id = WheelId { raw, state: PhantomData };
        match make(self, id) {
            Ok(state) => {
                self.kernel.wheels.find(raw).expect("it is mounted").state = Box::new(state);
                Ok(id)
            }
            Err(error) => {
                self.kernel.unmount(raw);
                Err(error)
            }
        }
    }

    /// The state of a wheel, unless it has been unmounted. O(1).
    pub fn wheel<W: Wheel>(&mut self, id: WheelId<W>) -> Option<&mut W> {
        self.kernel.wheels.find(id.raw)?.state.downcast_mut()
    }

    /// Takes a wheel off; its sockets close with it. O(wheels of its owner).
    pub fn unmount<W: Wheel>(&mut self, id: WheelId<W>) -> Option<Box<W>> {
        self.kernel.unmount(id.raw)?.downcast().ok()
    }

    /// My handler for a wheel's events.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn outlet<P: 'static>(&mut self, event: Event<P>) -> Outlet<P> {
        // A session that has stopped gets an outlet too: nothing will ever come through it.
        let at = self.mine(event).unwrap_or(At { kind: u32::MAX, handler: u32::MAX });
        Outlet { at, payload: PhantomData }
    }

    /// Delivers a wheel's event to its owner, now. Only a wheel that runs may do so.
    pub fn deliver<P: 'static>(&mut self, outlet: Outlet<P>, payload: P) {
        let me = self.me;
        // The owner can only be gone or panic, and then the wheel is gone with it.
        let _ = self.kernel.exchange::<P, ()>(me, me, outlet.at, || payload);
    }

    /// Runs the wheel again in the next turn, for what is left to do. O(1).
    pub fn again<W: Wheel>(&mut self, id: WheelId<W>) {
        self.kernel.wake_wheel(id.raw, Ready::AGAIN);
    }

    /// Runs the wheel after `after`, in place of an earlier such wish. O(log timers).
    pub fn wheel_delay<W: Wheel>(&mut self, id: WheelId<W>, after: Duration) {
        self.wheel_delay_clear(id);
        if self.kernel.wheels.find(id.raw).is_some() {
            let timer = self.kernel.set_wheel_timer(id.raw, after);
            self.kernel.wheels.find(id.raw).expect("just seen").timer = timer;
        }
    }

    /// Takes back [`wheel_delay`](Cx::wheel_delay). O(log timers).
    pub fn wheel_delay_clear<W: Wheel>(&mut self, id: WheelId<W>) {
        self.kernel.clear_wheel_timer(id.raw);
    }

    /// A permit whose drop runs the wheel with [`Ready::RELEASED`].
    pub fn permit<W: Wheel>(&mut self, id: WheelId<W>) -> Permit {
        if let Some(mounted) = self.kernel.wheels.find(id.raw) {
            mounted.permits += 1;
        }
        Permit(self.kernel.guard(Release::Permit(id.raw)))
    }

    /// How many permits that the wheel gave out have not been dropped. O(1).
    pub fn permits<W: Wheel>(&mut self, id: WheelId<W>) -> usize {
        self.kernel.wheels.find(id.raw).map_or(0, |mounted| mounted.permits as usize)
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
        self.kernel.spares.0.push(spare);
    }
}

impl Kernel {
    /// Has a wheel run in the next turn. What it was told before it runs comes together.
    pub(super) fn wake_wheel(&mut self, wheel: RawWheel, ready: Ready) {
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.ready = mounted.ready.and(ready);
            if !mounted.queued {
                mounted.queued = true;
                self.wheels.ready.push_back(wheel);
            }
        }
    }

    pub(super) fn release_permit(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.permits -= 1;
            self.wake_wheel(wheel, Ready::RELEASED);
        }
    }

    pub(super) fn run_next_wheel(&mut self) {
        let Some(wheel) = self.wheels.ready.pop_front() else { return };
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.queued = false;
            let ready = std::mem::take(&mut mounted.ready);
            self.run_wheel(wheel, ready);
        }
    }

    /// Runs a wheel; one that panics takes its owner with it.
    pub(super) fn run_wheel(&mut self, wheel: RawWheel, ready: Ready) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        let (owner, run) = (mounted.owner, mounted.run);
        let ran = self.guarded(owner, None, |kernel| {
            kernel.depth -= 1; // a wheel is no handler
            run(&mut kernel.cx(owner, owner, None), wheel, ready);
        });
        if ran.is_none() {
            self.unmount(wheel);
            self.end(owner);
        }
    }

    pub(super) fn wheel_timer_fired(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.timer = NO_TIMER;
        }
    }

    fn clear_wheel_timer(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            let timer = std::mem::replace(&mut mounted.timer, NO_TIMER);
            if timer != NO_TIMER {
                self.timers.remove(timer);
            }
        }
    }

    fn unmount(&mut self, wheel: RawWheel) -> Option<Box<dyn Any>> {
        self.clear_wheel_timer(wheel);
        let (owner, next) = self.wheels.find(wheel).map(|mounted| (mounted.owner, mounted.next))?;
        if let Some(slot) = self.slots.find(owner) {
            if slot.first_wheel == wheel.index {
                slot.first_wheel = next;
            } else {
                let mut before = slot.first_wheel;
                while self.wheels.mounted[before as usize].next != wheel.index {
                    before = self.wheels.mounted[before as usize].next;
                }
                self.wheels.mounted[before as usize].next = next;
            }
        }
        self.let_go(owner);
        Some(self.wheels.mounted.remove(wheel.index as usize).state)
    }

    pub(super) fn unmount_all(&mut self, id: SessionId) {
        while let Some(slot) = self.slots.find(id)
            && slot.first_wheel != NO_WHEEL
        {
            let index = slot.first_wheel;
            let generation = self.wheels.mounted[index as usize].generation;
            self.unmount(RawWheel { index, generation });
        }
    }
}

/// What the wheels of a kernel lend each other.
#[derive(Default)]
pub(super) struct Spares(Vec<Box<dyn Any>>);

impl Spares {
    fn take<T: Default + 'static>(&mut self) -> Box<T> {
        match self.0.iter().position(|spare| spare.is::<T>()) {
            Some(at) => self.0.swap_remove(at).downcast().unwrap_or_default(),
            None => Box::default(),
        }
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
        write!(f, "WheelId({}.{})", self.raw.index, self.raw.generation)
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
