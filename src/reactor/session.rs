//! Sessions: the trait of a kind of session, and the table of its handlers.

use crate::reactor::cx::Cx;
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::shrink::ShrinkableTable;
use slab::Slab;
use std::any::{Any, type_name};
use std::fmt;
use std::marker::PhantomData;

/// A kind of session: the implementing type is the heap, `events` its table of handlers.
///
/// A handler gets the session's state and the kernel as two separate `&mut`, so nothing is shared
/// and no borrow is checked at run time. The kernel lends the heap to the handler. A reference that
/// must live longer than the handler is an id.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Session};
///
/// struct Counter { count: u32 }
///
/// impl Counter {
///     const ADD: Event<u32, u32> = Event::new("counter.add");
///
///     fn add(&mut self, _: &mut Cx<'_>, n: u32) -> u32 {
///         self.count += n;
///         self.count
///     }
/// }
///
/// impl Session for Counter {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::ADD, Self::add);
///     }
/// }
/// ```
pub trait Session: Sized + 'static {
    /// Registers the handlers. It is called once for each kind, not for each session.
    fn events(on: &mut Handlers<Self>);

    /// Runs inside `spawn`, before anything else of this session (POE's `_start`).
    fn started(&mut self, _cx: &mut Cx<'_>) {}

    /// Runs when the session ends, while it still has its wheels, timers and aliases (POE's
    /// `_stop`).
    ///
    /// Posts to other sessions are sent; posts to itself are dropped.
    fn stopped(&mut self, _cx: &mut Cx<'_>) {}
}

/// A handler: a method, or a closure that captures nothing, because state belongs into the heap.
pub type Handler<H, P, R = ()> = fn(&mut H, &mut Cx<'_>, P) -> R;

/// The handlers of a kind of session, as [`Session::events`] registers them.
pub struct Handlers<H> {
    table: Vec<Entry>,
    fallback: Option<u32>,
    heap: PhantomData<fn(H)>,
}

impl<H: 'static> Handlers<H> {
    /// Runs `handler` for `event`, posted or called.
    ///
    /// # Panics
    /// If the kind has a handler for an event of that name already.
    #[track_caller]
    pub fn on<P: 'static, R: 'static>(
        &mut self,
        event: Event<P, R>,
        handler: Handler<H, P, R>,
    ) -> &mut Self {
        if let Some(other) = self.table.iter().find(|entry| entry.key == event.key()) {
            panic!("`{}` and `{}` clash in `{}`", other.name, event.name(), type_name::<H>());
        }
        self.table.push(Entry::of(event, handler));
        self
    }

    /// Runs `handler` for all posts that have no other handler (POE's `_default`).
    ///
    /// A call without a handler still fails, because a default handler has no reply.
    ///
    /// # Panics
    /// If the kind has a default handler already.
    #[track_caller]
    pub fn default(&mut self, handler: Handler<H, Unhandled>) -> &mut Self {
        assert!(self.fallback.is_none(), "`{}` has two default handlers", type_name::<H>());
        self.fallback = Some(self.table.len() as u32);
        self.on(Event::new("_default"), handler)
    }
}

impl<H> fmt::Debug for Handlers<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table.iter().map(|entry| entry.name)).finish()
    }
}

/// An event that came to a default handler.
#[derive(Debug)]
pub struct Unhandled {
    /// The event's name.
    pub event: &'static str,
    /// Its payload.
    pub payload: Box<dyn Any>,
}

/// A kind of session as the kernel knows it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) table: Vec<Entry>,
    /// The entries' keys, next to each other, because each post searches them.
    pub(super) keys: Vec<u64>,
    pub(super) fallback: Option<u32>,
    pub(super) stopped: fn(&mut dyn Any, &mut Cx<'_>),
}

impl Kind {
    pub(super) fn of<H: Session>() -> Self {
        let mut on = Handlers::<H> { table: vec![], fallback: None, heap: PhantomData };
        H::events(&mut on);
        Kind {
            name: type_name::<H>(),
            keys: on.table.iter().map(|entry| entry.key).collect(),
            table: on.table,
            fallback: on.fallback,
            stopped: |heap, cx| heap.downcast_mut::<H>().expect(ONE_HEAP).stopped(cx),
        }
    }
}

