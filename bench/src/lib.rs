//! The benchmark: the dashboard compared with others that do its job, on one machine and in one
//! run.
//!
//! A server has one core and the load another. Every reply is read whole and compared. The figures
//! of a server are its own account with the system: nanoseconds on a core, bytes of memory.

pub mod account;
pub mod asking;
pub mod contestants;
pub mod feeder;
pub mod line;
pub mod load;
pub mod machine;
pub mod measures;
pub mod micro;
pub mod plan;
pub mod plot;
pub mod reply;
pub mod report;
pub mod spread;
pub mod sys;

use std::fmt;

/// Why the benchmark ended, in one line.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(error.to_string())
    }
}
