//! Ready-made sessions.
