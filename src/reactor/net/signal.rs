//! Signals of the process.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// A signal that a session can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGTERM: a request to end.
    Term,
    /// SIGHUP: a request to read the configuration again.
    Hup,
    /// SIGUSR1: the program decides its meaning.
    Usr1,
}

impl Signal {
    const ALL: [Signal; 4] = [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1];

    pub(in crate::reactor) fn number(self) -> i32 {
        match self {
            Signal::Int => SIGINT,
            Signal::Term => SIGTERM,
            Signal::Hup => SIGHUP,
            Signal::Usr1 => SIGUSR1,
        }
    }

    pub(in crate::reactor) fn of_number(number: i32) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.number() == number)
    }
}
