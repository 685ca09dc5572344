//! The life of a session: how its heap is lent to a handler, and how it ends.

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

/// The part of a session that is running.
#[derive(Clone, Copy, Debug)]
pub(in crate::reactor) enum Running {
    Started,
    Handler(HandlerRef),
    Wheel,
    Stopped,
    /// Something that it owned is being dropped.
    Drop,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndReason {
    /// It called `stop`, or no event can reach it any more: `stopped` runs.
    Stopped,
    /// It panicked: its wheels may send a last answer, and nothing else of it runs.
    Panicked,
    /// Its heap could not be built.
    NotBuilt,
    /// The kernel is dropped: nothing of it runs.
    KernelDropped,
}

/// Why a handler did not run, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) enum EnterError {
    Gone,
    Busy,
    TooDeep,
    Panicked,
}

impl EnterError {
    pub(in crate::reactor) fn is_panic(self) -> bool {
        self == EnterError::Panicked
    }

    pub(in crate::reactor) fn into_call_error(
        self,
        to: SessionId,
        session: &'static str,
        event: &'static str,
    ) -> CallError {
        match self {
            EnterError::Gone => PostError::NoSession { to: Missing::Id(to), event }.into(),
            EnterError::Busy => CallError::Busy { session, event },
            EnterError::TooDeep => CallError::TooDeep { session, event },
            EnterError::Panicked => CallError::Panicked { session, event },
        }
    }
}

impl Kernel {
    /// Runs `started` of a session that has a slot and no heap yet.
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
            self.end_with(id, heap, EndReason::Panicked);
        }
    }

    /// Builds the heap of a session that has a slot, as the session, and runs `started`. If `make`
    /// fails or panics, the session is removed.
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
                self.end_with(id, Box::new(()), EndReason::NotBuilt);
                return Err(error);
            }
            None => self.end_with(id, Box::new(()), EndReason::Panicked),
        }
        Ok(())
    }

    /// Lends a session's heap to `body`, and ends the session if it has called `stop` or panicked.
    pub(in crate::reactor) fn enter<T>(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: HandlerRef,
        body: impl FnOnce(&mut dyn Any, &mut Cx<'_>) -> T,
    ) -> Result<T, EnterError> {
        let deep = self.depth >= self.limits.call_depth;
        let slot = self.slots.live_slot(to).ok_or(EnterError::Gone)?;
        if slot.heap.is_none() {
            return Err(EnterError::Busy);
        }
        if deep {
            return Err(EnterError::TooDeep);
        }
        let mut heap = slot.heap.take().expect("just seen");
        let ran = self.catch_panic(to, Running::Handler(at), |cx| {
            cx.sender = sender;
            body(&mut *heap, cx)
        });
        if ran.is_some() {
            self.put_back(to, heap);
        } else {
            self.end_with(to, heap, EndReason::Panicked);
        }
        ran.ok_or(EnterError::Panicked)
    }

    /// Runs the handler at `at` with `slot`, which is a `(Option<P>, Option<R>)`: the handler takes
    /// the payload from it and stores its reply in it.
    pub(in crate::reactor) fn call_with_slot(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: HandlerRef,
        slot: &mut dyn Any,
    ) -> Result<(), EnterError> {
        self.enter(to, sender, at, |heap, cx| {
            let call = cx.kernel.entry(at).call;
            call(heap, cx, at, slot);
        })
    }

    /// Drops a value of a session: its drop is the program's code, and may panic.
    pub(in crate::reactor) fn dropping(
        &mut self,
        owner: SessionId,
        drop: impl FnOnce(&mut Kernel),
    ) {
        // A panic has been reported, and the session goes on.
        let _ = self.contain_panic(owner, Running::Drop, |cx| drop(cx.kernel));
    }

    /// Runs a session's code as the session. Returns `None` if it panicked; if the session is
    /// essential, the kernel ends then.
    ///
    /// It is safe to go on after unwinding: the heap is not used again, and the verbs of the kernel
    /// check everything before they change a table.
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

    /// Runs a part of a session's code whose panic does not end the session. The panic is counted
    /// and logged like any other.
    pub(in crate::reactor) fn contain_panic<T>(
        &mut self,
        id: SessionId,
        running: Running,
        body: impl FnOnce(&mut Cx<'_>) -> T,
    ) -> Result<T, (&'static str, &'static str, Box<str>)> {
        let depth = self.depth;
        // A wheel is no handler, but it delivers events to one.
        self.depth += usize::from(!matches!(running, Running::Wheel));
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut self.cx(id, id, running))));
        self.depth = depth;
        result.map_err(|panic| {
            let reported = self.report(id, running, &*panic);
            drop_payload(panic);
            reported
        })
    }

    /// Counts and logs a panic, and returns the session's kind, the event and the message. A panic
    /// of the program's logger is caught too.
    fn report(
        &mut self,
        id: SessionId,
        running: Running,
        panic: &(dyn Any + Send),
    ) -> (&'static str, &'static str, Box<str>) {
        let kind = self.slots.get(id).map(|slot| slot.kind);
        let session = kind.map_or("a session", |kind| self.kinds[kind as usize].name);
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
            None => self.end_with(id, heap, EndReason::Stopped),
        }
    }

    /// Stops a session that is not running.
    pub(in crate::reactor) fn end(&mut self, id: SessionId) {
        let Some(slot) = self.slots.find(id) else { return };
        if let Some(heap) = slot.heap.take() {
            self.end_with(id, heap, EndReason::Stopped);
        }
    }

    /// Stops a session that has called `stop` while none of its handlers was running.
    pub(in crate::reactor) fn end_if_stopping(&mut self, id: SessionId) {
        if self.slots.get(id).is_some_and(|slot| slot.phase == Phase::Stopping) {
            self.end(id);
        }
    }

    /// Ends a session and releases everything that it owns, its heap first. Its index may be used
    /// again from then on.
    fn end_with(&mut self, id: SessionId, mut heap: Box<dyn Any>, why: EndReason) {
        let slot = self.slots.find(id).expect("a session ends once");
        slot.phase = Phase::Stopping;
        let (parent, stopped) = (slot.parent, self.kinds[slot.kind as usize].stopped);
        match why {
            EndReason::Stopped => {
                self.catch_panic(id, Running::Stopped, |cx| {
                    cx.sender = parent;
                    stopped(&mut *heap, cx);
                });
            }
            EndReason::Panicked => self.orphan_all(id),
            EndReason::NotBuilt | EndReason::KernelDropped => {}
        }
        let slot = self.slots.find(id).expect("only this removes a slot");
        let aliases = std::mem::take(&mut slot.aliases);
        // Each value is dropped by itself, because a panic during unwinding aborts the process.
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
    /// Ends every session. Each value is dropped by itself, because a second panic during unwinding
    /// aborts the process. `stopped` does not run.
    fn drop(&mut self) {
        self.drop_queue();
        for id in self.slots.newest_first() {
            let heap = self.slots.find(id).and_then(|slot| slot.heap.take());
            self.end_with(id, heap.unwrap_or_else(|| Box::new(())), EndReason::KernelDropped);
        }
    }
}

/// Drops the payload of a panic. Its drop may panic as well; the payload of that panic is leaked,
/// because its drop may panic in the same way.
fn drop_payload(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}
