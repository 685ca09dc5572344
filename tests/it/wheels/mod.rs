//! Wheels as their users see them: on virtual time where the network in memory will do, and on the
//! system's sockets where it will not.

mod connector;
mod contract;
mod listener;
mod peers;
mod read_write;
mod system;
mod waking;
