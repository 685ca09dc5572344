//! Builds the files of the page into the program as a table. It removes the comments of scripts and
//! of the style sheet, and adds a gzip of each file if that is smaller.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The extensions of the files that are served. Notes for programmers are not.
const SERVED: [&str; 7] = ["LICENSE", "css", "html", "ico", "js", "png", "svg"];

/// The smallest saving of a gzip, in bytes, because its `Content-Encoding` costs a header.
const LEAST_SAVED_BYTES: usize = 64;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=page");
    let page = Path::new(&variable("CARGO_MANIFEST_DIR")).join("page");
    let out = variable("OUT_DIR");
    let mut files = vec![];
    collect(&page, "", &mut files)?;
    files.sort();

    let mut table = String::from("&[\n");
    for (index, name) in files.iter().enumerate() {
        let path = page.join(name);
        let content = shortened(name, fs::read(&path)?);
        let plain = Path::new(&out).join(format!("{index}.plain"));
        fs::write(&plain, &content)?;
        let gzip = match smaller(&content)? {
            Some(bytes) => {
                let gzip = Path::new(&out).join(format!("{index}.gz"));
                fs::write(&gzip, bytes)?;
                format!("Some(include_bytes!({:?}))", text(&gzip))
            }
            None => "None".into(),
        };
        let plain = text(&plain);
        let _ = writeln!(
            table,
            "BuiltIn {{ name: {name:?}, plain: include_bytes!({plain:?}), gzip: {gzip} }},"
        );
    }
    table.push(']');
    fs::write(Path::new(&out).join("page.rs"), table)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("cargo's paths are UTF-8")
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("cargo sets this variable")
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().into_string().expect("the page's names are UTF-8");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if name.rsplit_once('.').is_some_and(|(_, kind)| SERVED.contains(&kind)) {
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// Removes indentation, and comments on lines of their own. They are a third of the page, which the
/// program contains twice. Files of others (`vendor/`) stay unchanged.
///
/// Therefore a script must not contain a text of several lines, and no line of code may start with
/// `//` or `/*`.
fn shortened(name: &str, content: Vec<u8>) -> Vec<u8> {
    let kind = name.rsplit_once('.').map(|(_, kind)| kind);
    let is_ours = !name.contains('/') && matches!(kind, Some("js" | "css"));
    let Some(text) = str::from_utf8(&content).ok().filter(|_| is_ours) else {
        return content;
    };
    let mut kept = String::new();
    let mut is_comment = false;
    for line in text.lines().map(str::trim_start) {
        is_comment |= line.starts_with("/*");
        if is_comment {
            is_comment = !line.contains("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.into_bytes()
}

/// Returns the gzip of `content`, which is always the same. `None` if it saves too little.
fn smaller(content: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut gzip = GzEncoder::new(vec![], Compression::best());
    gzip.write_all(content)?;
    let bytes = gzip.finish()?;
    Ok(Some(bytes).filter(|bytes| bytes.len() + LEAST_SAVED_BYTES <= content.len()))
}
