//! What the operator asks for.

use crate::access_log::Target as LogTarget;
use log::LevelFilter;
use masque::sessions::{Database, FeedMode};
use masque::wheels::Target;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
A live performance dashboard: follows documents of CouchDB and answers browsers' long polls the
moment they change.

Usage: dashboard [options]

  --couch URL           the database to follow, http://user:password@host:5984/name;
                        without it an embedded one, with figures that move;
                        https:// in a build with `--features tls`
  --couch-ca FILE       whom to trust to vouch for an https database, in PEM, rather than whom
                        this machine trusts
  --doc ID              the document to show, each under /ID; may be given more than once
                        [default: overview]
  --listen ADDR         where browsers connect, host:port; port 0 picks a free one
                        [default: 127.0.0.1:8080]; a socket that systemd hands over
                        (LISTEN_FDS) is served in its place
  --long-poll SECONDS   how long a poll waits for a change [default: 28]; a stream of events
                        sends a sign of life twice in that time
  --feed MODE           how CouchDB is asked for changes: continuous, or for proxies that cannot
                        stream longpoll, or normal, once a heartbeat [default: continuous];
                        continuous changes to longpoll where nothing of a stream comes
  --heartbeat SECONDS   how often CouchDB is asked for a sign of life [default: 10]
  --retry-cap SECONDS   the longest pause between tries to reach CouchDB, at least 0.1
                        [default: 30]; at least 80 after it has refused the password, because
                        five wrong ones lock an account
  --stale-after SECONDS how long the feed may be lost before /health says 503 [default: 60]
  --files DIR           serve the page's files from DIR instead of the built-in ones, as they are
                        (not compressed) when the program starts, or gets SIGHUP
  --access-log FILE     append a line for each answer to FILE, - for stdout, in the combined format
  --log LEVEL           off, error, warn, info, debug or trace [default: info]
  --help                this text
  --version             the version

Paths: /ID the document, /ID/REV once it is no longer at REV, /ID/events its changes as server-sent
events, /file/NAME a file of the page, /health, /metrics (for Prometheus).

Signals: SIGTERM and SIGINT answer everyone who waits and end, the second one at once; SIGHUP opens
the page's files and the access log anew; SIGUSR1 logs the figures.
";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Options>),
    Help,
    Version,
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Options {
    /// `None`: the embedded one.
    pub(crate) couch: Option<Database>,
    pub(crate) docs: Vec<String>,
    pub(crate) listen: Target,
    pub(crate) long_poll: Duration,
    pub(crate) feed: FeedMode,
    pub(crate) heartbeat: Duration,
    pub(crate) retry_cap: Duration,
    pub(crate) stale_after: Duration,
    /// `None`: the built-in ones.
    pub(crate) files: Option<PathBuf>,
    pub(crate) access_log: Option<LogTarget>,
    pub(crate) log: LevelFilter,
}

