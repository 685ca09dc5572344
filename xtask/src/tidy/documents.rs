//! Claims of the documents about the code that a search can check.
//!
//! Quoted names and steps exist. The architecture names every module and dependency. A changelog
//! has each heading once.

use super::source::{Source, holds};
use regex::Regex;
use std::collections::HashSet;

type Report<'a> = dyn FnMut(&str, usize, String) + 'a;

/// The documents whose quoted names must exist.
const QUOTING: &[&str] = &[
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "couch-feed/README.md",
    "couch-mem/README.md",
    "dashboard/ARCHITECTURE.md",
    "docs/",
];

/// Names of other projects, and examples of names, that only documents mention.
const FOREIGN: &[&str] = &[
    "--inclusive",
    "--sort",
    "callgrind_annotate",
    "inline_states",
    "poe_kernel",
    "proxy_http_version",
    "proxy_pass",
    "proxy_set_header",
];

/// Folders whose modules an architecture names, and its file.
const DESCRIBED: &[(&str, &str)] = &[
    ("src/", "ARCHITECTURE.md"),
    ("couch-feed/src/", "ARCHITECTURE.md"),
    ("dashboard/src/", "dashboard/ARCHITECTURE.md"),
    ("dashboard/page/", "dashboard/ARCHITECTURE.md"),
];

/// Manifests whose dependencies a section "Dependencies" names, in one of these documents.
const MANIFESTS: &[(&str, &[&str])] = &[
    ("Cargo.toml", &["ARCHITECTURE.md"]),
    ("couch-feed/Cargo.toml", &["ARCHITECTURE.md"]),
    ("couch-mem/Cargo.toml", &["ARCHITECTURE.md", "dashboard/ARCHITECTURE.md"]),
    ("dashboard/Cargo.toml", &["ARCHITECTURE.md", "dashboard/ARCHITECTURE.md"]),
];

/// Checks the documents among `sources` against the code among them.
pub(super) fn check(sources: &[Source], steps: &[&str], report: &mut Report<'_>) {
    for source in sources.iter().filter(|source| source.path.ends_with("CHANGELOG.md")) {
        headings(source, report);
    }
    for (folder, document) in DESCRIBED {
        if let Some(document) = sources.iter().find(|source| source.path == *document) {
            modules(sources, folder, document, report);
        }
    }
    for (manifest, documents) in MANIFESTS {
        if let Some(manifest) = sources.iter().find(|source| source.path == *manifest) {
            dependencies(manifest, documents, sources, report);
        }
    }
    let quotes = Quotes::new();
    let quoting = |source: &&Source| source.ending() == "md" && source.is_under(QUOTING);
    for document in sources.iter().filter(quoting) {
        quotes.check(document, sources, steps, report);
    }
}

/// Reports each heading that a release has twice.
fn headings(source: &Source, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (line, number) in source.lines.iter().zip(1..) {
        if line.text.starts_with("## ") {
            seen.clear();
        } else if line.text.starts_with("### ") && !seen.insert(line.text.as_str()) {
            report(&source.path, number, format!("a second `{}`", line.text));
        }
    }
}

/// Reports each module of `folder`, and each module in one of its folders, that `document` does not
/// name in backticks.
fn modules(sources: &[Source], folder: &str, document: &Source, report: &mut Report<'_>) {
    let text: Vec<&str> = document.lines.iter().map(|line| line.text.as_str()).collect();
    let text = text.join("\n");
    // A type stands for its module: `TcpServer` for `tcp_server`.
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let code: HashSet<String> = text.split('`').skip(1).step_by(2).map(plain).collect();
    let mut missing = HashSet::new();
    for source in sources.iter().filter(|source| ["rs", "js"].contains(&source.ending())) {
        let Some(inside) = source.path.strip_prefix(folder) else { continue };
        // Masque's folders are layers, so their modules are named too.
        let depth = if folder == "src/" { 2 } else { 1 };
        for part in inside.split('/').take(depth) {
            let name = part.rsplit_once('.').map_or(part, |(name, _)| name);
            let is_own = ["lib", "mod", "tests"].contains(&name);
            let is_named = is_own
                || code.contains(&plain(name))
                || code.contains(&plain(&format!("{folder}{part}")))
                || code.iter().any(|code| code.ends_with(&format!("::{}", plain(name))))
                || text.contains(&format!("{folder}{name}/"));
            if !is_named && missing.insert(name) {
                report(&source.path, 1, format!("{} does not name `{name}`", document.path));
            }
        }
    }
}

/// Reports each dependency that none of these documents names.
fn dependencies(
    manifest: &Source,
    documents: &[&str],
    sources: &[Source],
    report: &mut Report<'_>,
) {
    let mut text = String::new();
    for document in sources.iter().filter(|source| documents.contains(&&*source.path)) {
        let rows = document.lines.iter().skip_while(|line| line.text != "## Dependencies");
        rows.for_each(|line| text.push_str(&line.text));
    }
    let mut is_list = false;
    for (line, number) in manifest.lines.iter().zip(1..) {
        if line.text.starts_with('[') {
            is_list = line.text.ends_with("dependencies]");
            continue;
        }
        let Some((name, value)) = line.text.split_once(" = ").filter(|_| is_list) else { continue };
        let is_ours = value.contains("path = ");
        if !name.starts_with('#') && !is_ours && !text.contains(&format!("**{name}**")) {
            report(&manifest.path, number, format!("{} does not name **{name}**", documents[0]));
        }
    }
}

/// Finds the names in the quoted code of a document.
struct Quotes {
    name: Regex,
    step: Regex,
}

