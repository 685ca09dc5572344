//! The life of a session: how its heap is lent to a handler, and what happens when it ends.

use crate::reactor::config::PanicPolicy;
use crate::reactor::cx::Cx;
use crate::reactor::error::{CallError, Missing, PostError};
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::run_error::RunError;
use crate::reactor::session::Session;
use crate::reactor::tables::slots::Phase;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What of a session is running.
#[derive(Clone, Copy, Debug)]
pub(in crate::reactor) enum Running {
    Started,
    Handler(HandlerRef),
    Wheel,
    Stopped,
    /// Something of its is being dropped.
    Drop,
}

/// Why a handler did not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) enum Refusal {
    Gone,
    Busy,
    TooDeep,
    Panicked,
}

impl Refusal {
    pub(in crate::reactor) fn is_panic(self) -> bool {
        self == Refusal::Panicked
    }

    pub(in crate::reactor) fn into_call_error(
        self,
        to: SessionId,
        session: &'static str,
        event: &'static str,
    ) -> CallError {
        match self {
            Refusal::Gone => PostError::NoSession { to: Missing::Id(to), event }.into(),
            Refusal::Busy => CallError::Busy { session, event },
            Refusal::TooDeep => CallError::TooDeep { session, event },
            Refusal::Panicked => CallError::Panicked { session, event },
        }
    }
}

impl Kernel {
    /// Runs `started` of a session that has just got its slot.
    pub(in crate::reactor) fn start<H: Session>(
        &mut self,
        id: SessionId,
        parent: SessionId,
        heap: H,
    ) {
        let mut heap = Box::new(heap);
        let started = self.catch_panic(id, Running::Started, |cx| {
            cx.sender = parent;
            heap.started(cx);
        });
        if started.is_some() {
            self.put_back(id, heap);
        } else {
            self.perish(id, heap);
        }
    }

    /// Has a session that has just got its slot make its own heap, and runs `started`; one that
    /// fails or panics is gone.
    pub(in crate::reactor) fn start_with<H: Session, E>(
        &mut self,
        id: SessionId,
        parent: SessionId,
        make: impl FnOnce(&mut Cx<'_>) -> Result<H, E>,
    ) -> Result<(), E> {
        let heap = self.catch_panic(id, Running::Started, |cx| {
            cx.sender = parent;
            make(cx)
        });
        match heap {
            Some(Ok(heap)) => self.start(id, parent, heap),
            Some(Err(error)) => {
                self.bury(id, Box::new(()));
                return Err(error);
            }
            None => self.perish(id, Box::new(())),
        }
        Ok(())
    }

    /// Lends a session's heap to `body`, and ends the session if it asks for that or panics.
    pub(in crate::reactor) fn enter<T>(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: HandlerRef,
        body: impl FnOnce(&mut dyn Any, &mut Cx<'_>) -> T,
    ) -> Result<T, Refusal> {
        let deep = self.depth >= self.limits.call_depth;
        let slot = self.slots.live_slot(to).ok_or(Refusal::Gone)?;
        if slot.heap.is_none() {
            return Err(Refusal::Busy);
        }
        if deep {
            return Err(Refusal::TooDeep);
        }
        let mut heap = slot.heap.take().expect("just seen");
        let ran = self.catch_panic(to, Running::Handler(at), |cx| {
            cx.sender = sender;
            body(&mut *heap, cx)
        });
        if ran.is_some() {
            self.put_back(to, heap);
        } else {
            self.perish(to, heap);
        }
        ran.ok_or(Refusal::Panicked)
    }

    /// Runs the handler at `at` for an exchange, which is a `(Option<P>, Option<R>)` with the
    /// payload: that is taken out, and the reply put in.
    pub(in crate::reactor) fn call_with_slot(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: HandlerRef,
        slot: &mut dyn Any,
    ) -> Result<(), Refusal> {
        self.enter(to, sender, at, |heap, cx| {
            let call = cx.kernel.entry(at).call;
            call(heap, cx, at, slot);
        })
    }

    /// Drops something that came from a session: its own code may run, and panic.
    pub(in crate::reactor) fn dropping(
        &mut self,
        owner: SessionId,
        drop: impl FnOnce(&mut Kernel),
    ) {
        // A panic of it has been reported, and the session goes on.
        let _ = self.contain_panic(owner, Running::Drop, |cx| drop(cx.kernel));
    }

    /// Runs a session's code as the session; `None` when it panicked, which ends the kernel if the
    /// session is essential.
    ///
    /// Unwinding is safe to go on after: the heap is not used again, and the kernel changes its own
    /// tables only in verbs that check before they change.
    pub(in crate::reactor) fn catch_panic<T>(
        &mut self,
        id: SessionId,
        running: Running,
        body: impl FnOnce(&mut Cx<'_>) -> T,
    ) -> Option<T> {
        let (session, event, message) = match self.contain_panic(id, running, body) {
            Ok(value) => return Some(value),
            Err(panicked) => panicked,
        };
        if self.slots.get(id).is_some_and(|slot| slot.is_essential) {
            self.fail(RunError::Panicked { session, id, event, message });
        }
        None
    }

    /// Runs a part of a session's code whose panic does not end the session. It is counted and
    /// logged as any other.
    pub(in crate::reactor) fn contain_panic<T>(
        &mut self,
        id: SessionId,
        running: Running,
        body: impl FnOnce(&mut Cx<'_>) -> T,
    ) -> Result<T, (&'static str, &'static str, Box<str>)> {
        let depth = self.depth;
        // A wheel is no handler, but what it delivers to is one.
        self.depth += usize::from(!matches!(running, Running::Wheel));
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut self.cx(id, id, running))));
        self.depth = depth;
        result.map_err(|panic| {
            let reported = self.report(id, running, &*panic);
            drop_payload(panic);
            reported
        })
    }

    /// Counts and logs a panic, and returns the session's kind, the event and the message. The
    /// program's logger may panic as well: that stays inside, too.
    fn report(
        &mut self,
        id: SessionId,
        running: Running,
        panic: &(dyn Any + Send),
    ) -> (&'static str, &'static str, Box<str>) {
        let kind = self.slots.get(id).map(|slot| slot.kind);
        let session = kind.map_or("somebody", |kind| self.kinds[kind as usize].name);
        let event = self.name_of(running);
        let why = panic.downcast_ref::<&str>().copied();
        let why = why.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?");
        let log = || log::error!("`{session}` ({id}) panicked in `{event}`: {why}");
        let logged = catch_unwind(AssertUnwindSafe(log));
        self.stats.panics += 1;
        if let Err(panic) = logged {
            drop_payload(panic);
        }
        if self.limits.panics == PanicPolicy::Abort {
            std::process::abort();
        }
        (session, event, why.into())
    }

    pub(in crate::reactor) fn name_of(&self, running: Running) -> &'static str {
        match running {
            Running::Started => "_start",
            Running::Handler(at) => self.event_name(at),
            Running::Wheel => "_wheel",
            Running::Stopped => "_stop",
            Running::Drop => "_drop",
        }
    }

