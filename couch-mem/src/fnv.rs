//! FNV-1a of 128 bits, a hash that is the same on every machine and in every version.
//!
//! The hashers of `std` do not promise that. FNV-1a does not resist attacks: it is easy to find two
//! contents with the same hash.

/// Returns the hash of these bytes.
///
/// ```
/// assert_eq!(couch_mem::fnv::fnv_1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
/// ```
pub fn fnv_1a(bytes: &[u8]) -> u128 {
    let mut hash = Fnv128::default();
    hash.write(bytes);
    hash.value()
}

/// A hash that is calculated piece by piece.
///
/// ```
/// let mut hash = couch_mem::fnv::Fnv128::default();
/// hash.write(b"a");
/// assert_eq!(hash.value(), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv128(u128);

impl Default for Fnv128 {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv128 {
    /// Adds bytes to the hashed content.
    pub fn write(&mut self, bytes: &[u8]) {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }

    /// Returns the hash of all bytes that were written.
    pub fn value(self) -> u128 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv_1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv_1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
