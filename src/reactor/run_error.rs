//! Essential sessions: a program ends if one of them panics.

use crate::reactor::cx::Cx;
use crate::reactor::ids::SessionId;
use crate::reactor::kernel::Kernel;
use std::fmt;

/// Why a kernel ended although nothing asked it to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// An [essential](Cx::mark_essential) session ended by a panic.
    Panicked {
        /// The session's kind.
        session: &'static str,
        /// The session.
        id: SessionId,
        /// The event that it was handling; `_start`, `_stop` and `_wheel` as in [`Cx::event`].
        event: &'static str,
        /// The message of the panic.
        message: Box<str>,
    },
    /// A session had ended before it was marked as essential.
    Ended {
        /// The session.
        id: SessionId,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Panicked { session, id, event, message } => {
                write!(
                    f,
                    "`{session}` ({id}), which is essential, panicked in `{event}`: {message}"
                )
            }
            RunError::Ended { id } => write!(f, "{id} ended before it was marked as essential"),
        }
    }
}

impl std::error::Error for RunError {}

impl Cx<'_> {
    /// Makes a panic that ends this session the end of the kernel: every session is stopped, and
    /// the driver's `run` returns a [`RunError`]. A panic of any other session still ends only that
    /// session, and a panic that is contained, such as that of a server for one client, ends none.
    ///
    /// A program marks the sessions that all others depend on. If one of them has panicked, the
    /// rest of the program is useless, and a supervisor starts the process again only after it has
    /// ended. If the session has ended already, the kernel ends as well. A session may mark itself.
    ///
    /// O(1).
    pub fn mark_essential(&mut self, id: SessionId) {
        match self.kernel.slots.find(id) {
            Some(slot) => slot.is_essential = true,
            None => self.kernel.fail(RunError::Ended { id }),
        }
    }
}

impl Kernel {
    /// Returns why the kernel is ending, or has ended, without a request: an
    /// [essential](Cx::mark_essential) session panicked. `None` otherwise.
    pub fn failure(&self) -> Option<&RunError> {
        self.failure.as_ref()
    }

    /// Ends every session because of an error. The first error is kept: later ones follow from it.
    pub(super) fn fail(&mut self, error: RunError) {
        self.failure.get_or_insert(error);
        self.stop();
    }

    /// Takes the failure of a kernel that has ended, so that it can run again with new sessions.
    pub(super) fn take_failure(&mut self) -> Option<RunError> {
        let failure = self.failure.take();
        if failure.is_some() {
            self.ending = false;
        }
        failure
    }
}
