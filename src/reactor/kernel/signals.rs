//! Which sessions watch signals, and how one is posted to them.

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
    /// Posts a signal to everyone who watches it, the newest session first.
    pub fn raise(&mut self, signal: Signal) {
        let watching = self.signals.iter().filter(|watch| watch.signal == signal);
        let mut watching: Vec<_> = watching.map(|watch| (watch.session, watch.at)).collect();
        watching.reverse();
        for (session, at) in watching {
            let payload = self.keep::<Signal, ()>(at, signal);
            self.enqueue(SessionId::KERNEL, session, at, payload);
        }
    }
}
