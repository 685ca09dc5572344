//! The program under test, each time a process of its own at a port of its own.

use crate::support::http::{self, Connection, Reply};
use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A dashboard that listens.
#[derive(Debug)]
pub(super) struct Dashboard {
    /// `http://127.0.0.1:PORT`, with no slash at its end.
    pub(super) url: String,
    /// The embedded database, if the program follows that.
    pub(super) couch: Option<String>,
    /// The line that it prints to be pasted into a shell, if it prints one.
    pub(super) curl: Option<String>,
    pub(super) program: Program,
}

/// The dashboard, not yet running. Cargo does not build it for a test of another package.
#[track_caller]
pub(super) fn command() -> Command {
    let test = std::env::current_exe().expect("the system knows the running program");
    let path = test.ancestors().nth(2).map(|folder| folder.join("dashboard"));
    let path = path.filter(|path| path.is_file());
    Command::new(path.expect("the dashboard is built: cargo build --workspace --bins"))
}

/// Starts one that follows the embedded database, where `overview` moves by itself and every other
/// document changes only when a test changes it.
#[track_caller]
pub(super) fn start(arguments: &[&str]) -> Dashboard {
    let mut command = command();
    let mut program = Program::start(command.args(["--listen", "127.0.0.1:0"]).args(arguments));
    let couch = program.wait_for_line("embedded CouchDB at ", PATIENCE);
    let couch = couch["embedded CouchDB at ".len()..].to_owned();
    let url = listening(&mut program);
    let curl = program.heard().iter().rev().find(|line| line.starts_with("curl ")).cloned();
    Dashboard { url, couch: Some(couch), curl, program }
}

/// Starts one that follows this database.
#[track_caller]
pub(super) fn follow(couch: &str, arguments: &[&str]) -> Dashboard {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--couch", couch]).args(arguments);
    let mut program = Program::start(&mut command);
    let url = listening(&mut program);
    Dashboard { url, couch: None, curl: None, program }
}

/// Starts one with the document `board` of this JSON text, and waits until it is served.
#[track_caller]
pub(super) fn with_board(json: &str, arguments: &[&str]) -> (Dashboard, String) {
    let dashboard = start(&[&["--doc", "board"], arguments].concat());
    let rev = dashboard.store("board", json);
    dashboard.wait_for("board", &rev);
    (dashboard, rev)
}

#[track_caller]
fn listening(program: &mut Program) -> String {
    let line = program.wait_for_line("dashboard at http://", PATIENCE);
    line["dashboard at ".len()..].trim_end_matches('/').to_owned()
}

impl Dashboard {
    /// `127.0.0.1:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.url["http://".len()..]
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Reply {
        http::get(&format!("{}{path}", self.url))
    }

    /// Asks with this method.
    #[track_caller]
    pub(super) fn ask(&self, method: &str, path: &str) -> Reply {
        let reply = http::request(method, &format!("{}{path}", self.url), &[], b"");
        reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Stores a document in the embedded database, replacing the current one. Returns its new
    /// revision.
    #[track_caller]
    pub(super) fn store(&self, id: &str, json: &str) -> String {
        store(self.couch.as_ref().expect("it has one"), id, json)
    }

    /// Waits until `id` is served at this revision as the current one. A document is served before
    /// the feed has begun, and a poll that waits by then is answered when it begins.
    #[track_caller]
    pub(super) fn wait_for(&self, id: &str, rev: &str) {
        let path = format!("/{id}");
        wait_until(PATIENCE, || {
            let reply = self.get(&path);
            tag(&reply) == rev && reply.header("Feed-State") == Some("following")
        });
    }

    /// A connection on which a poll waits that knows `rev`.
    #[track_caller]
    pub(super) fn park(&self, id: &str, rev: &str) -> Connection {
        let mut connection = self.connect();
        self.send(&mut connection, &format!("/{id}/{rev}"));
        self.catch_up();
        assert!(connection.is_silent().expect("it stays open"), "the poll waits");
        connection
    }

    #[track_caller]
    pub(super) fn connect(&self) -> Connection {
        Connection::open(self.address()).expect("it listens")
    }

    /// Sends a GET and does not wait for the answer.
    #[track_caller]
    pub(super) fn send(&self, connection: &mut Connection, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address());
        connection.send(request.as_bytes()).expect("it reads");
    }

    /// Returns when everything sent before has been read: the program has one loop, and serves a
    /// new connection after the old ones.
    #[track_caller]
    pub(super) fn catch_up(&self) {
        assert_eq!(self.get("/favicon.ico").status, 200);
    }

    /// How many descriptors the process has.
    #[track_caller]
    pub(super) fn descriptors(&self) -> usize {
        let folder = PathBuf::from(format!("/proc/{}/fd", self.program.id()));
        folder.read_dir().expect("it runs").count()
    }

    /// The number of its descriptors when no client, or no further one, is connected. It has
    /// noticed all departures when it answers a later request on a connection that stays.
    #[track_caller]
    pub(super) fn descriptors_at_rest(&self) -> usize {
        let mut stays = self.connect();
        self.send(&mut stays, "/favicon.ico");
        assert_eq!(answer(&mut stays).status, 200);
        self.descriptors() - 1
    }

    /// Waits until it has no more descriptors than this: a closed connection is gone a little
    /// later.
    #[track_caller]
    pub(super) fn wait_for_descriptors(&self, most: usize) {
        wait_until(PATIENCE, || self.descriptors() <= most);
    }
}

/// Stores a document in a database, replacing the current one. Returns its new revision.
#[track_caller]
pub(super) fn store(database: &str, id: &str, json: &str) -> String {
    let url = format!("{database}/{id}");
    let current = http::get(&url);
    let url = match current.status {
        // Not every server tags a document with its revision.
        200 => format!("{url}?rev={}", current.json()["_rev"].as_str().expect("a revision")),
        _ => url,
    };
    let stored = http::put(&url, json);
    assert_eq!(stored.status, 201, "{}", stored.text());
    stored.json()["rev"].as_str().expect("a revision").to_owned()
}

/// Deletes a document of a database.
#[track_caller]
pub(super) fn delete(database: &str, id: &str, rev: &str) {
    let reply = http::request("DELETE", &format!("{database}/{id}?rev={rev}"), &[], b"");
    assert_eq!(reply.expect("it answers").status, 200);
}

/// The revision that an answer is tagged with; nothing when there is none.
pub(super) fn tag(reply: &Reply) -> &str {
    reply.header("ETag").unwrap_or_default().trim_matches('"')
}

/// The answer that a poll must get now.
#[track_caller]
pub(super) fn answer(connection: &mut Connection) -> Reply {
    connection.reply(PATIENCE).expect("the poll is answered")
}

/// How a run came out that ends by itself: its status, and the lines of stdout and stderr.
#[track_caller]
pub(super) fn outcome(arguments: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let mut program = Program::start(command().args(arguments));
    let status = program.wait_for_end(PATIENCE);
    let log = program.log().lines().map(str::to_owned).collect();
    (status.code(), program.unheard(), log)
}

/// Long enough for a poll that must not be answered meanwhile.
pub(super) const FOR_EVER: [&str; 2] = ["--long-poll", "3600"];

/// Where the repository's files are.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
