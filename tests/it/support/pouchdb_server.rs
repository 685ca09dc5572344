//! `pouchdb-server`: the API of `CouchDB` as others wrote it, in memory.

use super::PATIENCE;
use super::folder::Folder;
use super::node::node;
use super::process::Program;

/// A running server, on a port that the system picked.
#[derive(Debug)]
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`, with no slash at its end.
    pub(crate) url: String,
    pub(crate) port: u16,
    program: Program,
    folder: Folder,
}

/// Starts one, without a database in it.
#[track_caller]
pub(crate) fn start() -> Server {
    let folder = Folder::new("pouchdb-server");
    let (program, port) = listen(0, &folder);
    Server { url: format!("http://127.0.0.1:{port}"), port, program, folder }
}

impl Server {
    /// Ends it at once, as a crash would: its connections are reset or closed by the system.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Ends it, if it runs, and starts it again at the same address; its databases are gone.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.kill();
        (self.program, _) = listen(self.port, &self.folder);
    }
}

#[track_caller]
fn listen(port: u16, folder: &Folder) -> (Program, u16) {
    let mut command = node("pouchdb-server.mjs");
    let mut program = Program::start(command.arg(port.to_string()).current_dir(folder.path()));
    let line = program.wait_for_line("listening on ", PATIENCE);
    let port = line["listening on ".len()..].parse().expect("a port follows");
    (program, port)
}
