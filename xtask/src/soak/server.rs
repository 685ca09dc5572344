//! The dashboard that is soaked, and the database that it follows: the embedded one of a second
//! dashboard, behind a relay that closes every connection now and then.

use super::figures::Figures;
use super::relay;
use super::wire::Wire;
use crate::run::{Failure, program, target};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// The time in which the dashboard must have its documents.
const START_TIME: Duration = Duration::from_secs(20);

/// Text of the log lines that report a disconnected feed: the relay disconnects it on purpose.
const CUT_IS_LOGGED: &str = "retrying in";

/// The document that the soak changes; `overview` moves by itself.
pub(super) const DOCUMENT: &str = "board";

/// A running dashboard. Dropping it kills it and its database, by their own handles.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The address of the database, without the relay, and its path.
    pub(super) couch: (SocketAddr, String),
    program: Program,
    _source: Program,
}

/// A child that is killed when this is dropped.
#[derive(Debug)]
struct Program(Child);

impl Server {
    /// Starts one whose polls are held for five seconds, from the build of this `profile`.
    pub(super) fn start(profile: &str) -> Result<Server, Failure> {
        let path = target().join(profile).join("dashboard");
        let (source, mut said) = Program::start(&path, &[])?;
        let couch = place(&mut said, "embedded CouchDB at http://")?;
        let failed = |error| Failure(format!("the relay cannot listen: {error}"));
        let relay = relay::start(couch.0).map_err(failed)?;

        let url = format!("http://{relay}{}", couch.1);
        let options = ["--couch", &url, "--long-poll", "5", "--retry-cap", "1"];
        let documents = ["--doc", "overview", "--doc", DOCUMENT];
        let (program, mut said) = Program::start(&path, &[&options[..], &documents].concat())?;
        let (address, _) = place(&mut said, "dashboard at http://")?;
        let server = Server { address, couch, program, _source: source };
        server.await_documents()?;
        Ok(server)
    }

    fn await_documents(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure(format!("no document: {error}"));
        let end = Instant::now() + START_TIME;
        loop {
            let mut wire = Wire::open(self.address).map_err(failed)?;
            wire.ask("/overview").map_err(failed)?;
            let status = wire.answer().map_err(failed)?.status;
            if status == 200 {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure(format!("the document is {status} after {START_TIME:?}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The figures as they are now.
    pub(super) fn figures(&self) -> Result<Figures, Failure> {
        self.read_figures().map_err(|error| Failure(format!("no figures: {error}")))
    }

    fn read_figures(&self) -> io::Result<Figures> {
        let mut wire = Wire::open(self.address)?;
        wire.ask("/metrics")?;
        let page = wire.answer()?;
        let folder = format!("/proc/{}", self.program.0.id());
        // The connection that asks is left out.
        let descriptors = fs::read_dir(format!("{folder}/fd"))?.count() - 1;
        let status = fs::read_to_string(format!("{folder}/status"))?;
        Figures::new(&String::from_utf8_lossy(&page.body), &status, descriptors)
    }

    /// Ends it, which must be a success, and returns what it complained of in its time.
    pub(super) fn end(mut self) -> Result<String, Failure> {
        program(Path::new("kill"), &format!("-s TERM {}", self.program.0.id())).run()?;
        let mut log = String::new();
        let mut stderr = self.program.0.stderr.take().expect("it is a pipe");
        let ended = stderr.read_to_string(&mut log).and_then(|_| self.program.0.wait());
        match ended {
            Ok(status) if status.success() => Ok(complaints(&log)),
            Ok(status) => Err(Failure(format!("the server ended with {status}: {log}"))),
            Err(error) => Err(Failure(format!("the server did not end: {error}"))),
        }
    }
}

/// The lines of a log, without the expected ones.
fn complaints(log: &str) -> String {
    log.lines().filter(|line| !line.contains(CUT_IS_LOGGED)).collect::<Vec<_>>().join("\n")
}

impl Program {
    fn start(path: &Path, options: &[&str]) -> Result<(Program, BufReader<ChildStdout>), Failure> {
        let mut command = Command::new(path);
        command.args(["--listen", "127.0.0.1:0", "--log", "warn"]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error| Failure(format!("{} cannot be started: {error}", path.display()));
        let mut child = command.spawn().map_err(failed)?;
        let said = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Ok((Program(child), said))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address that the program prints in its own line.
fn place(said: &mut BufReader<ChildStdout>, prefix: &str) -> Result<(SocketAddr, String), Failure> {
    let mut line = String::new();
    said.read_line(&mut line).map_err(|error| Failure(error.to_string()))?;
    let place = line.trim().strip_prefix(prefix).and_then(|rest| {
        let (address, path) = rest.split_once('/')?;
        Some((address.parse().ok()?, format!("/{path}")))
    });
    place.ok_or_else(|| Failure(format!("the server said {line:?} for {prefix:?}")))
}
