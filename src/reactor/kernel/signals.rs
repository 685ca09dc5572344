//! The sessions that watch signals, and how a signal is posted to them.

use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::net::Signal;

/// A session that watches a signal.
#[derive(Debug)]
pub(in crate::reactor) struct SignalWatch {
    pub(in crate::reactor) session: SessionId,
    pub(in crate::reactor) signal: Signal,
    pub(in crate::reactor) at: HandlerRef,
}

impl Kernel {
    /// Posts a signal to all sessions that watch it, the latest watch first.
    pub fn raise(&mut self, signal: Signal) {
        let watching = self.signals.iter().filter(|watch| watch.signal == signal);
        let mut watching: Vec<_> = watching.map(|watch| (watch.session, watch.at)).collect();
        watching.reverse();
        for (session, at) in watching {
            let payload = self.store_payload::<Signal, ()>(at, signal);
            self.enqueue(SessionId::KERNEL, session, at, payload);
        }
    }
}
