//! Scenarios on virtual time, real sockets and real servers, in one binary.

mod kernel;
