//! Reading a folder of page files.

use super::{File, built_in};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The largest file that is served, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest number of files.
const FILES_MAX: usize = 1000;
/// The largest number of folders. A folder that several links lead to counts each time, because few
/// links can make many paths.
const FOLDERS_MAX: usize = 1000;
/// The largest number of skipped files that the log names.
const NAMED_MAX: usize = 10;

/// The files of a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) files: BTreeMap<String, File>,
    /// The names of skipped files, with the reason.
    left_out: Vec<String>,
}

impl Found {
    /// Reads all files of a folder and its subfolders, except hidden ones. A link is followed if
    /// its target is in the folder, also if the target is hidden: a `ConfigMap` of Kubernetes has
    /// only links into a hidden folder. Without a `favicon.ico` the built-in one is used.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut found = Found { files: BTreeMap::new(), left_out: vec![] };
        let root = folder.canonicalize()?;
        let mut walk = Walk { root: &root, way: vec![], folders: 0 };
        walk.read(&root, "", &mut found)?;
        if !found.files.contains_key("index.html") {
            let why = found.left_out().map(|why| format!("; {why}")).unwrap_or_default();
            return Err(io::Error::other(format!("index.html is missing{why}")));
        }
        if !found.files.contains_key("favicon.ico") {
            found.files.extend(built_in().remove_entry("favicon.ico"));
        }
        Ok(found)
    }

    /// Returns a list of the skipped files for the log. `None` if there are none.
    pub(super) fn left_out(&self) -> Option<String> {
        let named = self.left_out.iter().take(NAMED_MAX).map(String::as_str);
        let mut named: Vec<_> = named.collect();
        let more = self.left_out.len().saturating_sub(NAMED_MAX);
        let more = format!("{more} more");
        if self.left_out.len() > NAMED_MAX {
            named.push(&more);
        }
        // A name may contain line ends.
        let named = named.join(", ").replace(char::is_control, " ");
        (!named.is_empty()).then(|| format!("not served: {named}"))
    }
}

/// A walk through a folder.
struct Walk<'a> {
    root: &'a Path,
    /// The folders from the root to the current one, with links resolved.
    way: Vec<PathBuf>,
    folders: usize,
}

impl Walk<'_> {
    fn read(&mut self, folder: &Path, prefix: &str, found: &mut Found) -> io::Result<()> {
        self.folders += 1;
        if self.folders > FOLDERS_MAX {
            return Err(io::Error::other(format!("more than {FOLDERS_MAX} folders")));
        }
        self.way.push(folder.to_owned());
        for entry in folder.read_dir().map_err(|error| named(prefix, error))? {
            let entry = entry.map_err(|error| named(prefix, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().map(|name| format!("{prefix}{name}")) else {
                let name = name.to_string_lossy();
                found.left_out.push(format!("{prefix}{name} (the name is not UTF-8)"));
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
            found.left_out.push(format!("{name} (neither a file nor a folder)"));
            return Ok(());
        }
        if found.files.len() >= FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        if data.len() > FILE_BYTES_MAX {
            return Err(named(&name, format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        let content = std::fs::read(&path).map_err(|error| named(&name, error))?;
        let file = File::new(&name, content.into(), None);
        found.files.insert(name, file);
        Ok(())
    }

    /// Returns the target of a link, or the reason why it is not followed.
    fn follow(&self, link: &Path) -> Result<PathBuf, &'static str> {
        let path = link.canonicalize().map_err(|_| "the target of the link does not exist")?;
        if !path.starts_with(self.root) {
            return Err("the link leads out of the folder");
        }
        if self.way.contains(&path) {
            return Err("the link leads to a folder that contains it");
        }
        Ok(path)
    }
}

/// Adds the name of a file or folder to an error.
fn named(name: &str, error: impl Display) -> io::Error {
    match name.trim_end_matches('/') {
        "" => io::Error::other(error.to_string()),
        name => io::Error::other(format!("{name}: {error}")),
    }
}
