//! What a user takes on with the library: few crates, no async runtime, a small program.

use crate::run::{Failure, cargo, target};
use std::collections::BTreeSet;

/// Crates under `masque`, itself included.
const CRATES_MAX: usize = 20;

/// The stripped release build of the dashboard with its default features. The page is in it.
const DASHBOARD_BYTES_MAX: u64 = 2304 * 1024;

/// A library for people who do without an async runtime must not bring one.
const RUNTIMES: &[&str] = &[
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-std",
    "compio",
    "futures-executor",
    "glommio",
    "monoio",
    "smol",
    "tokio",
];

/// Weighs the library's tree and the dashboard's binary.
pub(crate) fn check() -> Result<(), Failure> {
    let tree = cargo("tree --package masque --edges normal --prefix none").read()?;
    println!("   {}", weigh_tree(&tree).map_err(Failure)?);

    cargo("build --release --package dashboard").run()?;
    let binary = target().join("release/dashboard");
    let bytes = std::fs::metadata(&binary)
        .map_err(|error| Failure(format!("cannot read {}: {error}", binary.display())))?
        .len();
    println!("   the dashboard is {bytes} bytes, at most {DASHBOARD_BYTES_MAX}");
    if bytes > DASHBOARD_BYTES_MAX {
        return Err(Failure(format!("the dashboard is {bytes} > {DASHBOARD_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Counts the crates of `cargo tree --prefix none`, where a line is `NAME vVERSION ...`.
fn weigh_tree(tree: &str) -> Result<String, String> {
    let crates: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    if let Some((runtime, _)) = crates.iter().find(|(name, _)| RUNTIMES.contains(name)) {
        return Err(format!("masque brings {runtime}, an async runtime"));
    }
    let count = crates.len();
    if count > CRATES_MAX {
        return Err(format!("masque is {count} crates, at most {CRATES_MAX}"));
    }
    Ok(format!("masque is {count} crates with all it needs, at most {CRATES_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::weigh_tree;

    #[test]
    fn crates_are_counted_once_and_runtimes_are_found() {
        let tree = "masque v0.1.0 (/src)\nbytes v1.12.2\nhttp v1.5.0\nbytes v1.12.2 (*)\n";
        let ok = "masque is 3 crates with all it needs, at most 20";
        assert_eq!(weigh_tree(tree).as_deref(), Ok(ok));

        let runtime = format!("{tree}\ntokio v1.0.0\n");
        assert_eq!(weigh_tree(&runtime), Err("masque brings tokio, an async runtime".into()));

        let many: Vec<String> = (0..21).map(|n| format!("crate-{n} v1.0.0")).collect();
        assert_eq!(weigh_tree(&many.join("\n")), Err("masque is 21 crates, at most 20".into()));
    }
}
