//! What a connection costs while nothing happens; how it behaves is tested with a network.

use super::State;
use crate::filters::{Httpd, Stream};

#[test]
fn a_connection_takes_little_while_it_waits() {
    let (bare, http) = (size_of::<State<Stream>>(), size_of::<State<Httpd>>());
    assert!(bare <= 208 && http <= 264, "{bare} and {http}");
}
