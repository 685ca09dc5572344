//! The dashboard that is soaked, with the database that it brings.

use super::figures::Figures;
use super::wire::Wire;
use crate::run::{Failure, program, target};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::{fs, io};

/// The document that the soak changes; `overview` moves by itself.
pub(super) const DOCUMENT: &str = "board";

/// A running dashboard. Dropping it kills it, by its own handle.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Where the database is, and its path.
    pub(super) couch: (SocketAddr, String),
    child: Mutex<Child>,
    process: u32,
}

impl Server {
    /// Starts one whose polls are held for five seconds.
    pub(super) fn start() -> Result<Server, Failure> {
        let path = target().join("debug/dashboard");
        let mut command = Command::new(&path);
        command.args(["--listen", "127.0.0.1:0", "--long-poll", "5", "--log", "warn"]);
        command.args(["--doc", "overview", "--doc", DOCUMENT]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error| Failure(format!("{} cannot be started: {error}", path.display()));
        let mut child = command.spawn().map_err(failed)?;
        let mut said = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let process = child.id();
        // From here on it is ended when this function fails.
        let mut server = Server {
            address: ([127, 0, 0, 1], 0).into(),
            couch: (([127, 0, 0, 1], 0).into(), String::new()),
            child: Mutex::new(child),
            process,
        };
        server.couch = place(&mut said, "embedded CouchDB at http://")?;
        server.address = place(&mut said, "dashboard at http://")?.0;
        Ok(server)
    }

    /// The figures as they are now.
    pub(super) fn figures(&self) -> Result<Figures, Failure> {
        self.read_figures().map_err(|error| Failure(format!("no figures: {error}")))
    }

    fn read_figures(&self) -> io::Result<Figures> {
        let mut wire = Wire::open(self.address)?;
        wire.ask("/metrics")?;
        let page = wire.answer()?;
        let folder = format!("/proc/{}", self.process);
        // The connection that asks is left out.
        let descriptors = fs::read_dir(format!("{folder}/fd"))?.count() - 1;
        let status = fs::read_to_string(format!("{folder}/status"))?;
        Figures::new(&String::from_utf8_lossy(&page.body), &status, descriptors)
    }

    /// Has it end, which must be a success; what it complained of in its time.
    pub(super) fn end(self) -> Result<String, Failure> {
        program(Path::new("kill"), &format!("-s TERM {}", self.process)).run()?;
        let mut child = self.child.lock().expect("nobody panics with it");
        let mut log = String::new();
        let mut stderr = child.stderr.take().expect("it is a pipe");
        let ended = stderr.read_to_string(&mut log).and_then(|_| child.wait());
        match ended {
            Ok(status) if status.success() => Ok(log),
            Ok(status) => Err(Failure(format!("the server ended with {status}: {log}"))),
            Err(error) => Err(Failure(format!("the server did not end: {error}"))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().expect("nobody panics with it");
        // It may have ended by itself, and that is what is wanted.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// An address that the program tells in a line of its own.
fn place(said: &mut BufReader<ChildStdout>, prefix: &str) -> Result<(SocketAddr, String), Failure> {
    let mut line = String::new();
    said.read_line(&mut line).map_err(|error| Failure(error.to_string()))?;
    let place = line.trim().strip_prefix(prefix).and_then(|rest| {
        let (address, path) = rest.split_once('/')?;
        Some((address.parse().ok()?, format!("/{path}")))
    });
    place.ok_or_else(|| Failure(format!("the server said {line:?} for {prefix:?}")))
}
