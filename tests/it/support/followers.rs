//! Other people's clients, following a database and storing documents in it.

use super::PATIENCE;
use super::node::node;
use super::process::Program;

/// Starts `client` (`pouchdb` or `nano`) on the database at this address and waits until it
/// follows: every change from now on is a line `{"id":ID,"rev":REV,"doc":DOC}` of its stdout.
///
/// A document [said](Program::say) to it is stored, and a line `stored ID REV` says so.
#[track_caller]
pub(crate) fn follow(client: &str, database: &str) -> Program {
    let mut follower = Program::start(node(&format!("follow-{client}.mjs")).arg(database));
    follower.wait_for_line("ready", PATIENCE);
    follower
}
