//! Signals of the process as events.

use super::cx::Cx;
use super::event::Event;
use super::kernel::Kernel;
use super::net::Net;
use super::session::{At, SessionId};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;

/// A signal that a session can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGTERM: end, please.
    Term,
    /// SIGHUP: read what you are configured by again.
    Hup,
    /// SIGUSR1: the program's own.
    Usr1,
}

impl Signal {
    const ALL: [Signal; 4] = [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1];

    pub(super) fn number(self) -> i32 {
        match self {
            Signal::Int => SIGINT,
            Signal::Term => SIGTERM,
            Signal::Hup => SIGHUP,
            Signal::Usr1 => SIGUSR1,
        }
    }

    pub(super) fn of_number(number: i32) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

/// Who is told of a signal.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) session: SessionId,
    signal: Signal,
    at: At,
}

impl Cx<'_> {
    /// Has a signal of the process posted to this session as `event`, in place of what it did
    /// before (POE's `sig`). It does not keep the session alive. On a network in memory there are
    /// no signals but those that a [`Rig`](super::Rig) sends.
    ///
    /// # Errors
    /// When the system refuses, or the session has [stopped](Cx::stop).
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn signal(&mut self, signal: Signal, event: Event<Signal>) -> io::Result<()> {
        let Some(at) = self.mine(event) else {
            return Err(io::Error::other("the session has stopped"));
        };
        if let Net::System(sockets) = &mut self.kernel.net {
            sockets.hear(signal)?;
        }
        let session = self.me;
        self.kernel.signals.retain(|watch| watch.session != session || watch.signal != signal);
        self.kernel.signals.push(Watch { session, signal, at });
        Ok(())
    }
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
