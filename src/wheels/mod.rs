//! Wheels: sockets as events.
//!
//! A wheel belongs to the session that created it, and is unmounted when that session stops. The
//! session's heap stores a small handle, which can be copied. A handle of an unmounted wheel does
//! nothing.

mod connector;
mod listener;
mod lookup;
mod per_address;
mod read_write;
mod refused_client;

pub use connector::{ConnectError, Connector, Target};
pub use listener::{Accepted, Counts, Listener, Overload};
pub use lookup::Lookup;
pub use read_write::{BrokenFilter, Ended, Put, ReadWrite};
