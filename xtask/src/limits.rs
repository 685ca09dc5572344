//! What a user takes on with the library: few crates, no async runtime, a small program.

use crate::run::{Failure, cargo, target};
use std::collections::BTreeSet;

/// `masque` and the crates below it, of which `couch-feed` is ours.
const CRATES_MAX: usize = 21;

/// The same without its default features: the kernel, the wheels and two filters.
const KERNEL_CRATES_MAX: usize = 12;

/// The stripped release build of the chat server, which needs no default feature.
const CHAT_BYTES_MAX: u64 = 700 * 1024;

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

/// Weighs the library's tree and the binaries.
pub(crate) fn check() -> Result<(), Failure> {
    let tree = cargo("tree --package masque --edges normal --prefix none").read()?;
    println!("   {}", weigh_tree(&tree, CRATES_MAX).map_err(Failure)?);
    let tree = "tree --package masque --no-default-features --edges normal --prefix none";
    let kernel = weigh_tree(&cargo(tree).read()?, KERNEL_CRATES_MAX).map_err(Failure)?;
    println!("   without default features {kernel}");

    cargo("build --release --package masque --no-default-features --example 11_chat_server")
        .run()?;
    weigh_file("the chat server", "release/examples/11_chat_server", CHAT_BYTES_MAX)?;
    cargo("build --release --package dashboard").run()?;
    weigh_file("the dashboard", "release/dashboard", DASHBOARD_BYTES_MAX)
}

/// Fails if the file at `path` in the target folder has more than `most` bytes.
pub(crate) fn weigh_file(name: &str, path: &str, most: u64) -> Result<(), Failure> {
    let binary = target().join(path);
    let bytes = std::fs::metadata(&binary)
        .map_err(|error| Failure(format!("cannot read {}: {error}", binary.display())))?
        .len();
    println!("   {name} is {bytes} bytes, at most {most}");
    if bytes > most {
        return Err(Failure(format!("{name} is {bytes} bytes, at most {most}")));
    }
    Ok(())
}

/// Counts the crates of `cargo tree --prefix none`, where a line is `NAME vVERSION ...`.
fn weigh_tree(tree: &str, most: usize) -> Result<String, String> {
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
    if count > most {
        return Err(format!("masque is {count} crates, at most {most}"));
    }
    Ok(format!("masque is {count} crates with all it needs, at most {most}"))
}

#[cfg(test)]
mod tests {
    use super::weigh_tree;

    #[test]
    fn crates_are_counted_once_and_runtimes_are_found() {
        let tree = "masque v0.1.0 (/src)\nbytes v1.12.2\nhttp v1.5.0\nbytes v1.12.2 (*)\n";
        let ok = "masque is 3 crates with all it needs, at most 20";
        assert_eq!(weigh_tree(tree, 20).as_deref(), Ok(ok));

        let runtime = format!("{tree}\ntokio v1.0.0\n");
        assert_eq!(weigh_tree(&runtime, 20), Err("masque brings tokio, an async runtime".into()));

        let many: Vec<String> = (0..21).map(|n| format!("crate-{n} v1.0.0")).collect();
        assert_eq!(weigh_tree(&many.join("\n"), 20), Err("masque is 21 crates, at most 20".into()));
    }
}
