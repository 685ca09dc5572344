//! What the operator asks for.

mod values;

use crate::access_log::Target as LogTarget;
use log::LevelFilter;
use masque::couch_feed::limits::RETRY_CAP_MIN;
use masque::sessions::{Database, FeedMode};
use masque::wheels::Target;
use std::path::PathBuf;
use std::time::Duration;
use values::TIME_MIN;

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
                        [default: overview, and without --couch also mine, which nothing moves]
  --listen ADDR         where browsers connect, host:port; port 0 picks a free one
                        [default: 127.0.0.1:8080]; a socket that systemd hands over
                        (LISTEN_FDS) is served in its place
  --long-poll SECONDS   how long a poll waits for a change [default: 28]; a stream of events
                        sends a sign of life twice in that time
  --monotonic           for several dashboards behind one name: hold a poll or stream that comes
                        with a newer revision than this dashboard has until it has caught up, at
                        most as long as a poll waits
  --feed MODE           how CouchDB is asked for changes: continuous, or for proxies that cannot
                        stream longpoll, or normal, once a heartbeat [default: continuous];
                        continuous changes to longpoll where nothing of a stream comes
  --heartbeat SECONDS   how often CouchDB is asked for a sign of life [default: 10]
  --retry-cap SECONDS   the longest pause between tries to reach CouchDB, 0.1 or more
                        [default: 30]; at least 80 after it has refused the password, because
                        five wrong ones lock an account
  --stale-after SECONDS how long the feed may be lost before /health says 503 [default: 60]
  --files DIR           serve the page's files from DIR instead of the built-in ones, as they are
                        (not compressed) when the program starts, or gets SIGHUP; links that
                        stay in DIR are followed
  --access-log FILE     append a line for each answer to FILE, - for stdout, in the combined format
  --log LEVEL           off, error, warn, info, debug or trace [default: info]
  -h, --help            this text
  -V, --version         the version

Each option but --doc may be given once.

Paths: /ID the document, /ID/REV once it is no longer at REV, /ID/events its changes as server-sent
events, /file/NAME a file of the page, /health, /metrics (for Prometheus).

As many browsers are served at a time as the limit of open files allows (ulimit -Hn, LimitNOFILE).
Further ones get a 503; /health and /metrics are answered.

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
    pub(crate) monotonic: bool,
    pub(crate) feed: FeedMode,
    pub(crate) heartbeat: Duration,
    pub(crate) retry_cap: Duration,
    pub(crate) stale_after: Duration,
    /// `None`: the built-in ones.
    pub(crate) files: Option<PathBuf>,
    pub(crate) access_log: Option<LogTarget>,
    pub(crate) log: LevelFilter,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, String> {
    let mut authority = None;
    let mut given: Vec<String> = vec![];
    let mut options = Options {
        couch: None,
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
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        use lexopt::Arg::{Long, Short, Value};
        let name = match argument {
            Long(name) => name.to_owned(),
            Short('h') => "help".to_owned(),
            Short('V') => "version".to_owned(),
            Short(name) => return Err(format!("there is no option -{name}")),
            Value(value) => return Err(format!("unexpected argument {}", value.display())),
        };
        if name != "doc" && given.contains(&name) {
            return Err(format!("--{name} is given more than once"));
        }
        given.push(name.clone());
        match name.as_str() {
            "help" | "version" | "monotonic" if parser.optional_value().is_some() => {
                return Err(format!("--{name} takes no value"));
            }
            "help" => return Ok(Command::Help),
            "version" => return Ok(Command::Version),
            "monotonic" => {
                options.monotonic = true;
                continue;
            }
            "couch" | "couch-ca" | "doc" | "listen" | "long-poll" | "feed" | "heartbeat"
            | "retry-cap" | "stale-after" | "files" | "access-log" | "log" => {}
            other => return Err(format!("there is no option --{other}")),
        }
        let value = parser.value().map_err(|_| format!("--{name} lacks its value"))?;
        let text =
            || value.to_str().map(str::to_owned).ok_or_else(|| format!("--{name} is not UTF-8"));
        match name.as_str() {
            "couch" => options.couch = Some(values::couch(&text()?)?),
            "couch-ca" => authority = Some(PathBuf::from(value)),
            "doc" => values::document(&mut options.docs, text()?)?,
            "listen" => options.listen = values::listen(&text()?)?,
            "long-poll" => options.long_poll = values::seconds(&name, &text()?, TIME_MIN)?,
            "feed" => options.feed = values::feed_mode(&text()?)?,
            "heartbeat" => options.heartbeat = values::seconds(&name, &text()?, TIME_MIN)?,
            "retry-cap" => {
                options.retry_cap = values::seconds(&name, &text()?, RETRY_CAP_MIN)?;
            }
            "stale-after" => {
                options.stale_after = values::seconds(&name, &text()?, TIME_MIN)?;
            }
            "access-log" => options.access_log = Some(values::log_target(value.into())?),
            "files" => options.files = Some(values::folder(value.into())?),
            _ => options.log = values::level(&text()?)?,
        }
    }
    if let Some(path) = authority {
        options.couch = Some(values::vouched_for(options.couch, &path)?);
    }
    if options.docs.is_empty() {
        options.docs.push("overview".into());
        if options.couch.is_none() {
            options.docs.push("mine".into());
        }
    }
    Ok(Command::Run(Box::new(options)))
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
            "--monotonic",
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
        let options = run(&["--access-log", "-"]).expect("it is right");
        assert_eq!(options.access_log, Some(LogTarget::Stdout));
    }

    #[test]
    fn an_option_that_was_given_twice_counted_only_the_second_time() {
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
        assert_eq!(error, "--doc a: it is given more than once");
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
