//! The dashboard.
#[cfg_attr(not(test), expect(dead_code))]
#[expect(unused_imports)]
mod couch;
fn main() {}
