//! The kernel and what drives it: sessions, events, timers, aliases, watchers and wheels.
//!
//! Everything here follows POE's model, in types. [`Kernel`] says what happens in a turn,
//! [`Session`] what a program is made of, [`Cx`] what a handler can do. A [`Reactor`] runs a kernel
//! on the system, a [`Rig`] runs one on virtual time.

mod cx;
mod driver;
mod error;
mod event;
mod histogram;
mod hold;
mod kernel;
mod lifetime;
mod log_limit;
mod memory;
mod mounts;
mod net;
mod options;
mod posting;
mod rig;
mod room;
mod run_error;
mod session;
mod shelf;
mod signal;
mod slots;
mod sockets;
mod sweep;
mod timers;
mod timing;
#[cfg(feature = "tls")]
mod tls;
mod tls_error;
mod transport;
mod watchers;
mod wheel;

pub use cx::Cx;
pub use driver::Reactor;
pub use error::{AliasError, CallError, Missing, PostError, TimerError, To};
pub use event::{Event, Topic};
pub use histogram::Histogram;
pub use hold::{Hold, Postback};
pub use kernel::{Kernel, Stats, Wait};
pub use lifetime::PanicPolicy;
pub use log_limit::{LeftOut, LogLimit};
pub use net::{Endpoint, ListeningSocket, Socket};
pub use rig::Rig;
pub use run_error::RunError;
pub use session::{Handler, Handlers, Session, SessionId, Unhandled};
pub use signal::Signal;
pub use timing::{Removed, Shift, TimerId};
#[cfg(feature = "tls")]
pub use tls::Trust;
pub use tls_error::TlsError;
pub use wheel::{Outlet, Permit, Ready, Wheel, WheelId};
