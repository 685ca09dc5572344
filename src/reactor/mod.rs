//! The kernel and what drives it: sessions, events, timers, aliases, watchers and wheels.
//!
//! Everything here follows POE's model, in types. [`Kernel`] says what happens in a turn,
//! [`Session`] what a program is made of, [`Cx`] what a handler can do. A [`Reactor`] runs a kernel
//! on the system, a [`Rig`] runs one on virtual time.

mod config;
mod cx;
mod driver;
mod error;
mod event;
mod histogram;
mod ids;
mod kernel;
mod log_limit;
mod net;
mod release;
mod rig;
mod run_error;
mod session;
mod shrink;
mod tables;
mod wheel;

pub use config::{Limits, PanicPolicy};
pub use cx::{Cx, Hold, Postback, Removed, Shift, TimerId};
pub use driver::Reactor;
pub use error::{AliasError, CallError, Missing, PostError, TimerError, To};
pub use event::{Event, Topic};
pub use histogram::Histogram;
pub use ids::SessionId;
pub use kernel::{Kernel, Stats, Wait};
pub use log_limit::{LeftOut, LogLimit};
#[cfg(feature = "tls")]
pub use net::Trust;
pub use net::{Endpoint, ListeningSocket, Readiness, Signal, Socket, TlsError};
pub use release::Permit;
pub use rig::Rig;
pub use run_error::RunError;
pub use session::{Handler, Handlers, Session, Unhandled};
pub use wheel::{Wheel, WheelCx, WheelEvent, WheelId};
