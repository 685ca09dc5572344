//! The programs that are compared, and how each is started.

use crate::account::Account;
use crate::asking::Asking;
use crate::{Failure, sys};
use std::io::{BufRead, BufReader};
use std::net::SocketAddrV4;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that follows the feed and answers long polls.
#[derive(Debug, Clone, Copy)]
pub struct Contestant {
    /// The column's name.
    pub name: &'static str,
    /// A description for the table's legend.
    pub about: &'static str,
    /// How a browser states its revision to it.
    pub asking: Asking,
    /// With more it takes minutes to begin: it is left out.
    pub browsers_max: usize,
    command: fn(&Path, &str) -> Result<Command, Missing>,
}

/// The program that is not installed.
pub type Missing = &'static str;

/// All programs, in the order of the columns.
pub const ALL: &[Contestant] = &[
    Contestant {
        name: "floor",
        about: "the least code on bare epoll: one read and one write a reply",
        asking: Asking::Path,
        browsers_max: usize::MAX,
        command: |programs, feed| sibling(programs, "floor", feed),
    },
    Contestant {
        name: "masque",
        about: "the dashboard, as it is",
        asking: Asking::Path,
        browsers_max: usize::MAX,
        command: |programs, feed| {
            let mut command = sibling(programs, "dashboard", "--couch")?;
            command.args([feed, "--listen", "127.0.0.1:0"]);
            Ok(command)
        },
    },
    Contestant {
        name: "hyper",
        about: "tokio on one thread and hyper 1, a task for each connection, a watch channel",
        asking: Asking::Path,
        browsers_max: usize::MAX,
        command: |programs, feed| sibling(programs, "peer-hyper", feed),
    },
    Contestant {
        name: "nchan",
        about: "nginx with nchan, and an adapter that publishes what the feed brings",
        asking: Asking::Validators,
        browsers_max: usize::MAX,
        command: |programs, feed| {
            if !Path::new(NCHAN).exists() || find("nginx").is_none() {
                return Err("nginx with nchan (Debian: nginx, libnginx-mod-nchan)");
            }
            sibling(programs, "peer-nchan", feed)
        },
    },
    Contestant {
        name: "node",
        about: "Node's own http module",
        asking: Asking::Path,
        browsers_max: usize::MAX,
        command: |_, feed| {
            let mut command = Command::new(find("node").ok_or("Node")?);
            command.arg(peers().join("node.mjs")).arg(feed);
            Ok(command)
        },
    },
    Contestant {
        name: "perl-poe",
        about: "POE itself, with POE::Filter::HTTPD and a loop on poll(2)",
        asking: Asking::Path,
        browsers_max: 1000,
        command: |_, feed| {
            let perl = find("perl").ok_or("Perl")?;
            let probe = Command::new(&perl).args(["-MPOE", "-MHTTP::Response", "-e", "1"]).output();
            if !probe.is_ok_and(|output| output.status.success()) {
                return Err("POE (Debian: libpoe-perl, libhttp-message-perl)");
            }
            let mut command = Command::new(perl);
            command.arg(peers().join("poe.pl")).arg(feed);
            Ok(command)
        },
    },
];

/// Debian's place for nginx's modules.
pub const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

impl Contestant {
    /// What it lacks on this machine, if anything.
    pub fn missing(&self) -> Option<Missing> {
        programs().ok().and_then(|programs| (self.command)(&programs, "").err())
    }

    /// Starts it on the server's core, `under` another program if that is not empty: a profiler.
    pub fn start(
        &self,
        feed: &str,
        core: Option<usize>,
        under: &[String],
    ) -> Result<Server, Failure> {
        let command = (self.command)(&programs()?, feed);
        let mut command =
            command.map_err(|missing| Failure(format!("{} lacks {missing}", self.name)))?;
        if let [profiler, options @ ..] = under {
            let own = command;
            command = Command::new(profiler);
            command.args(options).arg(own.get_program()).args(own.get_args());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: only system calls are made between fork and exec.
        unsafe {
            command.pre_exec(move || {
                sys::die_with_parent()?;
                core.map_or(Ok(()), sys::pin)
            });
        }
        let child = command.spawn();
        let child = child.map_err(|error| Failure(format!("{}: {error}", self.name)))?;
        let mut server = Server { child, address: SocketAddrV4::new(0.into(), 0) };
        server.address = server
            .read_address()
            .ok_or_else(|| Failure(format!("{} printed no address", self.name)))?;
        Ok(server)
    }
}

/// A contestant that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where browsers connect.
    pub address: SocketAddrV4,
}

impl Server {
    /// What it costs.
    pub fn account(&self) -> Account {
        Account::of(self.child.id())
    }

    fn read_address(&mut self) -> Option<SocketAddrV4> {
        let output = BufReader::new(self.child.stdout.take()?);
        let mut lines = output.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("http://"))?;
        let address = line.split("http://").nth(1)?.split('/').next()?.parse().ok();
        // Whatever else it writes must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        address
    }
}

/// The time that a server, or its profiler, has to write its results.
const END: Duration = Duration::from_secs(5);

impl Drop for Server {
    fn drop(&mut self) {
        let begin = Instant::now();
        self.account().terminate();
        while begin.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It has ended already where this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the running program and its siblings.
fn programs() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}

fn sibling(programs: &Path, name: &'static str, argument: &str) -> Result<Command, Missing> {
    let path = programs.join(name);
    if !path.is_file() {
        return Err("its program (cargo build --release --workspace --bins)");
    }
    let mut command = Command::new(path);
    command.arg(argument);
    Ok(command)
}

/// Where the peers that are not in Rust are.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&folders).map(|folder| folder.join(program));
    places.chain([Path::new("/usr/sbin").join(program)]).find(|path| path.is_file())
}
