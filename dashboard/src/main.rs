//! A live performance dashboard: follows documents of CouchDB and answers thousands of browsers'
//! long polls the moment they change.
#![forbid(unsafe_code)]

mod access_log;
mod app;
mod browser;
mod coding;
mod command_line;
mod conditional;
mod couch;
mod document;
mod embedded;
mod exposition;
mod feed;
mod figures;
mod files;
mod handed_over;
mod health;
mod metrics;
mod overview;
mod percent;
mod say;
mod site;
mod winner;

use command_line::{Command, USAGE};
use masque::reactor::Reactor;
use say::{complain, say};
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match command_line::parse(lexopt::Parser::from_env()) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            say(USAGE.trim_end());
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            say(concat!("dashboard ", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain(format_args!("{error}; see dashboard --help"));
            return ExitCode::from(2);
        }
    };
    env_logger::Builder::new().filter_level(options.log).init();
    let run = || {
        let handed = handed_over::socket()
            .map_err(|error| io::Error::other(format!("LISTEN_FDS: {error}")))?;
        let mut reactor = Reactor::new()?;
        reactor.spawn(app::App::new(*options, handed));
        reactor.run()
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
