//! Reading requests: heads, bodies, and their errors.

use super::incoming::Incoming;
use super::reply::Asked;
use super::request::{self, HEAD_TOO_LARGE, Outline, Refusal, TARGET_TOO_LONG, bad};
use super::{Httpd, Mode, Request, Response, Turn};
use crate::filters::head::HeadScan;

impl<M: Mode> Httpd<M> {
    /// Reads a head into `request`, and determines the length of its body.
    pub(super) fn head(
        &mut self,
        input: &mut &[u8],
        request: &mut Request,
    ) -> Result<Option<(Outline, Incoming)>, Refusal> {
        if !self.blank && input.starts_with(b"\r\n") {
            // RFC 9112 section 2.2: old clients send an empty line after a body.
            self.blank = true;
            self.scan = HeadScan::default();
            *input = &input[2..];
        }
        // Set before the rest is parsed, because a refusal of the rest needs it.
        self.asked.head = input.starts_with(b"HEAD ");
        // A head that has begun is not parsed until its end has arrived.
        let is_new = !self.scan.has_begun();
        let at_once = is_new.then(|| request::parse_at_once(input, self.limits(), request));
        let (length, outline) = match at_once.flatten() {
            Some(parsed) => parsed,
            None => match self.find_head(input)? {
                Some(length) => (length, request::parse(&input[..length], self.limits(), request)),
                None => return Ok(None),
            },
        };
        *input = &input[length..];
        self.blank = false;
        self.requests = self.requests.wrapping_add(1);
        let limits = self.limits();
        let (body, last) = (limits.body, limits.requests);
        let outline = outline?;
        self.asked = Asked {
            head: request.method() == http::Method::HEAD,
            http10: request.version() == http::Version::HTTP_10,
            keep_alive: outline.keep_alive && self.requests < last,
        };
        let body = Incoming::new(outline.framing, body)?;
        Ok(Some((outline, body)))
    }

    fn find_head(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let found = self.scan.find(input);
        let limits = self.limits();
        // The first error counts, so that the answer does not depend on the pieces in which the
        // bytes arrive.
        let length = match found {
            Ok(found) => found.unwrap_or(input.len()),
            Err(_) => self.scan.line_end(input),
        };
        let shown = &input[..length.min(limits.head.saturating_add(1))];
        if is_target_too_long(shown, limits.target) {
            return Err(TARGET_TOO_LONG);
        }
        if length > limits.head {
            return Err(HEAD_TOO_LARGE);
        }
        found.map_err(|_| bad("a line does not end with CRLF"))
    }

    /// The next item. If `ended` is true, no more bytes will arrive.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        ended: bool,
    ) -> Option<Result<M::Item, Response>> {
        match self.turn {
            Turn::Request => {}
            Turn::Answer | Turn::Parts(_) if self.incoming.is_some() => {}
            Turn::Answer | Turn::Parts(_) => return None,
            Turn::Refusal | Turn::Cut | Turn::Over => {
                *input = &[];
                return None;
            }
        }
        if input.is_empty() && self.incoming.is_none() {
            return None; // usually bytes after the last request
        }
        let refusal = match M::next(self, input) {
            Ok(Some(item)) => return Some(Ok(item)),
            Ok(None) if ended && (self.incoming.is_some() || !input.is_empty()) => {
                bad("the request was cut short")
            }
            Ok(None) => return None,
            Err(refusal) => refusal,
        };
        *input = &[];
        self.incoming = None;
        self.expected = false;
        self.asked.keep_alive = false;
        self.turn = if let Turn::Parts(_) = self.turn { Turn::Cut } else { Turn::Refusal };
        Some(Err(refusal.response()))
    }
}

/// Returns true if the target in a head, complete or not, has more than `max` bytes.
fn is_target_too_long(head: &[u8], max: usize) -> bool {
    head.len() > max && {
        let line = head.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
        line.split(|&byte| byte == b' ').nth(1).is_some_and(|target| target.len() > max)
    }
}
