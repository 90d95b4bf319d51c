//! Random numbers that never change under our feet.
//!
//! [`Random`] reads its words from BLAKE3's extendable output, so a stream is fixed by its seed alone: not by
//! a crate's version, the machine, or the order in which other streams are read. Everything drawn from it is
//! made of integers and exact divisions; nothing here calls a transcendental function.

/// Keeps our streams apart from every other use of BLAKE3 on the same bytes.
const CONTEXT: &str = "ccsr-world 2024-06-01 random stream";

/// A stream of random numbers, fixed by its seed.
#[derive(Clone, Debug)]
pub struct Random {
    reader: blake3::OutputReader,
}

impl Random {
    /// The stream of a 256-bit seed.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self::from_parts(&[seed])
    }

    /// The stream of several byte strings; `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self {
            reader: hasher.finalize_xof(),
        }
    }

    /// A seed for a stream of its own, taken from this one.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.reader.fill(&mut bytes);
        bytes
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.reader.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number in `0.0..1.0` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit() as f32
    }

    /// Whole number in `0..bound`, without bias.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "nothing lies below zero");
        let bound = bound as u64;
        // Words past the last whole multiple of `bound` would favour small results, so they are drawn again.
        let whole = u64::MAX - u64::MAX % bound;
        loop {
            let bits = self.bits();
            if bits < whole {
                return (bits % bound) as usize;
            }
        }
    }

    /// True with the given probability (`0.0..=1.0`).
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Puts things in any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// One of the choices, all equally likely.
    ///
    /// # Panics
    /// If there is nothing to choose from.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_pinned() {
        let mut random = Random::new(&[7; 32]);
        assert_eq!(random.bits(), 2_830_192_518_098_782_419);
        let again = Random::new(&[7; 32]).bits();
        assert_eq!(again, 2_830_192_518_098_782_419);
    }

    #[test]
    fn parts_are_kept_apart() {
        let first = Random::from_parts(&[b"ab", b"c"]).bits();
        assert_ne!(first, Random::from_parts(&[b"a", b"bc"]).bits());
        assert_ne!(first, Random::from_parts(&[b"abc"]).bits());
    }

    #[test]
    fn numbers_fill_their_range_evenly() {
        let mut random = Random::new(&[1; 32]);
        let mut counts = [0_u32; 7];
        for _ in 0..7000 {
            counts[random.below(7)] += 1;
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit));
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
