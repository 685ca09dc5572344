//! The page in a real browser: the release build of the dashboard, driven by Node's test runner.

use crate::run::{Failure, cargo, program, root, target};
use crate::tools;
use std::ffi::OsString;
use std::path::Path;

const TESTS: &str = "tests/browser";

const PICTURE: &str = "docs/dashboard.png";

/// Runs the browser's tests.
pub(crate) fn test() -> Result<(), Failure> {
    run(None)
}

/// Runs them so that they leave a picture of the page for the README.
pub(crate) fn renew_picture() -> Result<(), Failure> {
    let picture = root().join(PICTURE);
    let folder = picture.parent().expect("the picture is in a folder");
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure(format!("cannot make {}: {error}", folder.display())))?;
    run(Some(picture.into_os_string()))
}

fn run(picture: Option<OsString>) -> Result<(), Failure> {
    let folder = root().join(TESTS).read_dir();
    let folder = folder.map_err(|error| Failure(format!("cannot read {TESTS}: {error}")))?;
    // Versions of Node differ in what they make of a folder, and none minds an empty one.
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let tests: Vec<String> = names
        .filter(|name| name.ends_with(".test.mjs"))
        .map(|name| format!("{TESTS}/{name}"))
        .collect();
    if tests.is_empty() {
        return Err(Failure(format!("{TESTS} holds no *.test.mjs")));
    }
    let chromium = tools::chromium()
        .ok_or_else(|| Failure("Chromium is missing (`cargo xtask test tools`)".into()))?;
    cargo("build --release --package dashboard").run()?;
    let mut node = program(Path::new("node"), &format!("--test {}", tests.join(" ")))
        .env("CHROMIUM", chromium)
        .env("DASHBOARD_BIN", target().join("release/dashboard"));
    if let Some(picture) = picture {
        node = node.env("SCREENSHOT", picture);
    }
    node.run()
}
