//! Each rule on a text that keeps it and on one that breaks it.

use super::findings;
use super::source::Source;

/// The findings in one file, as `LINE: RULE`.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let found: Vec<String> = findings(&[Source::new(path, text)])
        .into_iter()
        .map(|finding| format!("{}: {}", finding.line, finding.rule))
        .collect();
    assert_eq!(found.len(), expected.len(), "{path}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{path}: {found:?} should hold {expected:?}");
    }
}

#[test]
fn white_space_at_the_end_of_a_line() {
    check("src/a.rs", "//! A.\nlet a = 1;\n", &[]);
    check("src/a.rs", "//! A.\nlet a = 1; \n\t\n", &["2: white space", "3: white space"]);
    check("README.md", "two blanks  \n", &["1: white space"]);
    check("src/a.rs", "//! A.\r\n", &["1: white space"]);
}

#[test]
fn columns() {
    let row = |length: usize| format!("//! {}\n", "é".repeat(length - 4));
    check("src/a.rs", &row(100), &[]);
    check("src/a.rs", &row(101), &["1: 101 columns"]);
    check("docs/limits.md", &format!("| {} |\n", "a".repeat(100)), &[]);
    check("docs/limits.md", &"a".repeat(101), &["1: 101 columns"]);
    check("src/a.rs", &format!("//! https://{}\n", "a".repeat(100)), &[]);
    check("Cargo.toml", &"a".repeat(101), &[]);
}

#[test]
fn lines() {
    let text = |lines: usize| format!("//! A.\n{}", "A.\n".repeat(lines - 1));
    check("src/a.rs", &text(400), &[]);
    check("src/a.rs", &text(401), &["401: 401 lines, at most 400"]);
    check("dashboard/src/a.rs", &text(401), &["401 lines"]);
    check("src/a/tests.rs", &text(800), &[]);
    check("src/a/tests.rs", &text(801), &["801 lines, at most 800"]);
    check("README.md", &text(121), &["121 lines, at most 120"]);
    check("ARCHITECTURE.md", &text(201), &["201 lines, at most 200"]);
    check("dashboard/ARCHITECTURE.md", &text(201), &["201 lines, at most 200"]);
    check("CONTRIBUTING.md", &text(151), &["151 lines, at most 150"]);
    check("docs/a.md", &text(1000), &[]);
}

#[test]
fn a_file_says_first_what_it_is_for() {
    check("src/a.rs", "use b;\n", &["1: a file begins with `//!`"]);
    check("src/a.rs", "", &["1: a file begins with `//!`"]);
    check("examples/a.rs", "//! A.\n", &[]);
}

#[test]
fn a_crate_forbids_unsafe_code() {
    let safe = "//! A.\n#![forbid(unsafe_code)]\n";
    for root in ["src/lib.rs", "dashboard/src/main.rs", "xtask/src/main.rs"] {
        check(root, safe, &[]);
        check(root, "//! A.\n", &["forbid(unsafe_code)"]);
    }
    check("bench/src/main.rs", "//! A.\n", &[]);
}

