//! The page in a real browser: the release build of the dashboard, driven by Node's test runner.

use crate::run::{Failure, cargo, program, root, target};
use crate::steps::Outcome;
use crate::tools;
use std::ffi::OsString;
use std::path::Path;

const PICTURE: &str = "docs/dashboard.png";

/// Runs the browser's tests.
pub(crate) fn test() -> Result<Outcome, Failure> {
    run(None)
}

/// Runs them so that they leave a picture of the page for the README.
pub(crate) fn renew_picture() -> Result<Outcome, Failure> {
    let picture = root().join(PICTURE);
    let folder = picture.parent().expect("the picture is in a folder");
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure(format!("cannot make {}: {error}", folder.display())))?;
    run(Some(picture.into_os_string()))
}

fn run(picture: Option<OsString>) -> Result<Outcome, Failure> {
    if !root().join("tests/browser").is_dir() {
        return Ok(Outcome::NothingToDo("there is no tests/browser"));
    }
    let chromium = tools::chromium()
        .ok_or_else(|| Failure("Chromium is missing (`cargo xtask test tools`)".into()))?;
    cargo("build --release --package dashboard").run()?;
    let mut node = program(Path::new("node"), "--test tests/browser/")
        .env("CHROMIUM", chromium)
        .env("DASHBOARD_BIN", target().join("release/dashboard"));
    if let Some(picture) = picture {
        node = node.env("SCREENSHOT", picture);
    }
    node.run()
}
