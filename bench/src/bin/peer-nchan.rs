//! nginx with nchan, and the adapter that it needs: what the feed brings is published to its
//! channel.

use bench::contestants::NCHAN;
use bench::{Failure, sys};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that nginx may take to listen.
const START: Duration = Duration::from_secs(5);

fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).expect("usage: peer-nchan FEED_URL");
    let (host, path) = bench::line::parts(&url).expect("http://host:port/db");
    let port = free_port()?;
    let folder = std::env::temp_dir().join(format!("peer-nchan-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("nginx.conf"), configuration(&folder, port))?;
    let mut nginx = start(&folder)?;
    let mut feed = TcpStream::connect(host)?;
    feed.write_all(bench::line::request(path, host).as_bytes())?;
    let mut publisher = connect(port)?;
    // The last file that it writes, so everything else is open by then. A killed nginx cleans
    // nothing up.
    until(|| fs::read(folder.join("pid")).is_ok_and(|pid| !pid.is_empty()).then_some(()))?;
    fs::remove_dir_all(&folder)?;
    println!("http://127.0.0.1:{port}/");
    let mut input = BufReader::with_capacity(64 * 1024, feed);
    let mut line = vec![];
    while input.read_until(b'\n', &mut line)? > 0 {
        if let Some(change) = bench::line::followed(&line) {
            publish(&mut publisher, &change.body)?;
        }
        line.clear();
    }
    nginx.kill()?;
    nginx.wait()?;
    Ok(())
}

/// One process, as every program here; the channel keeps only the latest document.
fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "load_module {NCHAN};
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; multi_accept on; }}
http {{
    access_log off;
    default_type application/json;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 64k;
    nchan_message_buffer_length 1;
    nchan_message_timeout 0;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /publish {{ nchan_publisher; nchan_channel_id overview; }}
        location = /overview {{
            nchan_subscriber longpoll;
            nchan_channel_id overview;
            nchan_subscriber_first_message -1;
            nchan_subscriber_timeout 28s;
        }}
    }}
}}
"
    )
}

fn start(folder: &Path) -> Result<std::process::Child, Failure> {
    let mut command = Command::new("nginx");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: only system calls are made between fork and exec.
    unsafe { command.pre_exec(sys::die_with_parent) };
    Ok(command.spawn()?)
}

/// A free port, below the range that systems give to clients: nginx opens it a little later, and it
/// must still be free then.
fn free_port() -> Result<u16, Failure> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    let seed = std::process::id() as u16;
    let ports = (0..COUNT).map(|next| FIRST + seed.wrapping_add(next) % COUNT);
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.clone().find(is_free).ok_or_else(|| Failure("no port is free".into()))
}

fn connect(port: u16) -> Result<TcpStream, Failure> {
    let stream = until(|| TcpStream::connect(("127.0.0.1", port)).ok())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Tries until nginx is there.
fn until<T>(attempt: impl Fn() -> Option<T>) -> Result<T, Failure> {
    let begin = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return Ok(found);
        }
        if begin.elapsed() > START {
            return Err(Failure("nginx does not start".into()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn publish(publisher: &mut TcpStream, body: &str) -> Result<(), Failure> {
    let length = body.len();
    let request = format!(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    publisher.write_all(request.as_bytes())?;
    // Its answer is short and comes in one piece; what it says is not needed.
    let mut answer = [0; 4096];
    match publisher.read(&mut answer)? {
        0 => Err(Failure("nginx hung up".into())),
        _ => Ok(()),
    }
}
