//! `nginx` and `haproxy` as reverse proxies, each one process with a configuration of its own.

use super::tool;
use crate::support::folder::Folder;
use crate::support::http::{self, Connection};
use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

/// As its documentation has it for upstreams that are kept alive; the rest is by default: 60 s for
/// an answer to begin, and buffers, but for the events, which forbid them.
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
    upstream dashboards {
SERVERS
        keepalive 200;
    }
    server {
        listen 127.0.0.1:PORT;
        location / {
            proxy_pass http://dashboards;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}
";

/// By default it takes a browser that has left for one that only sends no more, and has its poll
/// wait on: `abortonclose`. Retries are off, too; these two are for a server that cannot have done
/// anything.
const HAPROXY: &str = "
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option abortonclose
    option redispatch
    retries 3
    retry-on conn-failure empty-response
    http-reuse always
frontend browsers
    bind 127.0.0.1:PORT
    default_backend dashboards
backend dashboards
    balance roundrobin
SERVERS
";

/// A proxy that runs.
#[derive(Debug)]
pub(super) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    program: Program,
    _folder: Folder,
}

/// Starts nginx before the dashboards at these addresses.
#[track_caller]
pub(super) fn nginx(dashboards: &[&str]) -> Proxy {
    // One that has failed is asked again at once: the test's requests are not to hide there.
    let servers = dashboards.iter().map(|address| format!("        server {address} max_fails=0;"));
    start("nginx", NGINX, servers, &["-e", "stderr", "-p", "FOLDER", "-c", "FOLDER/configuration"])
}

/// Starts haproxy before the dashboards at these addresses.
#[track_caller]
pub(super) fn haproxy(dashboards: &[&str]) -> Proxy {
    let servers = dashboards.iter().enumerate();
    let servers = servers.map(|(n, address)| format!("    server dashboard{n} {address}"));
    start("haproxy", HAPROXY, servers, &["-db", "-f", "FOLDER/configuration"])
}

#[track_caller]
fn start(
    name: &str,
    form: &str,
    servers: impl Iterator<Item = String>,
    arguments: &[&str],
) -> Proxy {
    let folder = Folder::new(name);
    let place = folder.path().to_str().expect("it is text");
    let address = format!("127.0.0.1:{}", free_port());
    let servers: Vec<String> = servers.collect();
    let configuration = form
        .replace("FOLDER", place)
        .replace("127.0.0.1:PORT", &address)
        .replace("SERVERS", &servers.join("\n"));
    fs::write(folder.path().join("configuration"), configuration).expect("it is ours");
    let arguments = arguments.iter().map(|word| word.replace("FOLDER", place));
    let mut program = Program::start(tool(name).args(arguments));
    wait_until(PATIENCE, || {
        assert!(!program.has_ended(), "{name} ended\n{}", program.log());
        Connection::open(&address).is_ok()
    });
    Proxy { address, program, _folder: folder }
}

/// A port that the system has just had free. Neither proxy can tell which one it was given.
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
