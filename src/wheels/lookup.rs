//! Looking up names without waiting for the answer.

use crate::reactor::{Cx, Endpoint, Event, Readiness, Wheel, WheelCx, WheelEvent, WheelId};
use std::convert::Infallible;
use std::io;

/// Looks up a host off the loop's thread and then is gone: it tells its session once what was
/// found.
///
/// [`Connector`](super::Connector) does this by itself; this is for who wants the addresses.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    id: WheelId<State>,
}

#[derive(Debug)]
pub(super) struct State {
    refused: Option<io::Error>,
    found: WheelEvent<io::Result<Vec<Endpoint>>>,
}

impl Lookup {
    /// Looks up `host` by the system's resolver. Its addresses, each with `port` and in the
    /// resolver's order, come as `found`, never before this returns.
    ///
    /// # Panics
    /// When the session's kind has no handler for the event.
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
            Ok::<_, Infallible>(State { refused, found })
        });
        Lookup { id }
    }

    /// Gives up without a word.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }
}

impl Wheel for State {
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
