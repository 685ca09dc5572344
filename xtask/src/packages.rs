//! The packages of the crates that are published: small, and their own tests pass without the
//! repository.

use crate::limits::weigh_file;
use crate::run::{Failure, cargo, program, root, target};
use std::path::Path;
use std::{fs, io};

/// The crates that are published, each after the crates that it needs.
const PUBLISHED: [&str; 3] = ["couch-mem", "couch-feed", "masque"];

/// Most bytes of a compressed package.
const BYTES_MAX: u64 = 300 * 1024;

/// Files that each package must contain.
const REQUIRED: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Packs the crates, weighs the packages, and runs their tests.
pub(crate) fn check() -> Result<(), Failure> {
    let packages = PUBLISHED.map(|name| format!(" --package {name}")).concat();
    cargo(&format!("package --no-verify --allow-dirty{packages}")).run()?;

    let folder = target().join("unpacked");
    prepare(&folder)
        .map_err(|error| Failure(format!("cannot prepare {}: {error}", folder.display())))?;
    for name in PUBLISHED {
        let file = format!("package/{}.crate", versioned(name));
        weigh_file(&format!("the package {name}"), &file, BYTES_MAX)?;
        let file = target().join(file).display().to_string();
        program(Path::new("tar"), "-xzf").arg(&file).within(&folder).run()?;
        for required in REQUIRED {
            if !folder.join(versioned(name)).join(required).is_file() {
                return Err(Failure(format!("the package {name} has no {required}")));
            }
        }
    }
    // Offline, because everything has been downloaded for the same crates in the repository.
    cargo("test --quiet --offline --workspace --features masque/testing")
        .within(&folder)
        .env("CARGO_TARGET_DIR", target())
        .run()
}

/// Makes the folder an empty workspace for the packages, in which each finds the others.
fn prepare(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("Cargo.toml"), workspace())
}

fn workspace() -> String {
    let members = PUBLISHED.map(|name| format!("    \"{}\",\n", versioned(name))).concat();
    let patches =
        PUBLISHED.map(|name| format!("{name} = {{ path = \"{}\" }}\n", versioned(name))).concat();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[patch.crates-io]\n{patches}"
    )
}

fn versioned(name: &str) -> String {
    format!("{name}-{}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::PUBLISHED;
    use crate::run::root;
    use std::fs;

    #[test]
    fn crates_are_published_unless_they_say_otherwise() {
        let members = ["bench", "couch-feed", "couch-mem", "dashboard", "fuzz", "xtask", "."];
        for member in members {
            let manifest = fs::read_to_string(root().join(member).join("Cargo.toml"))
                .expect("each member has a manifest");
            let name = if member == "." { "masque" } else { member };
            let is_published = !manifest.contains("publish = false");
            assert_eq!(PUBLISHED.contains(&name), is_published, "{name}");
            assert_eq!(manifest.contains("\ninclude = ["), is_published, "{name} lists its files");
        }
    }
}
