//! What a server lets a request ask for.

use super::Httpd;
use crate::limits::{HTTP_BODY_BYTES, HTTP_HEAD_BYTES, HTTP_HEADERS, HTTP_TARGET_BYTES};
use std::sync::Arc;

/// Bounds of a request, shared by all connections of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) head: usize,
    pub(super) target: usize,
    pub(super) headers: usize,
    pub(super) body: usize,
}

const DEFAULT: Limits = Limits {
    head: HTTP_HEAD_BYTES,
    target: HTTP_TARGET_BYTES,
    headers: HTTP_HEADERS,
    body: HTTP_BODY_BYTES,
};

impl Httpd {
    /// Refuses heads of more than `bytes` with 431.
    pub fn with_head_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.head = bytes)
    }

    /// Refuses request targets of more than `bytes` with 414.
    pub fn with_target_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.target = bytes)
    }

    /// Refuses heads of more than `count` fields with 431.
    pub fn with_headers_max(self, count: usize) -> Self {
        self.with(|limits| limits.headers = count)
    }

    /// Refuses bodies of more than `bytes` with 413.
    pub fn with_body_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.body = bytes)
    }

    pub(super) fn limits(&self) -> &Limits {
        self.limits.as_deref().unwrap_or(&DEFAULT)
    }

    fn with(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        set(Arc::make_mut(self.limits.get_or_insert_with(|| Arc::new(DEFAULT))));
        self
    }
}
