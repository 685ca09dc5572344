//! `nginx` and `haproxy` as reverse proxies, each one process with a configuration of its own.

use super::tool;
use crate::support::folder::Folder;
use crate::support::http::{self, Connection};
use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

/// What an nginx needs that runs for a test, around the settings that the documentation shows.
const NGINX: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr warn;
events { worker_connections 1000; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    keepalive_requests 1000000;
SETTINGS
}
";

/// The same of a haproxy.
const HAPROXY: &str = "
global
    maxconn 1000
SETTINGS
";

/// Where the settings of proxies are shown to users.
const DOCUMENTATION: &str = include_str!("../../../../docs/reliability.md");

/// The settings that the documentation shows below this comment.
#[track_caller]
pub(super) fn documented(comment: &str) -> String {
    let start = DOCUMENTATION.find(&format!("# {comment}\n")).expect("it is documented");
    let rest = &DOCUMENTATION[start..];
    rest[..rest.find("```").expect("the block ends")].to_owned()
}

/// A proxy that runs.
#[derive(Debug)]
pub(super) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    program: Program,
    _folder: Folder,
}

/// Starts nginx in front of the dashboards at these addresses.
#[track_caller]
pub(super) fn nginx(dashboards: &[&str]) -> Proxy {
    // With 0 nginx asks a failed server again immediately; otherwise some requests would not reach
    // it.
    let servers: Vec<_> = dashboards.iter().map(|to| format!("server {to} max_fails=0;")).collect();
    let settings = documented("nginx in front of the dashboard");
    nginx_with(&set(&settings, "server 127.0.0.1:8080;", &servers.join("\n")))
}

/// Starts haproxy in front of the dashboards at these addresses.
#[track_caller]
pub(super) fn haproxy(dashboards: &[&str]) -> Proxy {
    haproxy_with(&documented("haproxy in front of the dashboard"), dashboards)
}

/// Starts nginx with these settings, but for the port.
#[track_caller]
pub(super) fn nginx_with(settings: &str) -> Proxy {
    let arguments = ["-e", "stderr", "-p", "FOLDER", "-c", "FOLDER/configuration"];
    start("nginx", &NGINX.replace("SETTINGS", settings), "listen ", ";", &arguments)
}

/// Starts haproxy with these settings, but for the port and for the servers.
#[track_caller]
pub(super) fn haproxy_with(settings: &str, servers: &[&str]) -> Proxy {
    let servers = servers.iter().enumerate();
    let servers: Vec<_> = servers.map(|(n, to)| format!("    server server{n} {to}")).collect();
    let line = settings.lines().find(|line| line.trim().starts_with("server "));
    let settings = set(settings, line.expect("it has a server"), &servers.join("\n"));
    let arguments = ["-db", "-f", "FOLDER/configuration"];
    start("haproxy", &HAPROXY.replace("SETTINGS", &settings), "bind ", "\n", &arguments)
}

/// The settings with one of them replaced, which must be there once.
#[track_caller]
pub(super) fn set(settings: &str, from: &str, to: &str) -> String {
    assert_eq!(settings.matches(from).count(), 1, "{from} in {settings}");
    settings.replace(from, to)
}

/// Starts a proxy at a free port. The port replaces the text between `before` and `behind`.
#[track_caller]
fn start(name: &str, form: &str, before: &str, behind: &str, arguments: &[&str]) -> Proxy {
    let folder = Folder::new(name);
    let place = folder.path().to_str().expect("it is text");
    let address = format!("127.0.0.1:{}", free_port());
    let (head, rest) = form.split_once(before).expect("it listens");
    let (_, tail) = rest.split_once(behind).expect("the setting ends");
    let configuration = format!("{head}{before}{address}{behind}{tail}").replace("FOLDER", place);
    fs::write(folder.path().join("configuration"), configuration).expect("it is ours");
    let arguments = arguments.iter().map(|word| word.replace("FOLDER", place));
    let mut program = Program::start(tool(name).args(arguments));
    wait_until(PATIENCE, || {
        assert!(!program.has_ended(), "{name} ended\n{}", program.log());
        Connection::open(&address).is_ok()
    });
    Proxy { address, program, _folder: folder }
}

/// A port that the system has just had free. Neither proxy can report which one it was given.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

impl Proxy {
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> http::Reply {
        http::get(&format!("http://{}{path}", self.address))
    }

    #[track_caller]
    pub(super) fn connect(&self) -> Connection {
        Connection::open(&self.address).expect("it listens")
    }

    /// What it has complained of.
    pub(super) fn log(&self) -> String {
        self.program.log()
    }
}

/// Sends a GET and does not wait for the answer.
#[track_caller]
pub(super) fn send(connection: &mut Connection, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: dashboard\r\n\r\n");
    connection.send(request.as_bytes()).expect("it reads");
}
