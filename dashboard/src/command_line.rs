//! The command line: options, their defaults and the help.

mod values;

use crate::access_log::LogTarget;
use log::LevelFilter;
use masque::couch_feed::limits::RETRY_CAP_MIN;
use masque::sessions::{Database, FeedMode};
use masque::wheels::Target;
use std::path::PathBuf;
use std::time::Duration;
use values::TIME_MIN;

/// The text of `--help`.
// prose: allow(long): its tables have no sentences.
pub(crate) const USAGE: &str = "\
A live performance dashboard. It follows documents in CouchDB and answers browsers' long polls as
soon as a document changes.

Usage: dashboard [options]

  --couch URL           database to follow, http://user:password@host:5984/name;
                        https:// needs a build with `--features tls`
                        [default: an embedded database with sample figures that change]
  --couch-ca FILE       trust the CA certificates in FILE (PEM) for an https database, instead of
                        the system's
  --doc ID              document to show, at /ID; may be repeated [default: overview, and without
                        --couch also mine, which changes only if you write it]
  --listen ADDR         host:port to listen on; port 0 selects a free port
                        [default: 127.0.0.1:8080]; a socket passed by systemd (LISTEN_FDS) takes
                        precedence
  --long-poll SECONDS   how long a poll waits for a change [default: 28]; event streams send a
                        heartbeat twice in this time
  --monotonic           for several dashboards at one address: if a poll or stream has a newer
                        revision than this dashboard, wait until this dashboard has caught up, at
                        most the time of a poll
  --feed MODE           how to request changes from CouchDB: continuous; longpoll, for proxies
                        that cannot stream; or normal, one request per heartbeat interval
                        [default: continuous]; continuous changes to longpoll if nothing of a
                        stream arrives
  --heartbeat SECONDS   interval of the heartbeats requested from CouchDB [default: 10]
  --retry-cap SECONDS   longest delay between attempts to connect to CouchDB, at least 0.1
                        [default: 30]; at least 80 after a rejected password, because five wrong
                        passwords lock an account
  --stale-after SECONDS how long the feed may be disconnected before /health returns 503
                        [default: 60]
  --files DIR           serve the page from the files in DIR instead of the built-in ones; they
                        are read at start and on SIGHUP, and sent uncompressed; links that stay
                        in DIR are followed
  --access-log FILE     append one line per answer to FILE, in the combined format; - is stdout
  --log LEVEL           off, error, warn, info, debug or trace [default: info]
  -h, --help            print this help
  -V, --version         print the version

Each option except --doc may be given once.

Paths:
  /ID          the document
  /ID/REV      the document, as soon as its revision is not REV
  /ID/events   the document's changes as server-sent events
  /file/NAME   a file of the page
  /health      200, or 503 if the shown data may be out of date
  /metrics     metrics for Prometheus

The limit of open files (ulimit -Hn, LimitNOFILE) sets how many browsers are served at the same
time. Further browsers get a 503, except for /health and /metrics.

Signals:
  SIGTERM, SIGINT   answer all waiting requests, then exit; a second signal exits immediately
  SIGHUP            read the page's files again and reopen the access log
  SIGUSR1           log the current counters
";

/// The work that the arguments ask for.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Options>),
    Help,
    Version,
}

/// The values of the options.
#[derive(Debug)]
pub(crate) struct Options {
    /// `None`: the embedded database.
    pub(crate) couch: Option<Database>,
    /// Certificates for `couch`. It is taken when all options are read.
    couch_ca: Option<PathBuf>,
    pub(crate) docs: Vec<String>,
    pub(crate) listen: Target,
    pub(crate) long_poll: Duration,
    pub(crate) monotonic: bool,
    pub(crate) feed: FeedMode,
    pub(crate) heartbeat: Duration,
    pub(crate) retry_cap: Duration,
    pub(crate) stale_after: Duration,
    /// `None`: the built-in files.
    pub(crate) files: Option<PathBuf>,
    pub(crate) access_log: Option<LogTarget>,
    pub(crate) log: LevelFilter,
}

