//! Places that the program writes to and that take nothing: a pipe that is not read, a FIFO without
//! a reader, a full disk. None of them stops it.

use super::program;
use super::tools::figure;
use crate::support::folder::Folder;
use crate::support::process::Program;
use crate::support::{PATIENCE, http, wait_until};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A pipe that is full: whatever is written to it waits until it is read. It holds 64 KiB.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("the system has two descriptors");
    writer.write_all(&vec![b'.'; 64 * 1024]).expect("there is room for as much");
    (reader, writer)
}

/// An address at which nothing listened a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    listener.local_addr().expect("it is bound").to_string()
}

/// A dashboard that is killed when this is dropped, by its own handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "it runs");
    }

    #[track_caller]
    fn wait_for_end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until(PATIENCE, || {
            status = self.0.try_wait().expect("it is our own program");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

fn is_served(address: &str) -> bool {
    let icon = format!("http://{address}/favicon.ico");
    http::request("GET", &icon, &[], b"").is_ok_and(|reply| reply.status == 200)
}

#[test]
fn a_log_that_is_not_read_stopped_everything_and_sigterm_did_nothing() {
    let (mut unread, stderr) = full_pipe();
    let address = free_address();
    let arguments = ["--listen", &address, "--log", "trace", "--long-poll", "0.1"];
    let mut command = program::command();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut running = Running(command.spawn().expect("it is built"));
    drop(command); // which has the pipe too
    wait_until(PATIENCE, || is_served(&address));
    for _ in 0..20 {
        running.signal("USR1");
        assert!(is_served(&address));
    }
    running.signal("TERM");
    assert_eq!(running.wait_for_end(), Some(0));
    let mut text = vec![];
    std::io::Read::read_to_end(&mut unread, &mut text).expect("it is a pipe");
    assert!(text.iter().all(|byte| *byte == b'.'), "nothing has gone into it");
}

#[test]
fn an_error_at_the_start_hung_where_stderr_is_not_read() {
    let (_unread, stderr) = full_pipe();
    let mut command = program::command();
    command.arg("--nonsense").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut running = Running(command.spawn().expect("it is built"));
    assert_eq!(running.wait_for_end(), Some(2));
}

#[test]
fn a_stdout_that_is_not_read_stopped_everything() {
    let (_unread, stdout) = full_pipe();
    let address = free_address();
    let mut command = program::command();
    command.args(["--listen", &address, "--access-log", "-"]);
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let mut running = Running(command.spawn().expect("it is built"));
    wait_until(PATIENCE, || is_served(&address));
    running.signal("TERM");
    assert_eq!(running.wait_for_end(), Some(0));
    // Once, together with the lines that the program was writing at that time: two addresses, the
    // line that writes a document, and one answer.
    let log = std::io::read_to_string(running.0.stderr.take().expect("it is a pipe"));
    let log = log.expect("it is text");
    let told: Vec<_> = log.lines().filter(|line| line.contains("before the exit")).collect();
    assert!(matches!(told[..], [one] if one.ends_with(" to 4")), "{log}");
}

#[track_caller]
fn make_fifo(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "mkfifo is there");
}

/// The first line of a file, once there is one.
fn first_line(path: &Path) -> String {
    let mut line = String::new();
    let file = File::open(path).expect("it is there");
    BufReader::new(file).read_line(&mut line).expect("it is text");
    line
}

#[test]
fn a_fifo_without_a_reader_at_the_path_of_the_access_log_stopped_the_start() {
    let folder = Folder::new("fifo-at-start");
    let fifo = folder.path().join("access");
    make_fifo(&fifo);
    let mut dashboard = program::start(&["--access-log", fifo.to_str().expect("it is text")]);
    assert_eq!(dashboard.get("/file/none").status, 404);
    let line = first_line(&fifo);
    assert!(line.contains("\"GET /file/none HTTP/1.1\" 404 "), "{line}");
    dashboard.program.signal("TERM");
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
}

#[test]
fn lines_without_a_reader_of_a_fifo_are_reported_as_lost_at_the_end() {
    let folder = Folder::new("fifo-at-end");
    let fifo = folder.path().join("access");
    make_fifo(&fifo);
    let mut dashboard = program::start(&["--access-log", fifo.to_str().expect("it is text")]);
    assert_eq!(dashboard.get("/favicon.ico").status, 200);
    dashboard.program.signal("TERM");
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
    let log = dashboard.program.log();
    let told =
        format!("cannot write to access log {} before the exit; lost lines: 1", fifo.display());
    assert!(log.contains("is not open yet; its lines wait") && log.contains(&told), "{log}");
}

#[test]
fn a_fifo_without_a_reader_at_the_path_of_the_access_log_stopped_the_loop_at_sighup() {
    let folder = Folder::new("fifo-at-sighup");
    let file = folder.path().join("access");
    let mut dashboard = program::start(&["--access-log", file.to_str().expect("it is text")]);
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let move_away = |to: &str| fs::rename(&file, folder.path().join(to)).expect("it is ours");
    assert_eq!(dashboard.get("/file/first").status, 404);
    wait_until(PATIENCE, || read().contains("/file/first"));

    move_away("old");
    make_fifo(&file);
    dashboard.program.signal("HUP");
    dashboard.catch_up();
    assert_eq!(dashboard.get("/file/second").status, 404);
    // Until the FIFO has a reader, lines go where they went.
    let old = folder.path().join("old");
    wait_until(PATIENCE, || fs::read_to_string(&old).is_ok_and(|text| text.contains("second")));

    move_away("fifo");
    dashboard.program.signal("HUP");
    wait_until(PATIENCE, || file.exists());
    assert_eq!(dashboard.get("/file/third").status, 404);
    dashboard.program.signal("TERM");
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
    assert!(read().contains("/file/third"), "{}", read());
}

#[test]
fn lines_of_the_access_log_that_a_full_disk_swallowed_were_not_counted() {
    let dashboard = program::start(&["--access-log", "/dev/full"]);
    let lost = || figure(&dashboard, "dashboard_unlogged_total{log=\"access\"}");
    for _ in 0..20 {
        assert_eq!(dashboard.get("/favicon.ico").status, 200);
    }
    wait_until(PATIENCE, || lost() >= 20);
    let log = dashboard.program.log();
    assert_eq!(log.matches("dropping lines").count(), 1, "{log}");
    assert!(log.contains("access log /dev/full: "), "{log}");
}

#[test]
fn a_stdout_that_takes_nothing_is_counted() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" >/dev/full"#]).arg(program::command().get_program());
    let address = free_address();
    let program = Program::start(shell.args(["--listen", &address]));
    wait_until(PATIENCE, || is_served(&address));
    // The address of the embedded database, the line for one's own document, and the address at
    // which it listens.
    let told = "dashboard_unlogged_total{log=\"stdout\"} 3\n";
    wait_until(PATIENCE, || http::get(&format!("http://{address}/metrics")).text().contains(told));
    assert!(program.log().contains("stdout: "), "{}", program.log());
}

#[test]
fn a_line_of_the_access_log_that_stdout_did_not_take_was_counted_twice() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" >/dev/full"#]).arg(program::command().get_program());
    let address = free_address();
    let _program = Program::start(shell.args(["--access-log", "-", "--listen", &address]));
    wait_until(PATIENCE, || is_served(&address));
    let metrics = http::get(&format!("http://{address}/metrics")).text().to_owned();
    assert!(metrics.contains("dashboard_unlogged_total{log=\"stdout\"}"), "{metrics}");
    assert!(!metrics.contains("dashboard_unlogged_total{log=\"access\"}"), "{metrics}");
}
