//! Requests as browsers send them.

use crate::reply::field;

/// How a browser states which revision it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// In the path: `GET /overview/REV`.
    Path,
    /// As a cache does: with the validators of the last reply.
    Validators,
}

impl Asking {
    /// A request of about 400 bytes, of a browser that has this revision, which came with this
    /// head.
    pub fn request(self, has: Option<(&str, &[u8])>) -> Vec<u8> {
        let mut path = "/overview".to_owned();
        let mut validators = String::new();
        match (self, has) {
            (_, None) => {}
            (Self::Path, Some((rev, _))) => path = format!("/overview/{rev}"),
            (Self::Validators, Some((_, head))) => {
                let value = |name| field(head, name).unwrap_or_default();
                validators = format!(
                    "If-Modified-Since: {}\r\nIf-None-Match: {}\r\n",
                    value("last-modified"),
                    value("etag")
                );
            }
        }
        format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br\r\nReferer: http://127.0.0.1/file/index.html\r\n\
         {validators}Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n\
         Sec-Fetch-Site: same-origin\r\n\r\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::Asking;

    #[test]
    fn a_request_is_as_long_as_a_browsers() {
        let rev = format!("7-{:032x}", 1);
        let length = Asking::Path.request(Some((&rev, b""))).len();
        assert!((380..480).contains(&length), "{length}");
        let head = b"HTTP/1.1 200 OK\r\nLast-Modified: then\r\nEtag: 0\r\n\r\n";
        let asked = Asking::Validators.request(Some((&rev, head)));
        let asked = String::from_utf8(asked).expect("text");
        assert!(asked.contains("If-Modified-Since: then\r\nIf-None-Match: 0\r\n"), "{asked}");
    }
}
