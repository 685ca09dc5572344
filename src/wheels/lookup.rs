//! Name lookup that does not block the loop.

use crate::reactor::{Cx, Endpoint, Event, Readiness, Wheel, WheelCx, WheelEvent, WheelId};
use std::convert::Infallible;
use std::io;

/// Looks up a host name in another thread, delivers the result once, and is then unmounted.
///
/// [`Connector`](super::Connector) does this itself. Use this wheel if you need the addresses.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    id: WheelId<LookupState>,
}

#[derive(Debug)]
pub(super) struct LookupState {
    refused: Option<io::Error>,
    found: WheelEvent<io::Result<Vec<Endpoint>>>,
}

impl Lookup {
    /// Looks up `host` with the system's resolver. Its addresses, each with `port` and in the
    /// resolver's order, are delivered as `found`, never before this returns.
    ///
    /// # Panics
    /// If the session's kind has no handler for the event.
    #[track_caller]
    pub fn new(
        cx: &mut Cx<'_>,
        host: &str,
        port: u16,
        found: Event<io::Result<Vec<Endpoint>>>,
    ) -> Self {
        let found = cx.wheel_event(found);
        let Ok(id) = cx.mount(|cx, id| {
            let refused = id.resolve_host(cx, host, port).err();
            if refused.is_some() {
                id.again(cx);
            }
            Ok::<_, Infallible>(LookupState { refused, found })
        });
        Lookup { id }
    }

    /// Stops the lookup. Nothing is delivered.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }
}

impl Wheel for LookupState {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, _: Readiness) {
        let me = cx.wheel();
        let resolved = me.resolved(cx);
        let Some(state) = me.state(cx) else { return };
        let Some(result) = resolved.or(state.refused.take().map(Err)) else { return };
        let found = state.found;
        me.unmount(cx);
        cx.deliver(found, result);
    }
}
