//! The rules. Most are rows of a table: change the row to change the rule.

use super::source::{Source, holds};

/// Most columns of a line in a text that people read.
const COLUMNS_MAX: usize = 100;

/// Words that some part of the code does without.
struct Ban {
    words: &'static [&'static str],
    /// Where.
    under: &'static [&'static str],
    /// Where not.
    except: &'static [&'static str],
    /// True if tests must not use them either.
    tests_too: bool,
    /// The rule, as a finding prints it.
    rule: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        words: &["mio"],
        under: &["src/", "couch-feed/src/", "couch-mem/src/", "dashboard/src/", "examples/"],
        except: &["src/reactor/"],
        tests_too: true,
        rule: "only src/reactor names mio",
    },
    Ban {
        words: &["Instant::now", "SystemTime::now"],
        under: &["src/", "couch-feed/src/", "couch-mem/src/", "dashboard/src/"],
        except: &["src/reactor/driver.rs"],
        tests_too: false,
        rule: "only src/reactor/driver.rs reads the clock; elsewhere the time is given",
    },
    Ban {
        words: &["thread::spawn", "thread::Builder", "thread::scope"],
        under: &["src/"],
        except: &["src/reactor/net/system.rs", "src/sessions/changes_feed/checkpoint_file.rs"],
        tests_too: false,
        rule: "only names and checkpoints have a thread: everything else runs on the reactor's",
    },
    Ban {
        words: &["mio", "std::net", "std::fs", "std::os", "socket2"],
        under: &["src/reactor/kernel/", "src/reactor/cx/", "src/reactor/tables/"],
        except: &[],
        tests_too: false,
        rule: "the kernel opens no socket and no file: src/reactor/net does",
    },
    Ban {
        words: &[
            "Rc<",
            "Rc::",
            "RefCell",
            "static mut",
            "thread_local!",
            "LazyLock",
            "OnceLock",
            "AtomicUsize",
            "AtomicU64",
            "AtomicBool",
        ],
        under: &["src/", "couch-feed/src/", "couch-mem/src/"],
        except: &[],
        tests_too: false,
        rule: "state is owned by one session: no shared or global state",
    },
    Ban {
        words: &[".unwrap()"],
        under: &["src/", "couch-feed/src/", "couch-mem/src/", "dashboard/src/"],
        except: &[],
        tests_too: false,
        rule: "no unwrap: an error, or expect with the reason why it cannot happen",
    },
    Ban {
        words: &["sleep("],
        under: &[
            "src/",
            "couch-feed/src/",
            "couch-mem/src/",
            "dashboard/src/",
            "examples/",
            "tests/",
            "dashboard/tests/",
        ],
        except: &["tests/it/support/wait.rs"],
        tests_too: true,
        rule: "nothing sleeps: a handler sets a timer, a test waits for a condition",
    },
    Ban {
        words: &["std::net", "std::fs", "std::thread"],
        under: &["couch-feed/src/", "couch-mem/src/"],
        except: &[],
        tests_too: false,
        rule: "couch-feed and couch-mem do no I/O",
    },
    Ban {
        words: &["http::"],
        under: &["couch-mem/src/store/"],
        except: &[],
        tests_too: true,
        rule: "the store is below the API and knows no HTTP",
    },
];

/// Hosts that a text of ours never needs to name: which registry is used is for the user to say.
const HOSTS: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
];

/// The most lines of a file; the first row that fits holds.
const LINES_MAX: &[(Fits, usize)] = &[
    (|source| source.path == "README.md", 120),
    (|source| source.path.ends_with("ARCHITECTURE.md"), 200),
    (|source| source.path == "CONTRIBUTING.md", 150),
    (|source| source.ending() == "rs" && source.path.split('/').any(is_tests), 800),
    (|source| source.ending() == "rs", 400),
];

type Fits = fn(&Source) -> bool;

