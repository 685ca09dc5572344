//! Each feature of the library builds by itself, so that a user can leave out the others.

use crate::run::{Failure, cargo};

/// The combinations to build: no feature, each one, and all.
const SETS: &[&str] = &["", "http", "couch", "tls", "testing", "http,couch,tls,testing"];

/// Builds the library with each set of features, without a warning.
pub(crate) fn check() -> Result<(), Failure> {
    for set in SETS {
        let features = format!("--no-default-features --features={set}");
        cargo(&format!("clippy --package masque --lib {features} -- -D warnings")).run()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SETS;

    #[test]
    fn every_feature_of_the_library_is_built_by_itself() {
        let manifest = include_str!("../../Cargo.toml");
        let features = manifest.split("[features]").nth(1).expect("there are features");
        let features = features.split("\n[").next().expect("a split has a first part");
        let names: Vec<&str> = features
            .lines()
            .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
            .filter(|name| !name.starts_with('#') && *name != "default")
            .collect();
        for name in &names {
            assert!(SETS.contains(name), "{name} is built by itself");
        }
        assert_eq!(SETS.last(), Some(&names.join(",").as_str()), "and all together");
    }
}
