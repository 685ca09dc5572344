//! Reading a folder of page files.

use super::{File, built_in};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The largest file of a folder that is served.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most files of a folder that are served.
const FILES_MAX: usize = 1000;
/// The most folders in it, those behind links counted each time. Links can make many of few.
const FOLDERS_MAX: usize = 1000;
/// What is not served is named in the log, up to so many entries.
const NAMED_MAX: usize = 10;

/// What was found in a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) files: BTreeMap<String, File>,
    /// What is not served, and why.
    left_out: Vec<String>,
}

impl Found {
    /// Reads all files of a folder and its folders, without hidden ones. A link is followed if it
    /// leads to something in the folder, hidden or not: a `ConfigMap` of Kubernetes has only links
    /// into a hidden folder. Without a `favicon.ico` there is the built-in one.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut found = Found { files: BTreeMap::new(), left_out: vec![] };
        let root = folder.canonicalize()?;
        let mut walk = Walk { root: &root, way: vec![], folders: 0 };
        walk.read(&root, "", &mut found)?;
        if !found.files.contains_key("index.html") {
            let why = found.left_out().map(|why| format!("; {why}")).unwrap_or_default();
            return Err(io::Error::other(format!("there is no index.html in it{why}")));
        }
        if !found.files.contains_key("favicon.ico") {
            found.files.extend(built_in().remove_entry("favicon.ico"));
        }
        Ok(found)
    }

    /// Says what is not served, and why; `None` if all is.
    pub(super) fn left_out(&self) -> Option<String> {
        let named = self.left_out.iter().take(NAMED_MAX).map(String::as_str);
        let mut named: Vec<_> = named.collect();
        let more = self.left_out.len().saturating_sub(NAMED_MAX);
        let more = format!("{more} more");
        if self.left_out.len() > NAMED_MAX {
            named.push(&more);
        }
        // A name may have line ends and all.
        let named = named.join(", ").replace(char::is_control, " ");
        (!named.is_empty()).then(|| format!("not served: {named}"))
    }
}

/// A walk through a folder.
struct Walk<'a> {
    root: &'a Path,
    /// The folders from the root to where it is, without links.
    way: Vec<PathBuf>,
    folders: usize,
}

impl Walk<'_> {
    fn read(&mut self, folder: &Path, prefix: &str, found: &mut Found) -> io::Result<()> {
        self.folders += 1;
        if self.folders > FOLDERS_MAX {
            return Err(io::Error::other(format!("there are more than {FOLDERS_MAX} folders")));
        }
        self.way.push(folder.to_owned());
        for entry in folder.read_dir().map_err(|error| named(prefix, error))? {
            let entry = entry.map_err(|error| named(prefix, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().map(|name| format!("{prefix}{name}")) else {
                let name = name.to_string_lossy();
                found.left_out.push(format!("{prefix}{name} (its name is not UTF-8)"));
                continue;
            };
            if !name[prefix.len()..].starts_with('.') {
                self.enter(&entry, name, found)?;
            }
        }
        self.way.pop();
        Ok(())
    }

    fn enter(
        &mut self,
        entry: &std::fs::DirEntry,
        name: String,
        found: &mut Found,
    ) -> io::Result<()> {
        let is_link = entry.file_type().map_err(|error| named(&name, error))?.is_symlink();
        let path = if is_link {
            match self.follow(&entry.path()) {
                Ok(path) => path,
                Err(why) => {
                    found.left_out.push(format!("{name} ({why})"));
                    return Ok(());
                }
            }
        } else {
            entry.path()
        };
        let data = path.metadata().map_err(|error| named(&name, error))?;
        if data.is_dir() {
            return self.read(&path, &format!("{name}/"), found);
        }
        if !data.is_file() {
            found.left_out.push(format!("{name} (it is neither a file nor a folder)"));
            return Ok(());
        }
        if found.files.len() >= FILES_MAX {
            return Err(io::Error::other(format!("there are more than {FILES_MAX} files")));
        }
        if data.len() > FILE_BYTES_MAX {
            return Err(named(&name, format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let content = std::fs::read(&path).map_err(|error| named(&name, error))?;
        let file = File::new(&name, content.into(), None);
        found.files.insert(name, file);
        Ok(())
    }

    /// Where a link leads, or why it is not followed.
    fn follow(&self, link: &Path) -> Result<PathBuf, &'static str> {
        let path = link.canonicalize().map_err(|_| "the link leads nowhere")?;
        if !path.starts_with(self.root) {
            return Err("the link leads out of the folder");
        }
        if self.way.contains(&path) {
            return Err("the link leads to a folder that it is in");
        }
        Ok(path)
    }
}

/// An error with the name of the file or folder that it is about.
fn named(name: &str, error: impl Display) -> io::Error {
    match name.trim_end_matches('/') {
        "" => io::Error::other(error.to_string()),
        name => io::Error::other(format!("{name}: {error}")),
    }
}