/// What an option does.
enum Action {
    /// Prints the usage.
    Help,
    /// Prints the version.
    Version,
    /// Sets something, without a value.
    Flag(fn(&mut Options)),
    /// Reads a value that is text. Errors name the option.
    Text(fn(&mut Options, &str) -> Result<(), String>),
    /// Reads a value that is a path.
    Path(fn(&mut Options, PathBuf) -> Result<(), String>),
}

/// Every option, by its long name.
const OPTIONS: &[(&str, Action)] = {
    use Action::{Flag, Help, Path, Text, Version};
    &[
        ("couch", Text(|options, url| values::couch(url).map(|it| options.couch = Some(it)))),
        (
            "couch-ca",
            Path(|options, path| {
                options.couch_ca = Some(path);
                Ok(())
            }),
        ),
        ("doc", Text(|options, id| values::document(&mut options.docs, id.to_owned()))),
        ("listen", Text(|options, text| values::listen(text).map(|it| options.listen = it))),
        ("long-poll", Text(|options, text| time("long-poll", text, &mut options.long_poll))),
        ("monotonic", Flag(|options| options.monotonic = true)),
        ("feed", Text(|options, text| values::feed_mode(text).map(|it| options.feed = it))),
        ("heartbeat", Text(|options, text| time("heartbeat", text, &mut options.heartbeat))),
        (
            "retry-cap",
            Text(|options, text| {
                let time = values::seconds("retry-cap", text, RETRY_CAP_MIN);
                time.map(|it| options.retry_cap = it)
            }),
        ),
        ("stale-after", Text(|options, text| time("stale-after", text, &mut options.stale_after))),
        ("files", Path(|options, path| values::folder(path).map(|it| options.files = Some(it)))),
        (
            "access-log",
            Path(|options, path| values::log_target(path).map(|it| options.access_log = Some(it))),
        ),
        ("log", Text(|options, text| values::level(text).map(|it| options.log = it))),
        ("help", Help),
        ("version", Version),
    ]
};

/// The only option that may be given more than once.
const REPEATABLE: &str = "doc";

/// Reads the arguments of the program.
///
/// # Errors
/// A message in one line, without a password, if an argument is wrong.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let mut options = Options::default();
    let mut given = vec![];
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        use lexopt::Arg::{Long, Short, Value};
        let name = match argument {
            Long(name) => name,
            Short('h') => "help",
            Short('V') => "version",
            Short(name) => return Err(format!("unknown option -{name}")),
            Value(value) => return Err(format!("unexpected argument `{}`", value.display())),
        };
        let Some((name, action)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("unknown option --{name}"));
        };
        if *name != REPEATABLE && given.contains(name) {
            return Err(format!("--{name} is given more than once"));
        }
        given.push(name);
        if let Action::Help | Action::Version | Action::Flag(_) = action
            && parser.optional_value().is_some()
        {
            return Err(format!("--{name} takes no value"));
        }
        let mut value = || parser.value().map_err(|_| format!("--{name} needs a value"));
        match action {
            Action::Help => return Ok(Command::Help),
            Action::Version => return Ok(Command::Version),
            Action::Flag(set) => set(&mut options),
            Action::Path(set) => set(&mut options, value()?.into())?,
            Action::Text(set) => {
                let value = value()?;
                let text = value.to_str().ok_or_else(|| format!("--{name} is not UTF-8"))?;
                set(&mut options, text)?;
            }
        }
    }
    if let Some(path) = options.couch_ca.take() {
        options.couch = Some(values::with_authority(options.couch, &path)?);
    }
    if options.docs.is_empty() {
        options.docs.push("overview".into());
        if options.couch.is_none() {
            options.docs.push("mine".into());
        }
    }
    Ok(Command::Run(Box::new(options)))
}

fn time(name: &str, text: &str, into: &mut Duration) -> Result<(), String> {
    values::seconds(name, text, TIME_MIN).map(|time| *into = time)
}

