//! The page's files: the built-in ones, or those of a folder.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use masque::filters::{Prepared, Response};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The files that are served, each ready to be sent. What is not in here is not there: no name that
/// a browser sends ever reaches the file system.
#[derive(Debug)]
pub(crate) struct Files(BTreeMap<String, Prepared>);

/// The largest file of a folder that is served.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most files of a folder that are served.
const FILES_MAX: usize = 1000;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../page/", $name)).as_slice())),*]
    };
}

const BUILT_IN: [(&str, &[u8]); 17] = built_in![
    "board.js",
    "card.js",
    "chart.js",
    "favicon.ico",
    "favicon.svg",
    "figures.js",
    "header.js",
    "history.js",
    "index.html",
    "look_back.js",
    "page.css",
    "page.js",
    "poll.js",
    "vendor/uPlot.LICENSE",
    "vendor/uPlot.iife.min.js",
    "vendor/uPlot.min.css",
    "wording.js",
];

impl Files {
    /// The files that are part of the program.
    pub(crate) fn built_in() -> Self {
        let files = BUILT_IN.map(|(name, content)| prepared(name, Bytes::from_static(content)));
        Files(files.into())
    }

    /// The files of a folder and its folders as they are now; hidden ones and links are left out.
    ///
    /// Without a `favicon.ico` there is the built-in one.
    pub(crate) fn of_folder(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files)?;
        if !files.contains_key("favicon.ico") {
            let icon = Files::built_in().0.remove_entry("favicon.ico");
            files.extend(icon);
        }
        Ok(Files(files))
    }

    /// The answer to a request for a file.
    pub(crate) fn read(&self, name: &str) -> Option<Prepared> {
        self.0.get(name).cloned()
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Prepared>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let (kind, name) = (entry.file_type()?, format!("{prefix}{name}"));
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if kind.is_file() {
            if files.len() >= FILES_MAX {
                return Err(io::Error::other(format!("there are more than {FILES_MAX} files")));
            }
            if entry.metadata()?.len() > FILE_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "{name} is larger than {FILE_BYTES_MAX} bytes"
                )));
            }
            files.extend([prepared(&name, std::fs::read(entry.path())?.into())]);
        }
    }
    Ok(())
}

fn prepared(name: &str, content: Bytes) -> (String, Prepared) {
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The files change with the program, and a browser cannot tell when.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    (name.to_owned(), Prepared::new(response))
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" | "md" | "LICENSE" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
