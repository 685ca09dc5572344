//! The number of connections of each address.

use crate::reactor::Endpoint;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts connections by the address of the peer. A share is kept as long as its connection.
#[derive(Debug, Default)]
pub(super) struct PerAddress {
    addresses: HashMap<IpAddr, Arc<()>>,
}

/// One connection's share of its address: the reference count is the number of connections.
pub(super) type Share = Arc<()>;

impl PerAddress {
    /// A share for `peer`, unless it has `most` already. Amortized O(1).
    pub(super) fn share(&mut self, peer: &Endpoint, most: usize) -> Option<Share> {
        let Endpoint::Tcp(peer) = peer else { return Some(Share::default()) };
        if self.addresses.len() == self.addresses.capacity() {
            self.addresses.retain(|_, shares| Arc::strong_count(shares) > 1);
        }
        let shares = self.addresses.entry(address_key(peer.ip())).or_default();
        (Arc::strong_count(shares) <= most).then(|| Arc::clone(shares))
    }
}

/// The key of an address. An IPv6 host can use any address of its /64 network, so the network is
/// the key.
fn address_key(address: IpAddr) -> IpAddr {
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
        let mut counts = PerAddress::default();
        let share = counts.share(&peer(first), 1);
        assert!(share.is_some());
        assert_eq!(counts.share(&peer(second), 1).is_none(), are_one, "{first} and {second}");
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
        let mut counts = PerAddress::default();
        let shares: Vec<_> = (0..3).map_while(|_| counts.share(&peer("192.0.2.1"), 2)).collect();
        assert_eq!(shares.len(), 2);
        drop(shares);
        assert!(counts.share(&peer("192.0.2.1"), 2).is_some());
        assert!(counts.share(&peer("192.0.2.1"), 0).is_none());
    }

    #[test]
    fn addresses_that_have_left_are_forgotten() {
        let mut counts = PerAddress::default();
        for address in 0..10_000_u32 {
            let peer = SocketAddr::new(IpAddr::V4(address.into()), 9).into();
            assert!(counts.share(&peer, 1).is_some());
        }
        assert!(counts.addresses.capacity() < 64, "{}", counts.addresses.capacity());
    }
}
