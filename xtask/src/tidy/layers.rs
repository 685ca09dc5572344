//! Which part of the code may name which: the architecture as a table.
//!
//! A part is a module with the modules in it. A file names another part by a path in its code:
//! `crate::...`, `super::...`, or the name of another crate of the workspace. Names that
//! `src/reactor/mod.rs` exports are counted for the part that defines them. Unit tests are not
//! checked, because a test may use a whole kernel.

use super::source::Source;
use std::collections::HashMap;

/// A part, and the parts that it may name besides itself.
struct Part {
    /// Its path, as in the code: the crate, then modules.
    path: &'static str,
    /// Paths of parts. A path stands for all parts in it.
    may_name: &'static [&'static str],
}

/// Every part. The deepest one that fits holds.
const PARTS: &[Part] = &[
    // The floor: none of these names a part above it.
    Part { path: "masque::limits", may_name: &[] },
    Part { path: "masque::fnv", may_name: &[] },
    Part { path: "masque::deadline", may_name: &[] },
    Part { path: "masque::reactor::ids", may_name: &[] },
    Part { path: "masque::reactor::shrink", may_name: &[] },
    Part { path: "masque::reactor::histogram", may_name: &[] },
    Part { path: "masque::reactor::event", may_name: &["masque::fnv"] },
    Part { path: "masque::reactor::config", may_name: &["masque::limits"] },
    Part { path: "masque::reactor::log_limit", may_name: &["masque::limits"] },
    Part { path: "masque::reactor::error", may_name: &["masque::reactor::ids"] },
    Part {
        path: "masque::reactor::release",
        may_name: &["masque::reactor::ids", "masque::reactor::shrink"],
    },
    // The network and the tables know ids and nothing else of the kernel.
    Part {
        path: "masque::reactor::net",
        may_name: &["masque::limits", "masque::reactor::ids", "masque::reactor::release"],
    },
    Part {
        path: "masque::reactor::tables",
        may_name: &[
            "masque::fnv",
            "masque::reactor::ids",
            "masque::reactor::net::readiness",
            "masque::reactor::shrink",
        ],
    },
    // The kernel and what a handler sees of it need each other.
    Part { path: "masque::reactor::session", may_name: KERNEL },
    Part { path: "masque::reactor::kernel", may_name: KERNEL },
    Part { path: "masque::reactor::cx", may_name: KERNEL },
    Part { path: "masque::reactor::run_error", may_name: KERNEL },
    Part { path: "masque::reactor::wheel", may_name: KERNEL },
    // What drives a kernel.
    Part { path: "masque::reactor::driver", may_name: DRIVER },
    Part { path: "masque::reactor::rig", may_name: DRIVER },
    Part { path: "masque::reactor", may_name: &["masque::reactor"] },
    // Above the reactor, and next to it.
    Part { path: "masque::filters", may_name: &["masque::limits"] },
    Part { path: "masque::testing", may_name: &["masque::filters"] },
    Part {
        path: "masque::wheels",
        may_name: &["masque::filters", "masque::reactor", "masque::limits", "masque::deadline"],
    },
    Part {
        path: "masque::sessions::changes_feed",
        may_name: &[
            "masque::filters",
            "masque::reactor",
            "masque::wheels",
            "masque::limits",
            "couch_feed",
        ],
    },
    Part {
        path: "masque::sessions",
        may_name: &["masque::filters", "masque::reactor", "masque::wheels", "masque::limits"],
    },
    Part { path: "masque", may_name: &["masque", "couch_feed"] },
    // The other crates.
    Part { path: "couch_feed", may_name: &[] },
    Part { path: "couch_mem::store", may_name: &["couch_mem::limits", "couch_mem::fnv"] },
    Part { path: "couch_mem", may_name: &["couch_mem"] },
    Part { path: "dashboard", may_name: &["masque", "couch_mem"] },
];

const KERNEL: &[&str] = &[
    "masque::limits",
    "masque::reactor::config",
    "masque::reactor::cx",
    "masque::reactor::error",
    "masque::reactor::event",
    "masque::reactor::histogram",
    "masque::reactor::ids",
    "masque::reactor::kernel",
    "masque::reactor::net",
    "masque::reactor::release",
    "masque::reactor::run_error",
    "masque::reactor::session",
    "masque::reactor::shrink",
    "masque::reactor::tables",
    "masque::reactor::wheel",
];

const DRIVER: &[&str] = &["masque::reactor", "masque::limits", "masque::deadline"];

