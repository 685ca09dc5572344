//! masque's integration tests, in one binary.

mod captures;