impl Quotes {
    fn new() -> Quotes {
        let compile = |pattern| Regex::new(pattern).expect("a test compiles the patterns");
        Quotes {
            // An option, a path of a file, or a name of code: with `::`, `_`, or two capitals.
            name: compile(concat!(
                r"--[a-z][a-z-]+|[\w-]+(?:/[\w.-]+)*/[\w-]+\.(?:rs|md|mjs|txt)",
                r"|\b[A-Za-z_]\w*(?:::\w+)+|\b[A-Za-z]+_\w+|\b[A-Z][a-z]+[A-Z]\w+",
            )),
            step: compile(r"cargo xtask test((?: [a-z]+)+)"),
        }
    }

    /// Reports each name that no other text has, and each step that `cargo xtask test` does not.
    fn check(
        &self,
        document: &Source,
        sources: &[Source],
        steps: &[&str],
        report: &mut Report<'_>,
    ) {
        let mut is_fenced = false;
        for (line, number) in document.lines.iter().zip(1..) {
            for found in self.step.captures_iter(&line.text) {
                for step in found[1].split_whitespace().filter(|step| !steps.contains(step)) {
                    report(&document.path, number, format!("there is no step `{step}`"));
                }
            }
            is_fenced ^= line.text.trim_start().starts_with("```");
            if is_fenced {
                continue;
            }
            for code in line.text.split('`').skip(1).step_by(2) {
                for name in self.name.find_iter(code).map(|name| name.as_str()) {
                    let is_known = FOREIGN.contains(&name) || name.ends_with('_');
                    if !is_known && !exists(name, sources) {
                        report(&document.path, number, format!("nothing is named `{name}`"));
                    }
                }
            }
        }
    }
}

/// Returns true if a file has this path, or if a text that is no document has each part of this
/// name as a word.
fn exists(name: &str, sources: &[Source]) -> bool {
    let is_file = |source: &Source| {
        source.path == name
            || source.path.ends_with(&format!("/{}", name.trim_start_matches("../")))
    };
    if name.contains('/') {
        return sources.iter().any(is_file);
    }
    name.split("::").all(|part| {
        sources.iter().filter(|source| source.ending() != "md").any(|source| {
            source.lines.iter().any(|line| holds(&line.text, part))
                || source.path.split(['/', '.']).any(|folder| folder == part)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{FOREIGN, check};
    use crate::tidy::source::Source;

    /// Checks the findings in these files, as `PATH:LINE: RULE`.
    #[track_caller]
    fn found(files: &[(&str, &str)], expected: &[&str]) {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let mut found = Vec::new();
        check(&sources, &["unit", "tls"], &mut |path, line, rule| {
            found.push(format!("{path}:{line}: {rule}"));
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn quoted_names_exist() {
        let code = ("src/a.rs", "struct HttpServer;\nimpl HttpServer { fn put_all() {} }\n");
        let quote = |text: &str, expected: &[&str]| {
            found(&[("README.md", text), code], expected);
        };
        quote("`HttpServer::put_all`, `src/a.rs` and `a.rs` exist\n", &[]);
        quote(
            "`HttpServer::put_none`\n",
            &["README.md:1: nothing is named `HttpServer::put_none`"],
        );
        quote("\n`src/b.rs`\n", &["README.md:2: nothing is named `src/b.rs`"]);
        quote("`run --fast`\n", &["README.md:1: nothing is named `--fast`"]);
        quote("```\n`HttpClient`\n```\nHttpClient\n", &[]);
        for name in FOREIGN {
            quote(&format!("`{name}`\n"), &[]);
        }
        found(&[("CHANGELOG.md", "`HttpClient` is now `HttpServer`\n"), code], &[]);
    }

    #[test]
    fn quoted_steps_exist() {
        found(&[("docs/a.md", "`cargo xtask test unit tls`\n")], &[]);
        found(
            &[("docs/a.md", "`cargo xtask test untis`\n")],
            &["docs/a.md:1: there is no step `untis`"],
        );
    }

    #[test]
    fn the_architecture_names_modules() {
        let modules = |text: &str, expected: &[&str]| {
            let files = ["src/lib.rs", "src/net/mod.rs", "src/net/tcp_socket.rs"];
            let mut files = files.map(|path| (path, "struct TcpSocket;")).to_vec();
            files.push(("ARCHITECTURE.md", text));
            found(&files, expected);
        };
        modules("`net` has the type `TcpSocket`\n", &[]);
        modules(
            "`net` and tcp_socket\n",
            &["src/net/tcp_socket.rs:1: ARCHITECTURE.md does not name `tcp_socket`"],
        );
    }

    #[test]
    fn the_architecture_names_dependencies() {
        let manifest = ("Cargo.toml", "[package]\nname = \"a\"\n\n[dependencies]\nmio = \"1\"\n");
        found(&[manifest, ("ARCHITECTURE.md", "## Dependencies\n\n- **mio**: epoll\n")], &[]);
        found(
            &[manifest, ("ARCHITECTURE.md", "**mio**\n\n## Dependencies\n")],
            &["Cargo.toml:5: ARCHITECTURE.md does not name **mio**"],
        );
    }

    #[test]
    fn a_release_has_each_heading_once() {
        let log = "## 2\n### Added\n### Fixed\n## 1\n### Added\n";
        found(&[("CHANGELOG.md", log)], &[]);
        found(
            &[("CHANGELOG.md", &format!("{log}### Added\n"))],
            &["CHANGELOG.md:6: a second `### Added`"],
        );
    }
}
