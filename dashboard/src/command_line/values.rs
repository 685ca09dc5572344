//! What the values of options mean, and what is said when they mean nothing: which option, which
//! value, what is wrong with it and, for the usual mistakes, what to write instead.

use crate::access_log::LogTarget;
use log::LevelFilter;
use masque::sessions::{Database, FeedMode};
use masque::wheels::Target;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names that a document cannot have, for their paths are taken. Neither can it have one that is no
/// single segment of a path: browsers and proxies make something else of it.
const TAKEN: [&str; 4] = ["file", "favicon.ico", "health", "metrics"];

/// The shortest and the longest time that an option may have, unless it has its own shortest one.
pub(super) const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// The database. The URL holds a password, so no message repeats it.
pub(super) fn couch(url: &str) -> Result<Database, String> {
    url.parse().map_err(|error| match fault_of_url(url) {
        Some(fault) => format!("--couch: {fault}"),
        None => format!("--couch: {error}"),
    })
}

/// The usual mistakes in a URL.
fn fault_of_url(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    for (sign, code) in [('#', "%23"), ('?', "%3F"), (' ', "%20")] {
        if rest.contains(sign) {
            let sign = if sign == ' ' { "blank".to_owned() } else { sign.to_string() };
            return Some(format!("a {sign} in a user, a password or a name is written {code}"));
        }
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') && !authority.contains('@') {
        return Some("a / in a user or a password is written %2F".to_owned());
    }
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    let (_, port) = host_port.rsplit_once(':').filter(|(_, port)| !port.contains(']'))?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && port.parse::<u16>().is_err())
        .then(|| "its port is not a number from 1 to 65535".to_owned())
}