fn is_tests(part: &str) -> bool {
    part == "tests" || part == "tests.rs"
}

/// White space, columns, hosts: rules about any text.
pub(super) fn text(source: &Source, report: &mut dyn FnMut(usize, String)) {
    let path = source.path.as_str();
    let is_lock = path.ends_with("package-lock.json");
    let is_narrow = ["rs", "md", "mjs", "js", "css", "html"].contains(&source.ending());
    for (line, number) in source.lines.iter().zip(1..) {
        let text = line.text.as_str();
        if text.ends_with(char::is_whitespace) && !is_lock {
            report(number, "white space ends the line".into());
        }
        // A table of Markdown and an address cannot be broken.
        let is_one_piece = source.ending() == "md" && text.starts_with('|') || text.contains("://");
        let columns = text.chars().count();
        if is_narrow && !is_one_piece && columns > COLUMNS_MAX {
            report(number, format!("{columns} columns, at most {COLUMNS_MAX}"));
        }
        if let Some(host) = HOSTS.iter().find(|host| text.contains(**host)) {
            report(number, format!("names {host}: which registry is used is for the user to say"));
        }
        if is_lock && text.trim_start().starts_with("\"resolved\": \"http") {
            report(number, "a lock names no registry: omit-lockfile-registry-resolved=true".into());
        }
    }
}

/// Files stay small enough to be read in one go.
pub(super) fn length(source: &Source, report: &mut dyn FnMut(usize, String)) {
    let lines = source.lines.len();
    if let Some((_, max)) = LINES_MAX.iter().find(|(fits, _)| fits(source))
        && lines > *max
    {
        report(lines, format!("{lines} lines, at most {max}"));
    }
}

/// The table of banned words, in the code and not in the comments.
pub(super) fn names(source: &Source, report: &mut dyn FnMut(usize, String)) {
    if source.ending() != "rs" {
        return;
    }
    let holds_here = |ban: &&Ban| source.is_under(ban.under) && !source.is_under(ban.except);
    for ban in BANS.iter().filter(holds_here) {
        for (line, number) in source.lines.iter().zip(1..) {
            if line.is_test && !ban.tests_too {
                continue;
            }
            if let Some(word) = ban.words.iter().find(|word| holds(&line.code, word)) {
                report(number, format!("`{word}`: {}", ban.rule));
            }
        }
    }
}

/// A file begins with its purpose; a crate without unsafe code forbids it.
pub(super) fn opening(source: &Source, report: &mut dyn FnMut(usize, String)) {
    if source.ending() != "rs" {
        return;
    }
    if !source.lines.first().is_some_and(|line| line.text.starts_with("//! ")) {
        report(1, "a file begins with `//!` and what it is for".into());
    }
    let is_root = ["src/lib.rs", "src/main.rs"].iter().any(|root| source.path.ends_with(root));
    let is_safe = source.lines.iter().any(|line| line.text == "#![forbid(unsafe_code)]");
    if is_root && !is_safe && !source.is_under(&["bench/"]) {
        report(1, "a crate's root has `#![forbid(unsafe_code)]`".into());
    }
}

/// The constants of `limits` that no row of a table in `table` names.
pub(super) fn undocumented_limits(limits: &Source, table: &Source) -> Vec<(usize, String)> {
    let rows: Vec<&str> = table.lines.iter().map(|line| line.text.as_str()).collect();
    let is_told = |name: &str| {
        rows.iter().any(|row| row.starts_with('|') && row.contains(&format!("`{name}`")))
    };
    let constants = limits.lines.iter().zip(1..).filter_map(|(line, number)| {
        let rest = line.code.trim_start().strip_prefix("pub const ")?;
        let (name, _) = rest.split_once(':')?;
        Some((number, name.trim()))
    });
    constants
        .filter(|(_, name)| !is_told(name))
        .map(|(number, name)| (number, format!("`{name}` is in no table of {}", table.path)))
        .collect()
}
