//! A live performance dashboard: follows documents of CouchDB and answers thousands of browsers'
//! long polls the moment they change.
#![forbid(unsafe_code)]

mod access_log;
mod app;
mod browser;
mod coding;
mod command_line;
mod conditional;
mod console;
mod demo;
mod descriptors;
mod document;
mod embedded;
mod exposition;
mod feed;
mod files;
mod handed_over;
mod health;
mod metrics;
mod overview;
mod revisions;
mod site;
mod winner;
mod writer;

use app::App;
use command_line::{Command, Options, USAGE};
use console::Console;
use masque::reactor::Reactor;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc::channel;

fn main() -> ExitCode {
    let console = match Console::open() {
        Ok(console) => console,
        Err(error) => {
            // The only way left is one that may block.
            let _ = writeln!(io::stderr(), "dashboard: cannot write to stdout and stderr: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ending = Ending(console);
    let Ending(console) = &ending;
    match command_line::parse(lexopt::Parser::from_env()) {
        Ok(Command::Run(options)) => match run(*options, console) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                console.print_error(error);
                ExitCode::FAILURE
            }
        },
        Ok(Command::Help) => {
            console.print(USAGE.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            console.print(concat!("dashboard ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Err(error) => {
            console.print_error(format_args!("{error}; see dashboard --help"));
            ExitCode::from(2)
        }
    }
}

/// Serves until a signal or a fatal error.
fn run(options: Options, console: &Console) -> io::Result<()> {
    console.start_log(options.log);
    let limit = descriptors::raise();
    let capacity = descriptors::share(limit, options.couch.is_none()).map_err(io::Error::other)?;
    let handed =
        handed_over::socket().map_err(|error| io::Error::other(format!("LISTEN_FDS: {error}")))?;
    let mut reactor = Reactor::new()?;
    let (failure, failed) = channel();
    reactor.spawn(App::new(options, handed, capacity, console.clone(), failure));
    reactor.run()?;
    failed.try_recv().map_or(Ok(()), |why| Err(io::Error::other(why)))
}

/// Waits until all output is written, however the program ends.
struct Ending(Console);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.flush();
    }
}
