//! The programs that the tests need and Cargo does not bring: Node with two sets of packages,
//! Chromium, and proxies and attackers of other projects.

use crate::run::{Failure, cargo, program, root};
use std::fs;
use std::path::{Path, PathBuf};

const NODE_MAJOR_MIN: u32 = 20;

/// Folders with a `package-lock.json`; both hold only what tests run.
const PACKAGES: &[&str] = &["tests/servers", "tests/browser"];

/// The names under which systems know Chromium, most specific first.
const CHROMIUM: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Programs of others that the dashboard is tested with, and Debian's packages of them.
const PEERS: &[(&str, &str)] = &[
    ("ab", "apache2-utils"),
    ("curl", "curl"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx"),
    ("slowhttptest", "slowhttptest"),
    ("wrk", "wrk"),
];

/// Checks for the tools, and installs what can be installed without a question.
pub(crate) fn prepare() -> Result<(), Failure> {
    for (component, probe) in [("rustfmt", "fmt --version"), ("clippy", "clippy --version")] {
        if cargo(probe).read().is_err() {
            return missing(&format!("{component}: rustup component add {component}"));
        }
    }
    node()?;
    for folder in PACKAGES {
        packages(&root().join(folder))?;
    }
    if chromium().is_none() {
        install_chromium()?;
    }
    Ok(())
}

/// A Chromium that starts, by its whole path: `$CHROMIUM`, or else the first of the usual names.
pub(crate) fn chromium() -> Option<PathBuf> {
    // Some systems install a stub that only explains how to get the real one, so it must answer.
    let answers = |path: &PathBuf| program(path, "--version").read().is_ok();
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named)).filter(answers);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    // Joining an absolute path to a folder returns the path itself.
    let usual = CHROMIUM.iter().flat_map(|name| folders.iter().map(move |at| at.join(name)));
    usual.filter(|path| path.is_file()).find(answers)
}

fn node() -> Result<(), Failure> {
    let wanted = format!("Node {NODE_MAJOR_MIN} or later with npm: https://nodejs.org");
    let version = program(Path::new("node"), "--version").read().unwrap_or_default();
    match node_major(&version) {
        Some(major) if major >= NODE_MAJOR_MIN => {}
        Some(_) => return missing(&format!("{wanted} (this is {version})")),
        None => return missing(&wanted),
    }
    match program(Path::new("npm"), "--version").read() {
        Ok(_) => Ok(()),
        Err(_) => missing(&wanted),
    }
}

fn node_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Installs the packages of `folder`, unless the installed ones came from the same lock.
fn packages(folder: &Path) -> Result<(), Failure> {
    let lock = folder.join("package-lock.json");
    let lock = fs::read(&lock)
        .map_err(|error| Failure(format!("cannot read {}: {error}", lock.display())))?;
    let installed = folder.join("node_modules/.installed-package-lock.json");
    if fs::read(&installed).is_ok_and(|earlier| earlier == lock) {
        return Ok(());
    }
    program(Path::new("npm"), "ci --omit=optional --no-audit --no-fund --ignore-scripts")
        .within(folder)
        .run()?;
    fs::create_dir_all(folder.join("node_modules"))
        .and_then(|()| fs::write(&installed, lock))
        .map_err(|error| Failure(format!("cannot write {}: {error}", installed.display())))
}

/// Installs those of [`PEERS`] that are not there.
pub(crate) fn prepare_peers() -> Result<(), Failure> {
    let absent = || -> Vec<&str> {
        let absent = PEERS.iter().filter(|(name, _)| !is_installed(name));
        absent.map(|(_, package)| *package).collect()
    };
    let packages = absent();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = format!("Debian's packages {}", packages.join(", "));
    install(&packages.join(" "), &wanted)?;
    if absent().is_empty() { Ok(()) } else { missing(&wanted) }
}

/// Debian keeps servers where only root looks.
fn is_installed(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    folders.any(|folder| folder.join(name).is_file())
}

fn install_chromium() -> Result<(), Failure> {
    if std::env::var_os("CHROMIUM").is_some() {
        return missing("the Chromium that CHROMIUM names: it does not answer to --version");
    }
    let wanted = "Chromium: install it, or give its path in CHROMIUM";
    install("chromium", wanted)?;
    match chromium() {
        Some(_) => Ok(()),
        None => missing(wanted),
    }
}

/// Installs packages as Debian does, if that is possible; otherwise reports `wanted` as missing.
fn install(packages: &str, wanted: &str) -> Result<(), Failure> {
    let is_root = program(Path::new("id"), "-u").read().is_ok_and(|user| user == "0");
    let can_sudo = || program(Path::new("sudo"), "-n true").read().is_ok();
    let sudo = match (is_root, program(Path::new("apt-get"), "--version").read()) {
        (true, Ok(_)) => "",
        (false, Ok(_)) if can_sudo() => "sudo -n ",
        _ => return missing(wanted),
    };
    // Another installation may hold the lock: wait for it rather than fail.
    for verb in ["update", &format!("install -y --no-install-recommends {packages}")] {
        let words = format!(
            "{sudo}env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q {verb}"
        );
        let (first, rest) = words.split_once(' ').expect("it has several words");
        program(Path::new(first), rest).run()?;
    }
    Ok(())
}

fn missing<T>(what: &str) -> Result<T, Failure> {
    Err(Failure(format!("missing is {what}")))
}

#[cfg(test)]
mod tests {
    use super::node_major;

    #[test]
    fn the_major_version_of_node_is_read() {
        assert_eq!(node_major("v20.20.2"), Some(20));
        assert_eq!(node_major("v8.0.0"), Some(8));
        assert_eq!(node_major(""), None, "not installed");
        assert_eq!(node_major("20"), None, "not what Node says");
    }
}
