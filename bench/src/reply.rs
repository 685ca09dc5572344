//! Replies as the load reads them: whole, and compared.

use memchr::memmem;

/// Takes replies apart, cheaply: servers repeat their heads, so the last one is kept to compare.
#[derive(Debug, Default)]
pub struct Replies {
    head: Vec<u8>,
    body_bytes: usize,
}

/// What a connection has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Not all of a reply.
    Partial,
    /// One reply of status 200, and nothing behind it.
    Whole {
        /// Status line and fields.
        head: &'a [u8],
        /// The body.
        body: &'a [u8],
    },
    /// Something else; why.
    Wrong(&'static str),
}

impl Replies {
    /// Looks at all bytes received since the last reply.
    pub fn read<'a>(&mut self, bytes: &'a [u8]) -> Reply<'a> {
        if self.head.is_empty() || !bytes.starts_with(&self.head) {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Reply::Partial };
            let head = &bytes[..end + 4];
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return Reply::Wrong("a reply is not of status 200");
            }
            let Some(length) = content_length(head) else {
                return Reply::Wrong("a reply has no Content-Length");
            };
            (self.head, self.body_bytes) = (head.to_vec(), length);
        }
        let (head, body) = bytes.split_at(self.head.len());
        match body.len() {
            length if length < self.body_bytes => Reply::Partial,
            length if length > self.body_bytes => Reply::Wrong("more came than one reply"),
            _ => Reply::Whole { head, body },
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    field(head, "content-length")?.parse().ok()
}

/// The value of a field of a head.
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(head).ok()?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::{Replies, Reply};

    #[test]
    fn a_reply_is_whole_or_not() {
        let head = "HTTP/1.1 200 OK\r\nContent-length:  3\r\nEtag: a\r\n\r\n";
        let whole = format!("{head}abc");
        let mut replies = Replies::default();
        for _ in 0..2 {
            for length in 0..whole.len() {
                assert_eq!(replies.read(&whole.as_bytes()[..length]), Reply::Partial);
            }
            let expected = Reply::Whole { head: head.as_bytes(), body: b"abc" };
            assert_eq!(replies.read(whole.as_bytes()), expected);
        }
        let two = format!("{whole}{whole}");
        assert_eq!(replies.read(two.as_bytes()), Reply::Wrong("more came than one reply"));
        let other = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
        assert!(matches!(replies.read(other.as_bytes()), Reply::Wrong(_)));
    }
}
