//! Seals: how the ledger notices that it says something else than it was told. Objects are verified
//! by their names; SQLite hands out a flipped byte like any other.
//!
//! A seal guards against decay, not against people. What it covers is decided by the modules that
//! own the tables; a row whose seal does not match is as good as none.

/// The first bytes of a BLAKE3 digest, as the ledger keeps them.
pub(crate) type Seal = [u8; 8];

/// Seals `parts`: each is digested after its length, so that none can lend bytes to the next.
pub(crate) fn seal<const N: usize>(parts: [&[u8]; N]) -> Seal {
    let length: usize = parts.iter().map(|part| part.len() + size_of::<u64>()).sum();
    let mut bytes = Vec::with_capacity(length);
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    let digest = blake3::hash(&bytes);
    std::array::from_fn(|index| digest.as_bytes()[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_border_enters() {
        let sealed = seal([b"key", b"outcome"]);
        assert_ne!(sealed, seal([b"kez", b"outcome"]));
        assert_ne!(sealed, seal([b"key", b"outcomf"]));
        assert_ne!(sealed, seal([b"keyo", b"utcome"]));
        assert_ne!(sealed, seal([b"key", b"outcome", b""]));
    }

    /// These bytes are the format: a change here forgets every outcome that is kept.
    #[test]
    fn seals_are_frozen() {
        let sealed = seal([b"key", b"outcome"]);
        assert_eq!(sealed, [201, 249, 213, 171, 191, 104, 231, 115]);
    }
}
