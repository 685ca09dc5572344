//! The house rules that a search through the text can check, each with the place that breaks it.
//!
//! What takes a reader to be seen (names, structure, whether a comment gives a reason) is for
//! reviewers, and in CONTRIBUTING.md.

mod documents;
mod layers;
mod prose;
mod rules;
mod source;
#[cfg(test)]
mod tests;

use crate::run::{Failure, root};
use crate::steps;
use prose::Prose;
use source::Source;
use std::path::Path;
use std::{fmt, fs, io};

/// A rule broken at a place.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// Checks every text of the repository.
pub(crate) fn check() -> Result<(), Failure> {
    let sources = read(root())
        .map_err(|error| Failure(format!("cannot read {}: {error}", root().display())))?;
    let findings = findings(&sources);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure(findings[0].to_string())),
        count => Err(Failure(format!("{count} findings, first {}", findings[0]))),
    }
}

/// Prints every sentence under `paths` that is not plain English; under no path, in all texts.
pub(crate) fn prose(paths: &[&str]) -> Result<(), Failure> {
    let sources = read(root())
        .map_err(|error| Failure(format!("cannot read {}: {error}", root().display())))?;
    let prose = Prose::new();
    let mut count = 0;
    for source in sources.iter().filter(|source| paths.is_empty() || source.is_under(paths)) {
        prose.check(source, &mut |line, rule| {
            println!("{}:{line}: {rule}", source.path);
            count += 1;
        });
    }
    match count {
        0 => Ok(()),
        _ => Err(Failure(format!("{count} sentences are not plain English"))),
    }
}

fn findings(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let prose = Prose::new();
    for source in sources {
        let mut report = |line: usize, rule: String| {
            findings.push(Finding { path: source.path.clone(), line, rule });
        };
        rules::text(source, &mut report);
        rules::length(source, &mut report);
        rules::names(source, &mut report);
        rules::opening(source, &mut report);
        prose.check(source, &mut report);
    }
    let text_of = |path: &str| sources.iter().find(|source| source.path == path);
    if let (Some(limits), Some(table)) = (text_of("src/limits.rs"), text_of("docs/limits.md")) {
        for (line, rule) in rules::undocumented_limits(limits, table) {
            findings.push(Finding { path: limits.path.clone(), line, rule });
        }
    }
    let mut report = |path: &str, line: usize, rule: String| {
        findings.push(Finding { path: path.to_owned(), line, rule });
    };
    layers::check(sources, &mut report);
    let steps: Vec<&str> = steps::ALL.iter().map(|step| step.name).collect();
    documents::check(sources, &steps, &mut report);
    findings
}

/// Every text under `root` that is ours, in the order of paths.
fn read(root: &Path) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !source::FOREIGN_FOLDERS.contains(&&*name) {
                    folders.push(path);
                }
            } else if source::is_text(&name) {
                let inside = path.strip_prefix(root).expect("it is under the root");
                let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                sources.push(Source::new(&inside.to_string_lossy(), &text));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}
