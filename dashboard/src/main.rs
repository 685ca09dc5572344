//! A live performance dashboard: follows documents of CouchDB and answers thousands of browsers'
//! long polls the moment they change.
#![forbid(unsafe_code)]

mod app;
mod browser;
mod command_line;
mod couch;
mod embedded;
mod figures;
mod files;
mod overview;
mod say;
mod site;

use command_line::{Command, USAGE};
use masque::reactor::Reactor;
use say::{complain, say};
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
        let mut reactor = Reactor::new()?;
        reactor.spawn(app::App::new(*options));
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