/// One handler, with its types erased, and the payloads that wait for it.
///
/// There is a typed slab of payloads for each kind and event. A post allocates nothing once the
/// slab is warm. The type is checked when the event is posted, so a dispatch cannot fail.
pub(super) struct Entry {
    pub(super) key: u64,
    pub(super) name: &'static str,
    pub(super) types: &'static str,
    handler: Box<dyn Any>,
    inbox: Box<dyn Any>,
    /// Runs the handler with the payload at this index of the inbox.
    pub(super) run: fn(&mut dyn Any, &mut Cx<'_>, HandlerRef, u32),
    /// Runs the handler with the payload of a `(Option<P>, Option<R>)`, and stores the reply in it.
    pub(super) call: fn(&mut dyn Any, &mut Cx<'_>, HandlerRef, &mut dyn Any),
    /// Drops the payload at this index of the inbox, as the session that it belongs to.
    pub(super) discard: fn(&mut Kernel, SessionId, HandlerRef, u32),
    /// Releases the inbox's capacity that is not needed.
    pub(super) shrink: fn(&mut Entry),
    /// Releases what a burst took; see [`ShrinkableTable::tidy`].
    pub(super) tidy: fn(&mut Entry) -> bool,
}

struct Inbox<P, R> {
    payloads: Slab<P>,
    reply: PhantomData<fn() -> R>,
}

const ONE_HEAP: &str = "a kind has one heap type";
const SET_BY_ON: &str = "its types were set by Handlers::on";

impl Entry {
    fn of<H: 'static, P: 'static, R: 'static>(
        event: Event<P, R>,
        handler: Handler<H, P, R>,
    ) -> Self {
        Entry {
            key: event.key(),
            name: event.name(),
            types: type_name::<(P, R)>(),
            handler: Box::new(handler),
            inbox: Box::new(Inbox::<P, R> { payloads: Slab::new(), reply: PhantomData }),
            run: |heap, cx, at, payload| {
                let entry = cx.kernel.entry(at);
                let handler = entry.handler::<H, P, R>();
                let payload = entry.inbox::<P, R>().remove(payload as usize);
                handler(heap.downcast_mut().expect(ONE_HEAP), cx, payload);
            },
            call: |heap, cx, at, slot| {
                let handler = cx.kernel.entry(at).handler::<H, P, R>();
                let (payload, reply) =
                    slot.downcast_mut::<(Option<P>, Option<R>)>().expect(SET_BY_ON);
                let heap = heap.downcast_mut().expect(ONE_HEAP);
                *reply = Some(handler(heap, cx, payload.take().expect("the caller filled it")));
            },
            discard: |kernel, owner, at, payload| {
                // It is taken out of the kernel first, because dropping it runs the program's code.
                let payload = kernel.entry(at).take::<P, R>(payload);
                if std::mem::needs_drop::<P>() {
                    kernel.dropping(owner, |_| drop(payload));
                }
            },
            shrink: |entry| entry.inbox::<P, R>().shrink_to_fit(),
            tidy: |entry| entry.inbox::<P, R>().tidy(),
        }
    }

    fn handler<H: 'static, P: 'static, R: 'static>(&self) -> Handler<H, P, R> {
        *self.handler.downcast_ref().expect(SET_BY_ON)
    }

    fn inbox<P: 'static, R: 'static>(&mut self) -> &mut Slab<P> {
        &mut self.inbox.downcast_mut::<Inbox<P, R>>().expect(SET_BY_ON).payloads
    }

    /// Returns true if the handler takes a `P` and returns an `R`.
    pub(super) fn takes<P: 'static, R: 'static>(&self) -> bool {
        self.inbox.is::<Inbox<P, R>>()
    }

    /// Stores `payload` until it is dispatched. O(1), no allocation once warm.
    pub(super) fn store<P: 'static, R: 'static>(&mut self, payload: P) -> u32 {
        self.inbox::<P, R>().insert(payload) as u32
    }

    /// Removes a stored payload.
    pub(super) fn take<P: 'static, R: 'static>(&mut self, payload: u32) -> P {
        self.inbox::<P, R>().remove(payload as usize)
    }
}
