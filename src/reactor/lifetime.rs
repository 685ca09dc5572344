//! The life of sessions: how a heap is lent to a handler, and when a session ends.

use super::cx::Cx;
use super::error::{CallError, Missing, PostError};
use super::hold::Release;
use super::kernel::Kernel;
use super::session::{At, SessionId};
use super::slots::Phase;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What happens when a handler panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The session is stopped: its heap dropped, its wheels closed. Everyone else is served on.
    #[default]
    Isolate,
    /// The process is aborted, for programs that would rather be started anew.
    Abort,
}

/// Why a handler did not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Gone,
    Busy,
    TooDeep,
    Panicked,
}

impl Refusal {
    pub(super) fn is_panic(self) -> bool {
        self == Refusal::Panicked
    }

    pub(super) fn into_call_error(
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
    pub(super) fn start<H: super::Session>(&mut self, id: SessionId, mut heap: Box<H>) {
        assert!(
            self.depth < self.limits.call_depth,
            "`{}` is spawned {} handlers deep",
            std::any::type_name::<H>(),
            self.depth
        );
        let parent = self.slots.find(id).expect("it has just been made").parent;
        let started = self.guarded(id, None, |kernel| {
            heap.started(&mut kernel.cx(id, parent, None));
            heap as Box<dyn Any>
        });
        match started {
            Some(heap) => self.put_back(id, heap),
            None => self.bury(id),
        }
    }

    /// Lends a session's heap to `body`, and ends the session if it asks for that or panics.
    pub(super) fn enter<T>(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: At,
        body: impl FnOnce(&mut dyn Any, &mut Cx<'_>) -> T,
    ) -> Result<T, Refusal> {
        let deep = self.depth >= self.limits.call_depth;
        let slot = self.slots.live_slot(to).ok_or(Refusal::Gone)?;
        if deep {
            return Err(Refusal::TooDeep);
        }
        let mut heap = slot.heap.take().ok_or(Refusal::Busy)?;
        let ran = self.guarded(to, Some(at), |kernel| {
            let reply = body(&mut *heap, &mut kernel.cx(to, sender, Some(at)));
            (reply, heap)
        });
        match ran {
            Some((reply, heap)) => {
                self.put_back(to, heap);
                Ok(reply)
            }
            None => {
                self.bury(to);
                Err(Refusal::Panicked)
            }
        }
    }

    /// Runs the handler at `at` with a payload that is made on the spot, for its reply.
    pub(super) fn exchange<P: 'static, R: 'static>(
        &mut self,
        to: SessionId,
        sender: SessionId,
        at: At,
        payload: impl FnOnce() -> P,
    ) -> Result<R, Refusal> {
        let call = self.entry(at).call;
        self.enter(to, sender, at, |heap, cx| {
            let mut exchange = (Some(payload()), None::<R>);
            call(heap, cx, at, &mut exchange);
            exchange.1.expect("the handler returned")
        })
    }

    /// Runs a session's code; `None` when it panicked, and what the code owned is gone.
    ///
    /// Unwinding is safe to go on after: the heap is dropped, and the kernel changes its own tables
    /// only in verbs that check before they change.
    pub(super) fn guarded<T>(
        &mut self,
        id: SessionId,
        at: Option<At>,
        body: impl FnOnce(&mut Kernel) -> T,
    ) -> Option<T> {
        let depth = self.depth;
        self.depth += 1;
        let result = catch_unwind(AssertUnwindSafe(|| body(self)));
        self.depth = depth;
        match result {
            Ok(value) => Some(value),
            Err(panic) => {
                self.report(id, at, &*panic);
                None
            }
        }
    }

    fn report(&mut self, id: SessionId, at: Option<At>, panic: &(dyn Any + Send)) {
        let kind = self.slots.get(id).map(|slot| slot.kind);
        let session = kind.map_or("a session", |kind| self.kinds[kind as usize].name);
        let event = at.map_or("its start or end", |at| self.event_name(at));
        let why = panic.downcast_ref::<&str>().copied();
        let why = why.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?");
        log::error!("`{session}` ({id}) panicked in `{event}` and is stopped: {why}");
        self.stats.panics += 1;
        if self.limits.panics == PanicPolicy::Abort {
            std::process::abort();
        }
    }

    fn put_back(&mut self, id: SessionId, heap: Box<dyn Any>) {
        match self.slots.live_slot(id) {
            Some(slot) => slot.heap = Some(heap),
            None => self.finish(id, heap),
        }
    }

    /// Ends a session whose heap is at hand: `stopped`, then everything it owns is released.
    fn finish(&mut self, id: SessionId, mut heap: Box<dyn Any>) {
        let slot = self.slots.find(id).expect("only finish and bury remove a slot");
        slot.phase = Phase::Stopping;
        let (parent, stopped) = (slot.parent, self.kinds[slot.kind as usize].stopped);
        self.guarded(id, None, |kernel| {
            stopped(&mut *heap, &mut kernel.cx(id, parent, None));
            drop(heap);
        });
        self.bury(id);
    }

    /// Releases everything a session owns. Its index may be used again from now on.
    fn bury(&mut self, id: SessionId) {
        let slot = self.slots.find(id).expect("a session is buried once");
        slot.phase = Phase::Stopping;
        let parent = slot.parent;
        let aliases = std::mem::take(&mut slot.aliases);
        for alias in aliases {
            self.aliases.remove(&alias);
        }
        self.signals.retain(|watch| watch.session != id);
        self.unwatch_all(id);
        self.remove_all_timers(id);
        self.unmount_all(id);
        self.slots.remove(id);
        self.let_go(parent);
    }

    /// Stops a session that is not running.
    pub(super) fn end(&mut self, id: SessionId) {
        let Some(slot) = self.slots.find(id) else { return };
        if let Some(heap) = slot.heap.take() {
            self.finish(id, heap);
        }
    }

    /// Counts one more thing that can wake a session.
    pub(super) fn retain(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs += 1;
        }
    }

    /// Counts one less; the sweep looks at a session that has none left.
    pub(super) fn let_go(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs -= 1;
            if slot.refs == 0 {
                self.mark(id);
            }
        }
    }