/// The database with an authority of its own.
pub(super) fn with_authority(couch: Option<Database>, path: &Path) -> Result<Database, String> {
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

/// Adds a document to those that are shown.
pub(super) fn document(docs: &mut Vec<String>, id: String) -> Result<(), String> {
    let leads_elsewhere = id == "." || id == ".." || id.contains(['/', '\\', '\0']);
    if id.is_empty() || leads_elsewhere || TAKEN.contains(&id.as_str()) {
        return Err(format!("--doc {id}: a document of that name has no path here"));
    }
    if docs.contains(&id) {
        return Err(format!("--doc {id}: it is given more than once"));
    }
    docs.push(id);
    Ok(())
}

pub(super) fn listen(text: &str) -> Result<Target, String> {
    let fault = |why: String| Err(format!("--listen {text}: {why}"));
    if text.parse::<Ipv6Addr>().is_ok() {
        let (address, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let is_with_port = address.parse::<Ipv6Addr>().is_ok();
        let (address, port) = if is_with_port { (address, port) } else { (text, "8080") };
        return fault(format!("an IPv6 address has brackets, as in [{address}]:{port}"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        if text.parse::<u16>().is_ok() {
            return fault(hosts(text));
        }
        return fault("it is not of the form host:port".to_owned());
    };
    let Ok(number) = port.parse::<u16>() else {
        return fault("its port is not a number from 0 to 65535".to_owned());
    };
    if host.is_empty() {
        return fault(hosts(port));
    }
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_bracketed = inner.is_some_and(|inner| inner.contains(':'));
    let host = inner.filter(|_| is_bracketed).unwrap_or(host);
    if host.contains(['[', ']']) || host.contains(':') && !is_bracketed {
        return fault("it is not of the form host:port".to_owned());
    }
    Ok(Target::Host(host.to_owned(), number))
}

/// What to write for a port alone.
fn hosts(port: &str) -> String {
    format!("it has no host: [::]:{port} is every address, 127.0.0.1:{port} this machine only")
}

pub(super) fn feed_mode(text: &str) -> Result<FeedMode, String> {
    let named = FeedMode::ALL.into_iter().find(|mode| mode.name() == text);
    named.ok_or_else(|| {
        let names = FeedMode::ALL.map(FeedMode::name).join(", ");
        format!("--feed {text}: it is not one of {names}")
    })
}

pub(super) fn seconds(name: &str, text: &str, least: Duration) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| (least..=TIME_MAX).contains(time))
        .ok_or_else(|| {
            let (least, most) = (least.as_secs_f64(), TIME_MAX.as_secs());
            format!("--{name} {text}: it is not a number of seconds from {least} to {most}")
        })
}

pub(super) fn log_target(path: PathBuf) -> Result<LogTarget, String> {
    match path.to_str() {
        Some("-") => Ok(LogTarget::Stdout),
        Some("") => Err("--access-log: it names no file".to_owned()),
        _ => Ok(LogTarget::File(path)),
    }
}

pub(super) fn folder(path: PathBuf) -> Result<PathBuf, String> {
    match path.metadata() {
        Ok(data) if data.is_dir() => Ok(path),
        Ok(_) => Err(format!("--files {}: it is not a folder", path.display())),
        Err(error) => Err(format!("--files {}: {error}", path.display())),
    }
}

pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| {
        format!("--log {text}: it is not one of off, error, warn, info, debug and trace")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_to_listen_at_is_said_with_what_to_write() {
        let form = "it is not of the form host:port";
        let port = "its port is not a number from 0 to 65535";
        for (text, why) in [
            ("", form),
            ("localhost", form),
            (
                "8080",
                "it has no host: [::]:8080 is every address, 127.0.0.1:8080 this machine only",
            ),
            (":80", "it has no host: [::]:80 is every address, 127.0.0.1:80 this machine only"),
            (":x", port),
            ("h:99999", port),
            ("h:-1", port),
            ("h:", port),
            ("::1:8080", "an IPv6 address has brackets, as in [::1]:8080"),
            ("::1", "an IPv6 address has brackets, as in [::1]:8080"),
            ("::", "an IPv6 address has brackets, as in [::]:8080"),
            ("2001:db8::1:80", "an IPv6 address has brackets, as in [2001:db8::1]:80"),
            ("[::1:80", form),
            ("::1]:80", form),
            ("[h]:80", form),
            ("a:b:80", form),
        ] {
            let error = listen(text).expect_err(text);
            assert_eq!(error, format!("--listen {text}: {why}"));
        }
        for (text, shown) in [
            ("h:0", "h:0"),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            ("[::]:8080", "[::]:8080"),
            ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ] {
            assert_eq!(listen(text).map(|target| target.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn a_wrong_url_of_a_database_is_said_with_what_to_write_and_not_repeated() {
        let port = "its port is not a number from 1 to 65535";
        for (url, why) in [
            ("http://u:pa#secret@h/db", "a # in a user, a password or a name is written %23"),
            ("http://u:pa?secret@h/db", "a ? in a user, a password or a name is written %3F"),
            ("http://u:pa secret@h/db", "a blank in a user, a password or a name is written %20"),
            ("http://u:pa/secret@h/db", "a / in a user or a password is written %2F"),
            ("http://u:secret@h:99999/db", port),
            ("http://[::1]:99999/db", port),
            ("http://u:secret@h", "it names no database: http://host:5984/database"),
            ("h/db", "it is not of the form http://user:password@host:5984/database"),
            ("ftp://u:secret@h/db", "its scheme is not http or https"),
        ] {
            assert_eq!(couch(url).err(), Some(format!("--couch: {why}")), "{url}");
        }
        assert!(couch("http://u:p%2Fa%23@h:5984/db").is_ok());
    }

    #[test]
    fn a_time_that_is_too_short_was_silently_made_longer() {
        let least = Duration::from_millis(100);
        let error = seconds("retry-cap", "0.001", least).expect_err("it is too short");
        let why = "it is not a number of seconds from 0.1 to 86400";
        assert_eq!(error, format!("--retry-cap 0.001: {why}"));
        assert_eq!(seconds("retry-cap", "0.1", least), Ok(least));
        assert!(seconds("long-poll", "0.001", TIME_MIN).is_ok());
        assert!(seconds("long-poll", "0.0009", TIME_MIN).is_err());
        assert!(seconds("long-poll", "86400", TIME_MIN).is_ok());
        assert!(seconds("long-poll", "86400.1", TIME_MIN).is_err());
    }
}
