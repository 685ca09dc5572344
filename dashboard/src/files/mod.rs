//! The files of the page, built-in or from a folder.

mod folder;

use crate::coding::takes_gzip;
use crate::conditional::Tagged;
use bytes::Bytes;
use couch_mem::fnv::fnv_1a;
use couch_mem::if_none_match::IfNoneMatch;
use folder::Found;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};
use masque::filters::{Prepared, Response};
use masque::reactor::{Cx, Event, Handlers, Session};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

/// Holds all files in memory, ready to be sent. No name from a browser ever reaches the file
/// system.
///
/// Built-in files have a gzip version. Files of a folder are probably being edited and are sent
/// uncompressed.
#[derive(Debug)]
pub(crate) struct Files {
    /// `None`: the built-in files.
    folder: Option<PathBuf>,
    served: BTreeMap<String, File>,
    /// The result of a thread that reads the folder.
    reading: Option<Receiver<io::Result<Found>>>,
    /// True if the folder must be read again after that.
    is_due: bool,
}

/// A file in each content coding. A clone shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct File {
    plain: Tagged,
    gzip: Option<Tagged>,
}

/// How often the session checks whether the thread has finished.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A built-in file.
struct BuiltIn {
    name: &'static str,
    plain: &'static [u8],
    /// `None` if it would not be smaller.
    gzip: Option<&'static [u8]>,
}

/// The files of `page/`, as the build script found them.
const BUILT_IN: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

impl Files {
    /// Call it with the name of a file.
    pub(crate) const READ: Event<String, Option<File>> = Event::new("files.read");
    /// Reads the folder again, in a thread. The previous files are served until then, and if it
    /// fails.
    pub(crate) const REOPEN: Event<()> = Event::new("files.reopen");
    const LOOK: Event<()> = Event::new("files.look");

    /// Reads the files of a folder, or uses the built-in ones.
    ///
    /// # Errors
    /// An error of the file system, or a missing `index.html`, to which `/` redirects.
    pub(crate) fn open(folder: Option<PathBuf>) -> io::Result<Self> {
        let served = match folder.as_deref().map(Found::of).transpose()? {
            Some(found) => {
                if let (Some(folder), Some(left_out)) = (&folder, found.left_out()) {
                    log::warn!("{}: {left_out}", folder.display());
                }
                found.files
            }
            None => built_in(),
        };
        Ok(Files { folder, served, reading: None, is_due: false })
    }

    fn reopen(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(folder) = self.folder.clone() else { return };
        if self.reading.is_some() {
            self.is_due = true;
            return;
        }
        let (sender, receiver) = sync_channel(1);
        let thread = std::thread::Builder::new().name("files".into());
        let spawned = thread.spawn(move || {
            // At the end of the program no session waits for the result.
            let _ = sender.send(Found::of(&folder));
        });
        match spawned {
            Ok(_) => {
                self.reading = Some(receiver);
                cx.delay(Self::LOOK, LOOK_PAUSE, ());
            }
            Err(error) => self.serve(Err(error)),
        }
    }

    fn look(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(reading) = &self.reading else { return };
        let read = match reading.try_recv() {
            Err(TryRecvError::Empty) => return cx.delay(Self::LOOK, LOOK_PAUSE, ()),
            Err(TryRecvError::Disconnected) => Err(io::Error::other("the reading thread panicked")),
            Ok(read) => read,
        };
        self.reading = None;
        self.serve(read);
        if std::mem::take(&mut self.is_due) {
            self.reopen(cx, ());
        }
    }

    /// Serves the files that were read.
    fn serve(&mut self, read: io::Result<Found>) {
        let folder = self.folder.as_deref().unwrap_or_else(|| "".as_ref()).display();
        match read {
            Ok(found) => {
                log::info!("serving {} files of {folder}", found.files.len());
                if let Some(left_out) = found.left_out() {
                    log::warn!("{folder}: {left_out}");
                }
                self.served = found.files;
            }
            Err(error) => log::error!(
                "cannot read the files in {folder}: {error}; still serving the previous files"
            ),
        }
    }
}

impl Session for Files {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::READ, |files, _, name| files.served.get(&name).cloned())
            .on(Self::REOPEN, Self::reopen)
            .on(Self::LOOK, Self::look);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // An alias keeps the session alive as long as another session can call it.
        if let Err(taken) = cx.alias("files") {
            log::warn!("{taken}");
        }
    }
}

impl File {
    /// Returns the answer to a request with these headers: the accepted coding, or a 304 if the
    /// browser has the file.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Prepared {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        gzip.unwrap_or(&self.plain).answer(&IfNoneMatch::of(asked))
    }

    fn new(name: &str, plain: Bytes, gzip: Option<Bytes>) -> Self {
        // The hash does not have to resist attacks, because people who can change a file can also
        // change its content directly.
        let hash = fnv_1a(&plain);
        let respond = |content: Bytes, suffix: &str| {
            let mut response = Response::new(content);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            // The files change with the program, at a time that no browser can know. So browsers
            // ask each time, and a tag makes that cheap.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            let tag = HeaderValue::try_from(format!("\"{hash:032x}{suffix}\""));
            headers.insert(ETAG, tag.expect("hex digits and quotes are valid in a header"));
            // No file is large enough for ranges.
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
            response
        };
        let Some(gzip) = gzip else {
            return File { plain: Tagged::new(respond(plain, "")), gzip: None };
        };
        // Each coding needs its own tag, because the tags are strong.
        let [mut plain, mut gzip] = [respond(plain, ""), respond(gzip, "-gzip")];
        for response in [&mut plain, &mut gzip] {
            response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
        }
        gzip.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        File { plain: Tagged::new(plain), gzip: Some(Tagged::new(gzip)) }
    }
}

fn built_in() -> BTreeMap<String, File> {
    let files = BUILT_IN.iter().map(|BuiltIn { name, plain, gzip }| {
        let file = File::new(name, Bytes::from_static(plain), gzip.map(Bytes::from_static));
        ((*name).to_owned(), file)
    });
    files.collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::IF_NONE_MATCH;

    #[test]
    fn the_page_is_built_in_with_what_it_needs() {
        let files = built_in();
        for name in ["index.html", "favicon.ico", "vendor/uPlot.LICENSE"] {
            assert!(files.contains_key(name), "{name} is missing");
        }
        assert!(!files.keys().any(|name| name.contains("README")));
        assert!(files["index.html"].gzip.is_some());
        assert!(files["page.css"].gzip.is_some());
    }

    #[test]
    fn each_coding_is_known_by_its_own_tag() {
        let plain = Bytes::from_static(b"some text that a gzip could be of");
        let file = File::new("a.js", plain.clone(), Some(Bytes::from_static(b"shorter")));
        let tag = format!("\"{:032x}\"", fnv_1a(&plain));
        let gzip_tag = format!("\"{:032x}-gzip\"", fnv_1a(&plain));
        for (coding, tag, status, bytes) in [
            ("", "", 200, plain.len()),
            ("gzip", "", 200, 7),
            ("", &*tag, 304, 0),
            ("gzip", &*tag, 200, 7),
            ("", &*gzip_tag, 200, plain.len()),
            ("gzip", &*gzip_tag, 304, 0),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
            asked.insert(IF_NONE_MATCH, HeaderValue::from_str(tag).expect("it is a tag"));
            let answer = file.answer(&asked);
            let sent = (answer.status().as_u16(), answer.body_len());
            assert_eq!(sent, (status, bytes), "{coding:?} {tag}");
        }
    }
}
