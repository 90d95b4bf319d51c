//! Where noise comes from: a counter-based generator on the CPU, so that a sample's noise depends on
//! its seed and on nothing else: not on its batch, the device, or how many threads there are.
//!
//! ChaCha with 8 rounds, whose stream `rand_chacha` promises to keep, and the transform of Box and
//! Muller with `libm`'s functions, which are the same on every machine.

use std::f64::consts::TAU;

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A source of standard normal noise.
#[derive(Clone, Debug)]
pub struct Noise {
    random: ChaCha8Rng,
    /// Box and Muller make two numbers at a time.
    spare: Option<f64>,
}

impl Noise {
    /// The noise of this seed: 32 bytes, a digest as a rule.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            random: ChaCha8Rng::from_seed(seed),
            spare: None,
        }
    }

    /// The next number.
    pub fn number(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // In (0, 1], as a logarithm wants it, and in [0, 1).
        let first = 1.0 - self.uniform();
        let second = self.uniform();
        let radius = libm::sqrt(-2.0 * libm::log(first));
        let angle = TAU * second;
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// The next number in [0, 1), of 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next numbers.
    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number() as f32).collect()
    }
}

/// One sample's noise each, as a batch.
///
/// # Shapes
/// `[sources, channels, height, width]` for `shape` `[channels, height, width]`.
pub fn batch(
    sources: &mut [Noise],
    [channels, height, width]: [usize; 3],
    device: &Device,
) -> Tensor<4> {
    let each = channels * height * width;
    let numbers: Vec<f32> = sources
        .iter_mut()
        .flat_map(|source| source.numbers(each))
        .collect();
    let data = TensorData::new(numbers, [sources.len(), channels, height, width]);
    Tensor::from_data(data, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_frozen() {
        let mut noise = Noise::new([7; 32]);
        let numbers = noise.numbers(4);
        assert_eq!(numbers, Noise::new([7; 32]).numbers(4));
        assert_ne!(numbers, Noise::new([8; 32]).numbers(4));
    }

    #[test]
    fn noise_is_standard_normal() {
        let numbers = Noise::new([1; 32]).numbers(200_000);
        let count = numbers.len() as f64;
        let moment = |power: i32| {
            numbers
                .iter()
                .map(|n| f64::from(*n).powi(power))
                .sum::<f64>()
                / count
        };
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.1, "{}", moment(4));
    }

    #[test]
    fn a_batch_is_its_samples() {
        let device = Device::flex();
        let mut both = [Noise::new([1; 32]), Noise::new([2; 32])];
        let together = batch(&mut both, [4, 3, 5], &device).into_data();
        let alone = batch(&mut [Noise::new([2; 32])], [4, 3, 5], &device).into_data();
        let together = together.try_to_vec::<f32>().unwrap();
        assert_eq!(together[60..], alone.try_to_vec::<f32>().unwrap());
    }
}
