//! How many connections each address has.

use crate::reactor::Endpoint;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts connections by the address that they come from. A place is kept as long as its
/// connection.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    addresses: HashMap<IpAddr, Arc<()>>,
}

/// The place of one connection among those of its address.
pub(super) type Place = Arc<()>;

impl Crowd {
    /// A place for `peer` unless it has `most` already. O(1), and now and then O(addresses).
    pub(super) fn place(&mut self, peer: &Endpoint, most: usize) -> Option<Place> {
        let Endpoint::Tcp(peer) = peer else { return Some(Place::default()) };
        if self.addresses.len() == self.addresses.capacity() {
            self.addresses.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = self.addresses.entry(household(peer.ip())).or_default();
        (Arc::strong_count(places) <= most).then(|| Arc::clone(places))
    }
}

/// What counts as one address: a host has as many addresses of IPv6 as it likes in its network of
/// 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn peer(ip: &str) -> Endpoint {
        SocketAddr::new(ip.parse().expect("it is an address"), 9).into()
    }

    #[track_caller]
    fn check(first: &str, second: &str, are_one: bool) {
        let mut crowd = Crowd::default();
        let place = crowd.place(&peer(first), 1);
        assert!(place.is_some());
        assert_eq!(crowd.place(&peer(second), 1).is_none(), are_one, "{first} and {second}");
    }

    #[test]
    fn an_address_is_one_of_ipv4_or_a_network_of_ipv6() {
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::ffff:1", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }

    #[test]
    fn a_place_is_free_when_its_connection_has_gone() {
        let mut crowd = Crowd::default();
        let places: Vec<_> = (0..3).map_while(|_| crowd.place(&peer("192.0.2.1"), 2)).collect();
        assert_eq!(places.len(), 2);
        drop(places);
        assert!(crowd.place(&peer("192.0.2.1"), 2).is_some());
        assert!(crowd.place(&peer("192.0.2.1"), 0).is_none());
    }

    #[test]
    fn addresses_that_have_left_are_forgotten() {
        let mut crowd = Crowd::default();
        for address in 0..10_000_u32 {
            let peer = SocketAddr::new(IpAddr::V4(address.into()), 9).into();
            assert!(crowd.place(&peer, 1).is_some());
        }
        assert!(crowd.addresses.capacity() < 64, "{}", crowd.addresses.capacity());
    }
}