    fn put_back(&mut self, id: SessionId, heap: Box<dyn Any>) {
        match self.slots.live_slot(id) {
            Some(slot) => slot.heap = Some(heap),
            None => self.finish(id, heap),
        }
    }

    /// Stops a session that is not running.
    pub(in crate::reactor) fn end(&mut self, id: SessionId) {
        let Some(slot) = self.slots.find(id) else { return };
        if let Some(heap) = slot.heap.take() {
            self.finish(id, heap);
        }
    }

    /// Stops a session if it has asked for it while no handler of its ran.
    pub(in crate::reactor) fn end_if_stopping(&mut self, id: SessionId) {
        if self.slots.get(id).is_some_and(|slot| slot.phase == Phase::Stopping) {
            self.end(id);
        }
    }

    /// Ends a session whose heap is at hand: `stopped`, then everything it owns is released.
    fn finish(&mut self, id: SessionId, mut heap: Box<dyn Any>) {
        let slot = self.slots.find(id).expect("only bury removes a slot");
        slot.phase = Phase::Stopping;
        let (parent, stopped) = (slot.parent, self.kinds[slot.kind as usize].stopped);
        self.catch_panic(id, Running::Stopped, |cx| {
            cx.sender = parent;
            stopped(&mut *heap, cx);
        });
        self.bury(id, heap);
    }

    /// Ends a session that has panicked: its wheels have their last words, and nothing else runs.
    fn perish(&mut self, id: SessionId, heap: Box<dyn Any>) {
        self.orphan_all(id);
        self.bury(id, heap);
    }

    /// Releases everything a session owns, its heap first. Its index may be used again from now on.
    fn bury(&mut self, id: SessionId, heap: Box<dyn Any>) {
        let slot = self.slots.find(id).expect("a session is buried once");
        slot.phase = Phase::Stopping;
        let parent = slot.parent;
        let aliases = std::mem::take(&mut slot.aliases);
        // By itself, for one that panics while another unwinds would take the process along.
        self.dropping(id, |_| drop(heap));
        for alias in aliases {
            self.aliases.remove(&alias);
        }
        self.signals.retain(|watch| watch.session != id);
        self.unwatch_all(id);
        self.remove_all_timers(id);
        self.unmount_all(id);
        self.slots.remove(id);
        self.release(parent);
    }
}

impl Drop for Kernel {
    /// Drops what every session has, each thing by itself: of two drops that panic, the second
    /// would end the process. `stopped` does not run.
    fn drop(&mut self) {
        self.drop_queue();
        for id in self.slots.newest_first() {
            let heap = self.slots.find(id).and_then(|slot| slot.heap.take());
            self.bury(id, heap.unwrap_or_else(|| Box::new(())));
        }
    }
}

/// Drops what a panic carried. Its drop may panic as well; what that panic carries is leaked,
/// because its drop may be the same one.
fn drop_payload(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