/// The crates that are checked, and the folders of their code.
const CRATES: &[(&str, &str)] = &[
    ("src/", "masque"),
    ("couch-feed/src/", "couch_feed"),
    ("couch-mem/src/", "couch_mem"),
    ("dashboard/src/", "dashboard"),
];

/// The module of a file, as a path; `None` for a file of no checked crate.
fn module(path: &str) -> Option<String> {
    let (folder, name) = CRATES.iter().find(|(folder, _)| path.starts_with(folder))?;
    let inside = path.strip_prefix(folder)?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside).replace('/', "::");
    match inside.as_str() {
        "lib" | "main" => Some((*name).to_owned()),
        inside => Some(format!("{name}::{inside}")),
    }
}

/// The deepest part that has `path` in it.
fn part(path: &str) -> Option<&'static Part> {
    let fits = |part: &&Part| is_in(path, part.path);
    PARTS.iter().filter(fits).max_by_key(|part| part.path.len())
}

fn is_in(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Reports each place where a part names one that it may not name, and each module without a part.
pub(super) fn check(sources: &[Source], report: &mut dyn FnMut(&str, usize, String)) {
    let exports = exports(sources);
    for source in sources {
        let Some(module) = module(&source.path) else { continue };
        let Some(own) = part(&module) else {
            report(&source.path, 1, format!("{module} is in no part of the table of layers"));
            continue;
        };
        for (number, path) in paths(source) {
            let Some(named) = resolve(&module, &path, &exports) else { continue };
            let is_allowed = is_in(&named, own.path)
                || own.may_name.iter().any(|allowed| is_in(&named, allowed));
            if !is_allowed {
                let allowed = match own.may_name {
                    [] => "no other part".to_owned(),
                    names => names.join(", "),
                };
                let rule = format!("{} names {named}, and may name {allowed}", own.path);
                report(&source.path, number, rule);
            }
        }
    }
}

/// What `mod.rs` of the reactor exports, and where each name is defined.
fn exports(sources: &[Source]) -> HashMap<String, String> {
    let mut exports = HashMap::new();
    let root = sources.iter().find(|source| source.path == "src/reactor/mod.rs");
    for (_, path) in root.into_iter().flat_map(paths_of_uses) {
        if let Some((module, name)) = path.rsplit_once("::") {
            exports.insert(name.to_owned(), format!("masque::reactor::{module}"));
        }
    }
    // The network's own module exports one name that the tables use.
    exports.insert("net::Readiness".to_owned(), "masque::reactor::net::readiness".to_owned());
    exports
}

/// The absolute path that `path` means in `module`.
fn resolve(module: &str, path: &str, exports: &HashMap<String, String>) -> Option<String> {
    let crate_name = module.split("::").next()?;
    let mut absolute = if let Some(rest) = path.strip_prefix("crate::") {
        format!("{crate_name}::{rest}")
    } else if path.starts_with("super::") {
        let (mut module, mut rest) = (module, path);
        while let Some(inner) = rest.strip_prefix("super::") {
            (module, rest) = (module.rsplit_once("::")?.0, inner);
        }
        format!("{module}::{rest}")
    } else {
        let first = path.split("::").next()?;
        let is_other = CRATES.iter().any(|(_, name)| *name == first && *name != crate_name);
        return is_other.then(|| path.to_owned());
    };
    if let Some(name) = absolute.strip_prefix("masque::reactor::") {
        let exported = exports.get(name).or_else(|| exports.get(name.split("::").next()?));
        if let Some(defined) = exported {
            absolute.clone_from(defined);
        }
    }
    Some(absolute)
}

/// Every path in the code of a file that may name another part, with the number of its line.
fn paths(source: &Source) -> Vec<(usize, String)> {
    let mut paths = paths_of_uses(source);
    let mut in_use = false;
    for (line, number) in source.lines.iter().zip(1..) {
        let starts_use = is_use(&line.code);
        in_use |= starts_use;
        if !in_use && !line.is_test {
            // A visibility names no other part.
            let code = line.code.replace("pub(in crate::reactor)", "pub");
            paths.extend(words(&code).map(|path| (number, path.to_owned())));
        }
        in_use &= !line.code.contains(';');
    }
    paths
}

fn is_use(code: &str) -> bool {
    let code = code.trim_start();
    let code = code.strip_prefix("pub").map_or(code, |rest| {
        rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(rest, |(_, rest)| rest)
    });
    code.trim_start().starts_with("use ")
}

/// The paths in a line of code that is no `use`.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(move |c| !is_path(c)).filter(|word| word.contains("::"))
}

