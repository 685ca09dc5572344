//! The page's files, and that no other file of the machine can be read.

use super::program;
use crate::support::PATIENCE;
use crate::support::folder::Folder;
use std::fs;
use std::path::Path;

#[test]
fn every_file_of_the_page_is_built_in_with_its_type() {
    let dashboard = program::start(&[]);
    let page = program::root().join("dashboard/page");
    let count = check_all(&page, "", &|name, content| {
        let reply = dashboard.get(&format!("/file/{name}"));
        assert_eq!(reply.status, 200, "{name} is built in");
        let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
        if !name.contains('/') && matches!(ending, Some("js" | "css")) {
            check_without_comments(name, &reply.body, content);
        } else {
            assert!(reply.body == content, "{name} is the file of the page");
        }
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(reply.header("Cache-Control"), Some("no-cache"));
        let kind = reply.header("Content-Type").expect("it has a type");
        let expected = match ending {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("ico") => "image/x-icon",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!(kind, expected, "{name}");
    });
    assert!(count > 10, "the page is there");
    let icon = fs::read(page.join("favicon.ico")).expect("it is there");
    assert!(dashboard.get("/favicon.ico").body == icon);
}

/// Checks that a script or style sheet is served without comments and indentation.
fn check_without_comments(name: &str, served: &[u8], content: &[u8]) {
    let text = |bytes| std::str::from_utf8(bytes).expect("it is text");
    let mut served = text(served).lines().peekable();
    for line in text(content).lines().map(str::trim_start) {
        if served.next_if_eq(&line).is_none() {
            let is_comment = ["//", "/*", "*"].iter().any(|mark| line.starts_with(mark));
            assert!(line.is_empty() || is_comment || line.ends_with("*/"), "{name} lacks {line}");
        }
    }
    assert_eq!(served.next(), None, "{name} has lines that the file does not have");
}

/// Calls `check` for every file that is served, with its name and content.
fn check_all(folder: &Path, prefix: &str, check: &dyn Fn(&str, &[u8])) -> usize {
    let entries = folder.read_dir().expect("it is a folder").map(|entry| entry.expect("it is"));
    let mut count = 0;
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_str().expect("it is text"));
        if entry.path().is_dir() {
            count += check_all(&entry.path(), &format!("{name}/"), check);
        } else if entry.path().extension().is_none_or(|extension| extension != "md") {
            check(&name, &fs::read(entry.path()).expect("it is readable"));
            count += 1;
        }
    }
    count
}

/// `outside/site` is served; `outside/secret.txt` is next to it.
fn site() -> Folder {
    let outside = Folder::new("site");
    let site = outside.path().join("site");
    fs::create_dir_all(site.join("deep/er")).expect("it is ours");
    for (name, content) in [
        ("../secret.txt", "secret"),
        ("index.html", "mine"),
        ("deep/er/a b.json", "{}"),
        ("deep/é.bin", "\u{1}"),
        (".secret", "secret"),
        ("empty.css", ""),
    ] {
        fs::write(site.join(name), content).expect("it is ours");
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, site.join(name));
    link("../secret.txt", "link.txt").expect("it is ours");
    link("..", "up").expect("it is ours");
    outside
}

#[test]
fn a_folder_is_served_in_place_of_the_built_in_page() {
    let outside = site();
    let folder = outside.path().join("site");
    let dashboard = program::start(&["--files", folder.to_str().expect("it is text")]);
    let check = |path: &str, kind: &str, content: &str| {
        let reply = dashboard.get(path);
        assert_eq!((reply.status, reply.text()), (200, content), "{path}");
        assert_eq!(reply.header("Content-Type"), Some(kind), "{path}");
    };
    check("/file/index.html", "text/html; charset=utf-8", "mine");
    check("/file/deep/er/a%20b.json", "application/json", "{}");
    check("/file/deep/%C3%A9.bin", "application/octet-stream", "\u{1}");
    check("/file/empty.css", "text/css; charset=utf-8", "");
    assert_eq!(dashboard.get("/file/page.js").status, 404, "the built-in ones are not mixed in");
    assert_eq!(dashboard.get("/favicon.ico").status, 200, "but for the icon");
}