impl Default for Options {
    fn default() -> Self {
        Options {
            couch: None,
            couch_ca: None,
            docs: vec![],
            listen: Target::Host("127.0.0.1".into(), 8080),
            long_poll: Duration::from_secs(28),
            monotonic: false,
            feed: FeedMode::Continuous,
            heartbeat: masque::couch_feed::limits::HEARTBEAT,
            retry_cap: masque::couch_feed::limits::RETRY_CAP,
            stale_after: Duration::from_secs(60),
            files: None,
            access_log: None,
            log: LevelFilter::Info,
        }
    }
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
    fn defaults_are_those_of_the_help() {
        let options = run(&[]).expect("nothing is needed");
        assert!(options.couch.is_none() && options.files.is_none());
        assert_eq!(options.docs, ["overview", "mine"]);
        let following = run(&["--couch", "http://h/db"]).expect("nothing more is needed");
        assert_eq!(following.docs, ["overview"]);
        assert_eq!(options.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(options.long_poll, Duration::from_secs(28));
        assert!(!options.monotonic);
        assert_eq!(options.feed, FeedMode::Continuous);
        assert_eq!(options.heartbeat, Duration::from_secs(10));
        assert_eq!(options.retry_cap, Duration::from_secs(30));
        assert_eq!(options.stale_after, Duration::from_secs(60));
        assert_eq!(options.access_log, None);
        assert_eq!(options.log, LevelFilter::Info);
    }

    #[test]
    fn every_option_is_read() {
        let options = run(&[
            "--couch=http://u:p@h/db",
            "--doc",
            "a",
            "--doc=b",
            "--listen",
            "[::1]:0",
            "--long-poll",
            "0.5",
            "--monotonic",
            "--feed=longpoll",
            "--heartbeat=0.25",
            "--retry-cap=5",
            "--stale-after=3",
            "--files=/",
            "--access-log=/var/log/access",
            "--log=debug",
        ]);
        let options = options.expect("the options are valid");
        assert_eq!(options.couch.map(|couch| couch.to_string()), Some("http://h:5984/db".into()));
        assert_eq!(options.docs, ["a", "b"]);
        assert_eq!(options.listen.to_string(), "[::1]:0");
        assert_eq!(options.long_poll, Duration::from_millis(500));
        assert!(options.monotonic);
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
        let options = run(&["--access-log", "-"]).expect("the options are valid");
        assert_eq!(options.access_log, Some(LogTarget::Stdout));
    }

    #[test]
    fn an_option_that_is_given_twice_is_an_error() {
        for option in [
            "--couch=http://h/db",
            "--listen=h:1",
            "--long-poll=1",
            "--feed=normal",
            "--heartbeat=1",
            "--retry-cap=1",
            "--stale-after=1",
            "--files=/",
            "--access-log=-",
            "--log=info",
        ] {
            let name = option.split('=').next().expect("the name");
            let error = run(&[option, option]).expect_err("it is given twice");
            assert_eq!(error, format!("{name} is given more than once"));
        }
        let error = run(&["--doc", "a", "--doc", "b", "--doc", "a"]).expect_err("a twice");
        assert_eq!(error, "--doc a is given more than once");
    }

    #[test]
    fn help_and_version_have_one_letter_too() {
        for arguments in [["--help"], ["-h"]] {
            assert!(matches!(parse(lexopt::Parser::from_args(arguments)), Ok(Command::Help)));
        }
        for arguments in [["--version"], ["-V"]] {
            assert!(matches!(parse(lexopt::Parser::from_args(arguments)), Ok(Command::Version)));
        }
    }

    #[test]
    fn an_error_is_one_line_that_shows_no_password() {
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
            &["--access-log", ""],
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
            &["--monotonic=yes"],
            &["-h=me"],
            &["-x"],
            &["extra"],
        ] {
            let error = run(arguments).expect_err("it is wrong");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
            assert!(!error.is_empty());
        }
    }
}
