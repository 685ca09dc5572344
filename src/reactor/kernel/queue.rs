//! The path of a message: its handler is found and its type checked when it is posted; later it is
//! dispatched or dropped.

use crate::reactor::error::{CallError, Missing, PostError, To};
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::session::Unhandled;
use crate::reactor::shrink::{ShrinkableTable, is_beyond_block};
use crate::reactor::tables::queue::Queued;
use crate::reactor::tables::slots::Phase;
use std::any::type_name;

impl Kernel {
    pub(in crate::reactor) fn send<P: 'static, R: 'static>(
        &mut self,
        from: SessionId,
        to: To<'_>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        let to = self.find_session(to, event.name())?;
        self.send_within(self.limits.queue, from, to, event, payload)
    }

    /// Queues an event of a session for itself. If others have filled the queue, it still takes the
    /// same number of yields.
    pub(in crate::reactor) fn send_to_self<P: 'static, R: 'static>(
        &mut self,
        me: SessionId,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        self.send_within(self.queue_max_for_yields(), me, me, event, payload)
    }

    fn send_within<P: 'static, R: 'static>(
        &mut self,
        room: usize,
        from: SessionId,
        to: SessionId,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        let (at, payload) = match self.find(to, event) {
            Ok(at) => {
                self.check_queue(room, at, event.name())?;
                (at, self.store_payload::<P, R>(at, payload))
            }
            Err(error @ PostError::NoHandler { .. }) => {
                let at = self.fallback(to).ok_or(error)?;
                self.check_queue(room, at, event.name())?;
                let payload = Unhandled { event: event.name(), payload: Box::new(payload) };
                (at, self.store_payload::<Unhandled, ()>(at, payload))
            }
            Err(error) => return Err(error),
        };
        self.enqueue(from, to, at, payload);
        Ok(())
    }

    pub(in crate::reactor) fn call_as<P: 'static, R: 'static>(
        &mut self,
        from: SessionId,
        to: To<'_>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        let to = self.find_session(to, event.name())?;
        let at = self.find(to, event)?;
        let mut slot = (Some(payload), None::<R>);
        self.call_with_slot(to, from, at, &mut slot)
            .map_err(|refusal| refusal.into_call_error(to, self.kind_name(at), event.name()))?;
        Ok(slot.1.expect("the handler returned"))
    }

    fn find_session(&self, to: To<'_>, event: &'static str) -> Result<SessionId, PostError> {
        match to {
            To::Id(id) => Ok(id),
            To::Alias(alias) => {
                // Lazily, because building the error copies the alias.
                self.resolve(alias).ok_or_else(|| PostError::NoSession { to: to.into(), event })
            }
        }
    }

    /// The handler of a live session for `event`.
    pub(in crate::reactor) fn find<P: 'static, R: 'static>(
        &self,
        id: SessionId,
        event: Event<P, R>,
    ) -> Result<HandlerRef, PostError> {
        match self.slots.get(id) {
            Some(slot) if slot.phase == Phase::Live => self.handler(slot.kind, event),
            _ => Err(PostError::NoSession { to: Missing::Id(id), event: event.name() }),
        }
    }

    /// The handler of a kind of session for `event`.
    pub(in crate::reactor) fn handler<P: 'static, R: 'static>(
        &self,
        number: u32,
        event: Event<P, R>,
    ) -> Result<HandlerRef, PostError> {
        let (name, kind) = (event.name(), &self.kinds[number as usize]);
        let Some(handler) = kind.keys.iter().position(|key| *key == event.key()) else {
            return Err(PostError::NoHandler { session: kind.name, event: name });
        };
        let entry = &kind.table[handler];
        if !entry.takes::<P, R>() {
            return Err(PostError::WrongType {
                session: kind.name,
                event: name,
                handled: entry.types,
                given: type_name::<(P, R)>(),
            });
        }
        Ok(HandlerRef { kind: number, handler: handler as u32 })
    }

    fn fallback(&self, id: SessionId) -> Option<HandlerRef> {
        let kind = self.slots.get(id)?.kind;
        let handler = self.kinds[kind as usize].fallback?;
        Some(HandlerRef { kind, handler })
    }

    /// Checks that the queue is shorter than `room`.
    pub(in crate::reactor) fn check_queue(
        &self,
        room: usize,
        at: HandlerRef,
        event: &'static str,
    ) -> Result<(), PostError> {
        if self.queue.len() < room {
            return Ok(());
        }
        Err(PostError::QueueFull { session: self.kind_name(at), event })
    }

    /// The limit of the queue for yields and notices, which have no error to return.
    pub(in crate::reactor) fn queue_max_for_yields(&self) -> usize {
        self.limits.queue.saturating_mul(2)
    }

    /// Stores a payload until it is dispatched. O(1), no allocation once warm.
    pub(in crate::reactor) fn store_payload<P: 'static, R: 'static>(
        &mut self,
        at: HandlerRef,
        payload: P,
    ) -> u32 {
        let place = self.entry(at).store::<P, R>(payload);
        self.bursts.is_large |= is_beyond_block::<P>(place);
        place
    }

    pub(in crate::reactor) fn enqueue(
        &mut self,
        from: SessionId,
        to: SessionId,
        at: HandlerRef,
        payload: u32,
    ) {
        self.retain(to);
        self.retain(from);
        self.queue.reserve_one();
        self.queue.push_back(Queued::Post { from, to, at, payload });
    }

    pub(in crate::reactor) fn enqueue_notice(
        &mut self,
        from: SessionId,
        topic: u32,
        message: u32,
        upto: u64,
    ) {
        self.retain(from);
        self.queue.reserve_one();
        self.queue.push_back(Queued::Notice { from, topic, message, upto });
    }

    pub(in crate::reactor) fn dispatch(&mut self, queued: Queued) {
        match queued {
            Queued::Post { from, to, at, payload } => {
                self.run_stored(to, from, at, payload);
                self.release(to);
                self.release(from);
            }
            Queued::Notice { from, topic, message, upto } => {
                self.deliver_notice(from, topic, message, upto);
                self.release(from);
            }
        }
    }

    /// Runs a handler with a payload from its inbox.
    pub(in crate::reactor) fn run_stored(
        &mut self,
        to: SessionId,
        from: SessionId,
        at: HandlerRef,
        payload: u32,
    ) {
        let run = self.entry(at).run;
        match self.enter(to, from, at, |heap, cx| run(heap, cx, at, payload)) {
            Ok(()) => self.stats.dispatched += 1,
            Err(refusal) if refusal.is_panic() => {} // the panic has dropped the payload
            Err(_) => {
                self.stats.dead_letters += 1;
                self.discard(to, at, payload);
            }
        }
    }

    /// Drops a payload that no handler will get.
    pub(in crate::reactor) fn discard(&mut self, owner: SessionId, at: HandlerRef, payload: u32) {
        let discard = self.entry(at).discard;
        discard(self, owner, at, payload);
    }

    /// Empties the queue without running anything.
    pub(in crate::reactor) fn drop_queue(&mut self) {
        while let Some(queued) = self.queue.pop_front() {
            match queued {
                Queued::Post { from, to, at, payload } => {
                    self.stats.dead_letters += 1;
                    self.discard(to, at, payload);
                    self.release(to);
                    self.release(from);
                }
                Queued::Notice { from, topic, message, .. } => {
                    self.drop_notice(from, topic, message);
                    self.release(from);
                }
            }
        }
    }
}