#[test]
fn words_that_a_part_of_the_code_does_without() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("src/wheels/a.rs", "use mio::Token;", &["2: `mio`: only src/reactor"]),
        ("src/reactor/a.rs", "use mio::Token;", &[]),
        ("src/wheels/a.rs", "use signal_hook_mio::v1_0;", &[]),
        ("src/wheels/a.rs", "// mio is edge-triggered", &[]),
        ("src/reactor/a.rs", "let now = Instant::now();", &["driver.rs reads the clock"]),
        ("src/reactor/driver.rs", "let now = Instant::now();", &[]),
        ("dashboard/src/a.rs", "let now = SystemTime::now();", &["driver.rs reads the clock"]),
        ("xtask/src/a.rs", "let now = Instant::now();", &[]),
        ("src/a.rs", "state: Rc<State>,", &["`Rc<`"]),
        ("src/a.rs", "state: Arc<State>,", &[]),
        ("src/a.rs", "thread_local! {", &["`thread_local!`"]),
        ("src/a.rs", "a.unwrap()", &["2: `.unwrap()`"]),
        ("src/a.rs", "a.unwrap_or(1)", &[]),
        ("src/a.rs", "/// let b = a.unwrap();", &[]),
        ("src/a.rs", "let url = \"http://a\"; a.unwrap()", &["`.unwrap()`"]),
        ("src/a.rs", "#[cfg(test)]\nmod tests {\n    a.unwrap()", &[]),
        ("src/a.rs", "#[cfg(test)]\npub(crate) mod rig {\n    a.unwrap()", &[]),
        ("src/a.rs", "#[cfg(test)]\nmod tests;\na.unwrap()", &["4: `.unwrap()`"]),
        ("src/a/tests.rs", "a.unwrap()", &[]),
        ("tests/it/a.rs", "thread::sleep(second);", &["2: `sleep(`: nothing sleeps"]),
        ("tests/it/support/wait.rs", "thread::sleep(moment);", &[]),
        ("src/a.rs", "#[cfg(test)]\nmod tests {\n    sleep(second)", &["4: `sleep(`"]),
        ("couch-mem/src/a.rs", "use std::net::TcpStream;", &["do no I/O"]),
        ("couch-feed/src/a.rs", "use masque::sessions::Seq;", &["may name no other part"]),
        ("couch-mem/src/store/a.rs", "use http::Request;", &["knows no HTTP"]),
        ("couch-mem/src/api/a.rs", "use http::Request;", &[]),
        ("src/wheels/a.rs", "std::thread::spawn(work);", &["have a thread"]),
        ("src/reactor/net/system.rs", "std::thread::spawn(work);", &[]),
        ("src/reactor/kernel/a.rs", "use std::net::TcpStream;", &["opens no socket"]),
        ("src/wheels/a.rs", "static A: AtomicU64 = AtomicU64::new(0);", &["no shared or global"]),
        ("src/filters/a.rs", "use crate::reactor::Cx;", &["masque::filters names"]),
        ("src/filters/a.rs", "//! See [wheels](crate::wheels).", &[]),
        ("src/reactor/a.rs", "use crate::wheels::Listener;", &["may name"]),
        ("src/reactor/a.rs", "use crate::filters::Filter;", &["masque::reactor names"]),
        ("src/wheels/a.rs", "use crate::sessions::TcpServer;", &["masque::wheels names"]),
        ("src/sessions/a.rs", "use crate::wheels::Listener;", &[]),
    ];
    for (path, code, expected) in rows {
        check(path, &format!("//! A.\n{code}\n"), expected);
    }
}

#[test]
fn no_text_names_a_registry() {
    let host = concat!("registry.", "npmjs.org");
    check("README.md", &format!("see https://{host}/nano\n"), &["1: names registry"]);
    let resolved = "  \"resolved\": \"https://mirror.example/nano.tgz\",\n";
    check("tests/servers/package-lock.json", resolved, &["1: a lock names no registry"]);
    check("tests/servers/package-lock.json", "  \"version\": \"1.0.0\",\n", &[]);
}

#[test]
fn every_limit_is_in_the_table() {
    let limits = "//! Limits.\npub const A_BYTES_MAX: usize = 1;\npub const B: u32 = 2;\n";
    let limits = || Source::new("src/limits.rs", limits);
    let found = |table| findings(&[limits(), Source::new("docs/limits.md", table)]);
    assert_eq!(found("| `A_BYTES_MAX` | 1 |\n| `B` | 2 |\n"), []);
    let missing = found("| `A_BYTES_MAX` | 1 |\n\nThe text names `B`.\n");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].to_string(), "src/limits.rs:3: `B` is in no table of docs/limits.md");
    assert_eq!(findings(&[limits()]), [], "without a table there is no rule");
}
