//! Parses the values of options. A message names the option, the value, the mistake and, for the
//! usual mistakes, the correct form.

use crate::access_log::LogTarget;
use log::LevelFilter;
use masque::sessions::{Database, FeedMode};
use masque::wheels::Target;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ids that a document cannot have, because their paths are used. An id must also be one segment of
/// a path, because browsers and proxies change other paths.
const RESERVED: [&str; 4] = ["file", "favicon.ico", "health", "metrics"];

/// The shortest and the longest time of an option, unless the option has its own minimum.
pub(super) const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// Parses a database. No message repeats the URL, because it contains a password.
pub(super) fn couch(url: &str) -> Result<Database, String> {
    url.parse().map_err(|error| match fault_of_url(url) {
        Some(fault) => format!("--couch: {fault}"),
        None => format!("--couch: {error}"),
    })
}

/// Returns a message for the usual mistakes in a URL.
fn fault_of_url(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    for (sign, code) in [('#', "%23"), ('?', "%3F"), (' ', "%20")] {
        if rest.contains(sign) {
            let sign = if sign == ' ' { "space".to_owned() } else { sign.to_string() };
            return Some(format!("write {code} for a {sign} in a user, a password or a name"));
        }
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') && !authority.contains('@') {
        return Some("write %2F for a / in a user or a password".to_owned());
    }
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    let (_, port) = host_port.rsplit_once(':').filter(|(_, port)| !port.contains(']'))?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && port.parse::<u16>().is_err())
        .then(|| "the port is not a number from 1 to 65535".to_owned())
}

/// Returns the database with its own certificate authority.
pub(super) fn with_authority(couch: Option<Database>, path: &Path) -> Result<Database, String> {
    let shown = path.display();
    let couch = couch.ok_or_else(|| format!("--couch-ca {shown}: needs --couch https://..."))?;
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(_) if !cfg!(feature = "tls") => vec![], // the missing feature is reported below
        Err(error) => return Err(format!("--couch-ca {shown}: {error}")),
    };
    couch.authority(&pem).map_err(|error| format!("--couch-ca {shown}: {error}"))
}

/// Adds a document to the shown ones.
pub(super) fn document(docs: &mut Vec<String>, id: String) -> Result<(), String> {
    let leads_elsewhere = id == "." || id == ".." || id.contains(['/', '\\', '\0']);
    if id.is_empty() || leads_elsewhere || RESERVED.contains(&id.as_str()) {
        return Err(format!("--doc {id}: no document can have this id in the dashboard"));
    }
    if docs.contains(&id) {
        return Err(format!("--doc {id} is given more than once"));
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
        return fault(format!("write an IPv6 address in brackets: [{address}]:{port}"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        if text.parse::<u16>().is_ok() {
            return fault(hosts(text));
        }
        return fault("not of the form host:port".to_owned());
    };
    let Ok(number) = port.parse::<u16>() else {
        return fault("the port is not a number from 0 to 65535".to_owned());
    };
    if host.is_empty() {
        return fault(hosts(port));
    }
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_bracketed = inner.is_some_and(|inner| inner.contains(':'));
    let host = inner.filter(|_| is_bracketed).unwrap_or(host);
    if host.contains(['[', ']']) || host.contains(':') && !is_bracketed {
        return fault("not of the form host:port".to_owned());
    }
    Ok(Target::Host(host.to_owned(), number))
}

/// Returns a message for a port without a host.
fn hosts(port: &str) -> String {
    format!("no host: write [::]:{port} for all addresses or 127.0.0.1:{port} for this machine")
}

pub(super) fn feed_mode(text: &str) -> Result<FeedMode, String> {
    let named = FeedMode::ALL.into_iter().find(|mode| mode.name() == text);
    named.ok_or_else(|| {
        let names = FeedMode::ALL.map(FeedMode::name).join(", ");
        format!("--feed {text}: not one of {names}")
    })
}

pub(super) fn seconds(name: &str, text: &str, least: Duration) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| (least..=TIME_MAX).contains(time))
        .ok_or_else(|| {
            let (least, most) = (least.as_secs_f64(), TIME_MAX.as_secs());
            format!("--{name} {text}: not a number of seconds from {least} to {most}")
        })
}

pub(super) fn log_target(path: PathBuf) -> Result<LogTarget, String> {
    match path.to_str() {
        Some("-") => Ok(LogTarget::Stdout),
        Some("") => Err("--access-log needs a file name".to_owned()),
        _ => Ok(LogTarget::File(path)),
    }
}

pub(super) fn folder(path: PathBuf) -> Result<PathBuf, String> {
    match path.metadata() {
        Ok(data) if data.is_dir() => Ok(path),
        Ok(_) => Err(format!("--files {}: not a folder", path.display())),
        Err(error) => Err(format!("--files {}: {error}", path.display())),
    }
}

pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse()
        .map_err(|_| format!("--log {text}: not one of off, error, warn, info, debug and trace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_listen_address_names_the_correct_form() {
        let form = "not of the form host:port";
        let port = "the port is not a number from 0 to 65535";
        for (text, why) in [
            ("", form),
            ("localhost", form),
            (
                "8080",
                "no host: write [::]:8080 for all addresses or 127.0.0.1:8080 for this machine",
            ),
            (":80", "no host: write [::]:80 for all addresses or 127.0.0.1:80 for this machine"),
            (":x", port),
            ("h:99999", port),
            ("h:-1", port),
            ("h:", port),
            ("::1:8080", "write an IPv6 address in brackets: [::1]:8080"),
            ("::1", "write an IPv6 address in brackets: [::1]:8080"),
            ("::", "write an IPv6 address in brackets: [::]:8080"),
            ("2001:db8::1:80", "write an IPv6 address in brackets: [2001:db8::1]:80"),
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
    fn an_error_in_a_url_names_the_correct_form_and_does_not_repeat_the_url() {
        let port = "the port is not a number from 1 to 65535";
        for (url, why) in [
            ("http://u:pa#secret@h/db", "write %23 for a # in a user, a password or a name"),
            ("http://u:pa?secret@h/db", "write %3F for a ? in a user, a password or a name"),
            ("http://u:pa secret@h/db", "write %20 for a space in a user, a password or a name"),
            ("http://u:pa/secret@h/db", "write %2F for a / in a user or a password"),
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
        let why = "not a number of seconds from 0.1 to 86400";
        assert_eq!(error, format!("--retry-cap 0.001: {why}"));
        assert_eq!(seconds("retry-cap", "0.1", least), Ok(least));
        assert!(seconds("long-poll", "0.001", TIME_MIN).is_ok());
        assert!(seconds("long-poll", "0.0009", TIME_MIN).is_err());
        assert!(seconds("long-poll", "86400", TIME_MIN).is_ok());
        assert!(seconds("long-poll", "86400.1", TIME_MIN).is_err());
    }
}
