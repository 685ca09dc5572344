//! Wheels: sockets as events.
//!
//! A wheel belongs to the session that made it and is gone when that session stops. The session's
//! heap keeps a small handle that can be copied; a handle of a wheel that is gone does nothing.

mod connector;
mod crowd;
mod listener;
mod lookup;
mod read_write;
mod refusal;

pub use connector::{ConnectError, Connector, Target};
pub use listener::{Accepted, Counts, Listener, Overload};
pub use lookup::Lookup;
pub use read_write::{BrokenFilter, Ended, Put, ReadWrite};
