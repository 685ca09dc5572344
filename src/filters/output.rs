//! Bytes on their way out: small text that is copied and large shared buffers that are not.

use bytes::Bytes;
use std::io::IoSlice;

/// What is still to be written, in order: copied text and shared buffers.
#[derive(Debug, Default)]
pub struct Output {
    _todo: Vec<Bytes>,
}

impl Output {
    /// Appends a copy of `text`.
    pub fn text(&mut self, _text: &[u8]) {}
    /// Appends `bytes` without a copy.
    pub fn shared(&mut self, _bytes: Bytes) {}
    /// Bytes still to be written.
    pub fn len(&self) -> usize {
        0
    }
    /// Whether all has been written.
    pub fn is_empty(&self) -> bool {
        true
    }
    /// Fills `slices` with the front of what is to be written, for one gathered write; answers how many.
    pub fn gather<'a>(&'a self, _slices: &mut [IoSlice<'a>]) -> usize {
        0
    }
    /// Moves all of `other` behind what is here.
    pub fn append(&mut self, _other: &mut Output) {}
    /// Forgets what is still to be written.
    pub fn clear(&mut self) {}
    /// Marks the first `written` bytes as written.
    pub fn advance(&mut self, _written: usize) {}
}