#[test]
fn no_path_leads_out_of_what_is_served() {
    let outside = site();
    let folder = outside.path().join("site");
    let dashboard = program::start(&["--files", folder.to_str().expect("it is text")]);
    let absolute = outside.path().join("secret.txt").display().to_string();
    let encoded = absolute.replace('/', "%2f");
    let mut targets: Vec<Vec<u8>> = [
        "/file/../secret.txt",
        "/file/..%2fsecret.txt",
        "/file/..%2Fsecret.txt",
        "/file/%2e%2e/secret.txt",
        "/file/%2E%2E%2Fsecret.txt",
        "/file/.%2e/secret.txt",
        "/file/%252e%252e/secret.txt",
        "/file/..%252fsecret.txt",
        "/file/..\\secret.txt",
        "/file/..%5csecret.txt",
        "/file/%c0%ae%c0%ae/secret.txt",
        "/file/..%c0%afsecret.txt",
        "/file/..%00/secret.txt",
        "/file/../secret.txt%00.html",
        "/file/deep/../../secret.txt",
        "/file/deep/er/../../../secret.txt",
        "/file/./../secret.txt",
        "/file//../secret.txt",
        "/file/..;/secret.txt",
        "/file/.secret",
        "/file/%2esecret",
        "/file/link.txt",
        "/file/up/secret.txt",
        "/../secret.txt",
        "/secret.txt",
        "../secret.txt",
        "secret.txt",
        "http://x/file/../secret.txt",
        "http://x/../secret.txt",
        "file:///secret.txt",
        "/favicon.ico/../../secret.txt",
        "/overview/../../secret.txt",
        "/file/index.html/../../secret.txt",
    ]
    .map(|target| target.as_bytes().to_vec())
    .into();
    for path in [&absolute, &encoded] {
        for prefix in ["", "/", "/file", "/file/", "/file//", "file://"] {
            targets.push([prefix.as_bytes(), path.as_bytes()].concat());
        }
    }
    for bytes in [&b"\0"[..], b"..\0/", b"..\xc0\xaf", b"\xff", b"..\t/", b"..\x7f/"] {
        targets.push([b"/file/", bytes, b"secret.txt"].concat());
    }
    for target in targets {
        let shown = target.escape_ascii().to_string();
        let mut connection = dashboard.connect();
        let request = [b"GET ", &target[..], b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
        connection.send(&request).expect("it reads");
        let reply = connection.reply(PATIENCE).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!([400, 404].contains(&reply.status), "{shown}: {}", reply.status);
        assert!(!reply.text().contains("secret"), "{shown}: {}", reply.text());
    }
    assert_eq!(dashboard.get("/file/index.html").text(), "mine", "it is well");
}

/// Makes files and links of a folder, `NAME` or `NAME -> TARGET`.
fn lay(folder: &Path, entries: &[&str]) {
    for entry in entries {
        let (name, target) = entry.split_once(" -> ").unwrap_or((entry, ""));
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it is ours");
        let made = match target {
            "" => fs::write(path, *entry),
            target => std::os::unix::fs::symlink(target, path),
        };
        made.expect("it is ours");
    }
}

#[test]
fn a_folder_that_kubernetes_makes_of_a_config_map_was_served_as_an_empty_site() {
    let folder = Folder::new("config-map");
    lay(
        folder.path(),
        &[
            "..2026_12_01/index.html",
            "..2026_12_01/page.css",
            "..data -> ..2026_12_01",
            "index.html -> ..data/index.html",
            "page.css -> ..data/page.css",
            "again -> ..data",
        ],
    );
    let path = folder.path().to_str().expect("it is text");
    let dashboard = program::start(&["--files", path]);
    for (name, file) in [
        ("index.html", "..2026_12_01/index.html"),
        ("page.css", "..2026_12_01/page.css"),
        ("again/page.css", "..2026_12_01/page.css"),
    ] {
        let reply = dashboard.get(&format!("/file/{name}"));
        assert_eq!((reply.status, reply.text()), (200, file), "{name}");
    }
    assert_eq!(dashboard.get("/file/..data/index.html").status, 404, "hidden ones have no path");
    assert!(!dashboard.program.log().contains("not served"), "{}", dashboard.program.log());
}

#[test]
fn links_that_are_not_followed_are_named_in_the_log() {
    let folder = Folder::new("links");
    lay(
        folder.path(),
        &[
            "secret.txt",
            "site/index.html",
            "site/deep/style.css",
            "site/out.txt -> ../secret.txt",
            "site/up -> ..",
            "site/round -> .",
            "site/deep/round -> ../deep",
            "site/nowhere -> missing",
        ],
    );
    let path = folder.path().join("site");
    let dashboard = program::start(&["--files", path.to_str().expect("it is text")]);
    assert_eq!(dashboard.get("/file/deep/style.css").status, 200);
    let log = dashboard.program.log();
    for why in [
        "out.txt (the link leads out of the folder)",
        "up (the link leads out of the folder)",
        "round (the link leads to a folder that contains it)",
        "deep/round (the link leads to a folder that contains it)",
        "nowhere (the target of the link does not exist)",
    ] {
        assert!(log.contains(why), "{why}: {log}");
    }
    for path in ["/file/out.txt", "/file/up/secret.txt", "/file/round/index.html"] {
        assert_eq!(dashboard.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_folder_that_cannot_be_served_is_named_with_the_reason() {
    for (entries, why) in [
        (&["page.css", "deep/index.html"][..], "index.html is missing"),
        (&["index.html -> /etc/hostname"], "index.html (the link leads out of the folder)"),
    ] {
        let folder = Folder::new("no-index");
        lay(folder.path(), entries);
        let path = folder.path().to_str().expect("it is text");
        let (status, _, log) = program::outcome(&["--files", path]);
        assert_eq!(status, Some(1));
        assert!(log[0].starts_with(&format!("dashboard: --files {path}: ")), "{log:?}");
        assert!(log[0].contains(why), "{log:?}");
    }
    let folder = Folder::new("too-many");
    for number in 0..=1000 {
        fs::write(folder.path().join(number.to_string()), "").expect("it is ours");
    }
    let path = folder.path().to_str().expect("it is text");
    let (status, _, log) = program::outcome(&["--files", path]);
    assert_eq!(status, Some(1));
    assert_eq!(log, [format!("dashboard: --files {path}: more than 1000 files")]);
}

#[test]
fn links_that_make_many_folders_of_few_are_bounded_and_a_long_list_is_cut() {
    let folder = Folder::new("many-folders");
    lay(folder.path(), &["index.html", "f10/file"]);
    for number in 0..10 {
        for link in ["one", "two"] {
            lay(folder.path(), &[&format!("f{number}/{link} -> ../f{}", number + 1)]);
        }
    }
    let path = folder.path().to_str().expect("it is text");
    let (status, _, log) = program::outcome(&["--files", path]);
    assert_eq!(status, Some(1));
    assert!(log[0].ends_with(": more than 1000 folders"), "{log:?}");

    let folder = Folder::new("many-links");
    for number in 0..12 {
        lay(folder.path(), &[&format!("link{number} -> nowhere")]);
    }
    let path = folder.path().to_str().expect("it is text");
    let (_, _, log) = program::outcome(&["--files", path]);
    assert_eq!(log[0].matches("the target of the link does not exist").count(), 10, "{log:?}");
    assert!(log[0].ends_with(", 2 more"), "{log:?}");
}