/// Names that a document cannot have, for their paths are taken. Neither can it have one that is no
/// single segment of a path: browsers and proxies make something else of it.
const TAKEN: [&str; 4] = ["file", "favicon.ico", "health", "metrics"];

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let mut authority = None;
    let mut options = Options {
        couch: None,
        docs: vec![],
        listen: Target::Host("127.0.0.1".into(), 8080),
        long_poll: Duration::from_secs(28),
        feed: FeedMode::Continuous,
        heartbeat: masque::limits::HEARTBEAT,
        retry_cap: masque::limits::FEED_RETRY_CAP,
        stale_after: Duration::from_secs(60),
        files: None,
        access_log: None,
        log: LevelFilter::Info,
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        use lexopt::Arg::{Long, Short, Value};
        let name = match argument {
            Long(name) => name.to_owned(),
            Short(name) => return Err(format!("there is no option -{name}")),
            Value(value) => return Err(format!("{} is one word too many", value.display())),
        };
        match name.as_str() {
            "help" | "version" if parser.optional_value().is_some() => {
                return Err(format!("--{name} takes no value"));
            }
            "help" => return Ok(Command::Help),
            "version" => return Ok(Command::Version),
            "couch" | "couch-ca" | "doc" | "listen" | "long-poll" | "feed" | "heartbeat"
            | "retry-cap" | "stale-after" | "files" | "access-log" | "log" => {}
            other => return Err(format!("there is no option --{other}")),
        }
        let value = parser.value().map_err(|_| format!("--{name} lacks its value"))?;
        let text =
            || value.to_str().map(str::to_owned).ok_or_else(|| format!("--{name} is not UTF-8"));
        match name.as_str() {
            // Not `option`: the value, which holds a password, must not be repeated.
            "couch" => {
                let database = Database::from_str(&text()?);
                options.couch = Some(database.map_err(|error| format!("--couch: {error}"))?);
            }
            "couch-ca" => authority = Some(PathBuf::from(value)),
            "doc" => options.docs.push(document(text()?)?),
            "listen" => options.listen = listen(&text()?)?,
            "long-poll" => options.long_poll = seconds(&name, &text()?)?,
            "feed" => options.feed = feed_mode(&text()?)?,
            "heartbeat" => options.heartbeat = seconds(&name, &text()?)?,
            "retry-cap" => options.retry_cap = seconds(&name, &text()?)?,
            "stale-after" => options.stale_after = seconds(&name, &text()?)?,
            "access-log" => options.access_log = Some(log_target(value.into())),
            "files" => options.files = Some(folder(value.into())?),
            _ => options.log = level(&text()?)?,
        }
    }
    if let Some(path) = authority {
        options.couch = Some(vouched_for(options.couch, &path)?);
    }
    if options.docs.is_empty() {
        options.docs.push("overview".into());
    }
    Ok(Command::Run(Box::new(options)))
}

/// The database with an authority of its own.
fn vouched_for(couch: Option<Database>, path: &Path) -> Result<Database, String> {
    let shown = path.display();
    let couch =
        couch.ok_or_else(|| format!("--couch-ca {shown}: it is for --couch https://..."))?;
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(_) if !cfg!(feature = "tls") => vec![], // which is the reason that matters
        Err(error) => return Err(format!("--couch-ca {shown}: {error}")),
    };
    couch.authority(&pem).map_err(|error| format!("--couch-ca {shown}: {error}"))
}

fn document(id: String) -> Result<String, String> {
    let leads_elsewhere = id == "." || id == ".." || id.contains(['/', '\\', '\0']);
    if id.is_empty() || leads_elsewhere || TAKEN.contains(&id.as_str()) {
        return Err(format!("--doc {id}: a document of that name has no path here"));
    }
    Ok(id)
}

fn listen(text: &str) -> Result<Target, String> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Target::Host(host.to_owned(), port.parse().ok()?)).filter(|_| !host.is_empty())
    });
    parsed.ok_or_else(|| format!("--listen {text}: it is not host:port"))
}

fn feed_mode(text: &str) -> Result<FeedMode, String> {
    let named = FeedMode::ALL.into_iter().find(|mode| mode.name() == text);
    named.ok_or_else(|| {
        let names = FeedMode::ALL.map(FeedMode::name).join(", ");
        format!("--feed {text}: it is not one of {names}")
    })
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| *time >= Duration::from_millis(1) && *time <= Duration::from_secs(86_400))
        .ok_or_else(|| {
            format!("--{name} {text}: it is not a number of seconds from 0.001 to 86400")
        })
}

fn log_target(path: PathBuf) -> LogTarget {
    if path.as_os_str() == "-" { LogTarget::Stdout } else { LogTarget::File(path) }
}

fn folder(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_dir() {
        return Ok(path);
    }
    Err(format!("--files {}: there is no such folder", path.display()))
}

fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| {
        format!("--log {text}: it is not one of off, error, warn, info, debug and trace")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Box<Options>, String> {
        match parse(lexopt::Parser::from_args(arguments))? {
            Command::Run(options) => Ok(options),
            other => panic!("{arguments:?} is {other:?}"),
        }
    }

    #[test]
    fn defaults_are_as_the_usage_says() {
        let options = run(&[]).expect("nothing is needed");
        assert!(options.couch.is_none() && options.files.is_none());
        assert_eq!(options.docs, ["overview"]);
        assert_eq!(options.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(options.long_poll, Duration::from_secs(28));
        assert_eq!(options.feed, FeedMode::Continuous);
        assert_eq!(options.heartbeat, Duration::from_secs(10));
        assert_eq!(options.retry_cap, Duration::from_secs(30));
        assert_eq!(options.stale_after, Duration::from_secs(60));
        assert_eq!(options.access_log, None);
        assert_eq!(options.log, LevelFilter::Info);
    }

    #[test]
    fn every_option_is_taken() {
        let options = run(&[
            "--couch=http://u:p@h/db",
            "--doc",
            "a",
            "--doc=b",
            "--listen",
            "[::1]:0",
            "--long-poll",
            "0.5",
            "--feed=longpoll",
            "--heartbeat=0.25",
            "--retry-cap=5",
            "--stale-after=3",
            "--files=/",
            "--access-log=/var/log/access",
            "--log=debug",
        ]);
        let options = options.expect("it is right");
        assert_eq!(options.couch.map(|couch| couch.to_string()), Some("http://h:5984/db".into()));
        assert_eq!(options.docs, ["a", "b"]);
        assert_eq!(options.listen.to_string(), "[::1]:0");
        assert_eq!(options.long_poll, Duration::from_millis(500));
        assert_eq!(options.feed, FeedMode::LongPoll);
        assert_eq!(options.heartbeat, Duration::from_millis(250));
        assert_eq!(options.retry_cap, Duration::from_secs(5));
        assert_eq!(options.stale_after, Duration::from_secs(3));
        assert_eq!(options.files, Some("/".into()));
        assert_eq!(options.access_log, Some(LogTarget::File("/var/log/access".into())));
        assert_eq!(options.log, LevelFilter::Debug);
    }

    #[test]
    fn a_dash_is_stdout() {
        let options = run(&["--access-log", "-"]).expect("it is right");
        assert_eq!(options.access_log, Some(LogTarget::Stdout));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_shows_no_password() {
        for arguments in [
            &["--couch"][..],
            &["--couch", "ftp://u:secret@h/db"],
            #[cfg(not(feature = "tls"))]
            &["--couch", "https://u:secret@h/db"],
            &["--couch-ca"],
            &["--couch-ca", "/dev/null"],
            &["--couch-ca", "/dev/null", "--couch", "http://u:secret@h/db"],
            #[cfg(feature = "tls")]
            &["--couch-ca", "/dev/null", "--couch", "https://u:secret@h/db"],
            #[cfg(feature = "tls")]
            &["--couch-ca", "/no/such/file", "--couch", "https://u:secret@h/db"],
            &["--couch", "u:secret@h"],
            &["--doc", ""],
            &["--doc", "file"],
            &["--doc", "metrics"],
            &["--doc", "_design/a"],
            &["--stale-after", "soon"],
            &["--access-log"],
            &["--listen", "8080"],
            &["--listen", ":8080"],
            &["--listen", "h:99999"],
            &["--long-poll", "0"],
            &["--long-poll", "-1"],
            &["--long-poll", "NaN"],
            &["--long-poll", "1e9"],
            &["--feed", "eventsource"],
            &["--files", "/no/such/folder"],
            &["--log", "loud"],
            &["--nonsense"],
            &["--help=me"],
            &["--version=2"],
            &["-x"],
            &["extra"],
        ] {
            let error = run(arguments).expect_err("it is wrong");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
            assert!(!error.is_empty());
        }
    }
}
