//! Signals of the process as events.

use crate::reactor::cx::Cx;
use crate::reactor::event::Event;
use crate::reactor::kernel::signals::SignalWatch;
use crate::reactor::net::{Net, Signal};
use std::io;

impl Cx<'_> {
    /// Posts each arrival of a signal of the process to this session as `event`, instead of the
    /// signal's default action (POE's `sig`). It does not keep the session alive. On a network in
    /// memory only a [`Rig`](crate::reactor::Rig) sends signals.
    ///
    /// # Errors
    /// If the system refuses, or the session has [stopped](Cx::stop).
    ///
    /// # Panics
    /// If this kind has no handler for the event.
    #[track_caller]
    pub fn signal(&mut self, signal: Signal, event: Event<Signal>) -> io::Result<()> {
        let Some(at) = self.mine(event) else {
            return Err(io::Error::other("the session has stopped"));
        };
        if let Net::System(sockets) = &mut self.kernel.net {
            sockets.watch_signal(signal)?;
        }
        let session = self.me;
        self.kernel.signals.retain(|watch| watch.session != session || watch.signal != signal);
        self.kernel.signals.push(SignalWatch { session, signal, at });
        Ok(())
    }
}