/// The paths of all `use` declarations, with braces written out.
fn paths_of_uses(source: &Source) -> Vec<(usize, String)> {
    let mut paths = vec![];
    let mut current: Option<(usize, String)> = None;
    for (line, number) in source.lines.iter().zip(1..) {
        if current.is_none() && !line.is_test && is_use(&line.code) {
            current = Some((number, String::new()));
        }
        let Some((start, mut text)) = current.take() else { continue };
        text.push_str(line.code.trim());
        match text.split_once(';') {
            Some((text, _)) => {
                let tree = text.split_once("use ").map_or("", |(_, tree)| tree);
                expand("", tree, &mut |path| paths.push((start, path)));
            }
            None => current = Some((start, text)),
        }
    }
    paths
}

/// Writes out a tree such as `a::{b, c::{d, e}}`.
fn expand(prefix: &str, tree: &str, each: &mut dyn FnMut(String)) {
    let Some((stem, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = path.strip_suffix("::self").unwrap_or(path);
        return each(format!("{prefix}{path}"));
    };
    let inside = rest.strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = inside[from..at].trim();
                if !branch.is_empty() {
                    expand(&format!("{prefix}{}", stem.trim()), branch, each);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, code: &str) -> Vec<String> {
        let exports = "mod cx;\npub use cx::{Cx, Hold};\npub use net::{Endpoint, Readiness};\n";
        let sources = [Source::new("src/reactor/mod.rs", exports), Source::new(path, code)];
        let mut found = vec![];
        check(&sources, &mut |path, line, rule| found.push(format!("{path}:{line}: {rule}")));
        found
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        for (path, code, named) in [
            ("src/reactor/net/socket.rs", "use crate::reactor::kernel::Kernel;", "kernel::Kernel"),
            ("src/reactor/net/socket.rs", "use super::super::cx::Cx;", "cx::Cx"),
            ("src/reactor/net/mod.rs", "fn f(_: &mut crate::reactor::Cx<'_>) {}", "cx"),
            ("src/reactor/tables/slots.rs", "use crate::reactor::{\n    Hold,\n};", "cx"),
            ("src/reactor/tables/slots.rs", "use crate::reactor::net::Endpoint;", "net::Endpoint"),
            ("src/limits.rs", "use crate::filters::Marks;", "masque::filters::Marks"),
            ("src/reactor/ids.rs", "use super::shrink::{A, b::{C, D}};", "shrink::b::D"),
            ("src/reactor/kernel/mod.rs", "use crate::wheels::ReadWrite;", "masque::wheels"),
            ("src/filters/line.rs", "use crate::reactor::Cx;", "masque::reactor::cx"),
            ("src/wheels/mod.rs", "use crate::sessions::Peer;", "masque::sessions"),
            ("src/wheels/mod.rs", "use couch_feed::Seq;", "couch_feed::Seq"),
            ("couch-feed/src/row.rs", "use masque::filters::Lines;", "masque::filters"),
            ("couch-mem/src/store/mod.rs", "use crate::api::Couch;", "couch_mem::api"),
            ("dashboard/src/app.rs", "use couch_feed::Seq;", "couch_feed::Seq"),
        ] {
            let found = broken(path, code);
            assert!(found.iter().any(|rule| rule.contains(named)), "{path}: {code}: {found:?}");
        }
    }

    #[test]
    fn arrows_of_the_table_comments_and_unit_tests_are_allowed() {
        for (path, code) in [
            ("src/reactor/net/socket.rs", "use crate::reactor::ids::WheelToken;"),
            ("src/reactor/net/socket.rs", "use super::endpoint::Endpoint;"),
            ("src/reactor/net/socket.rs", "/// See [`Cx`](crate::reactor::Cx)."),
            ("src/reactor/tables/wheels.rs", "use crate::reactor::net::Readiness;"),
            ("src/filters/line.rs", "#[cfg(test)]\nmod tests {\n    use crate::reactor::Rig;\n}"),
            ("src/wheels/listener.rs", "use crate::reactor::{Cx, Readiness};"),
            ("dashboard/src/app.rs", "use masque::couch_feed::Seq;"),
            ("tests/it/main.rs", "use masque::anything;"),
        ] {
            assert_eq!(broken(path, code), [""; 0], "{path}: {code}");
        }
    }
}