    /// Has the sweep look at a session. What wakes it before the turn ends saves it.
    pub(super) fn mark(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id)
            && !slot.marked
        {
            slot.marked = true;
            self.marks.push(id);
        }
    }

    /// The end of a turn: stops the sessions that nothing can wake, the last marked first.
    pub(super) fn sweep(&mut self) {
        self.take_releases();
        if self.ending {
            return self.end_all();
        }
        self.sweep_marked();
        if self.is_idle() && self.slots.live() > 0 {
            self.end_idle();
        }
    }

    fn sweep_marked(&mut self) {
        while let Some(id) = self.marks.pop() {
            let Some(slot) = self.slots.find(id) else { continue };
            slot.marked = false;
            if slot.is_forgotten() {
                self.end(id);
                self.take_releases();
            }
        }
    }

    /// Only aliases and watches are left, and nobody who could use them: the program has ended.
    fn end_idle(&mut self) {
        for id in self.slots.newest_first() {
            self.end(id);
            self.take_releases();
            self.sweep_marked();
            if !self.is_idle() {
                break; // somebody's `stopped` has set something going
            }
        }
    }

    fn end_all(&mut self) {
        self.drop_queue();
        for id in self.slots.newest_first() {
            self.end(id);
        }
        self.drop_queue();
        self.take_releases();
        self.marks.clear();
        self.ending = false;
    }

    fn take_releases(&mut self) {
        while let Ok(release) = self.released.try_recv() {
            match release {
                Release::Hold(id) => {
                    self.holds -= 1;
                    self.let_go(id);
                }
                Release::Permit(wheel) => self.release_permit(wheel),
            }
        }
    }
}
