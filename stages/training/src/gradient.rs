//! What a batch says about the numbers that are trained.

use burn::prelude::*;
use burn::tensor::Gradients;

/// The loss of a batch, and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// The mean over what was learnt from.
    pub loss: f64,
    /// Of the numbers that are trained, as they lie.
    pub numbers: Vec<f32>,
    /// Over how many it is the mean: examples, or tokens of a text.
    pub count: usize,
}

impl Gradient {
    /// What a loss says, which is a mean over so many; `taken` out of all gradients.
    pub(crate) fn of(
        loss: &Tensor<1>,
        count: usize,
        taken: impl FnOnce(&Gradients) -> Vec<f32>,
    ) -> Self {
        Self {
            numbers: taken(&loss.backward()),
            loss: f64::from(loss.clone().inner().into_scalar::<f32>()),
            count,
        }
    }

    /// That of so many numbers where there is nothing to learn.
    pub fn nothing(numbers: usize) -> Self {
        Self {
            loss: 0.0,
            numbers: vec![0.0; numbers],
            count: 0,
        }
    }

    /// Adds the share that a part has in a mean over so many.
    ///
    /// # Panics
    /// If it is of other numbers.
    pub fn add(&mut self, part: &Self, of: usize) {
        assert_eq!(self.numbers.len(), part.numbers.len(), "of other numbers");
        if part.count == 0 {
            return;
        }
        let share = part.count as f64 / of as f64;
        self.loss += part.loss * share;
        for (sum, number) in self.numbers.iter_mut().zip(&part.numbers) {
            *sum += number * share as f32;
        }
        self.count += part.count;
    }

    /// Adds a share that is in proportion already, of examples that are counted.
    ///
    /// # Panics
    /// If it is of other numbers.
    pub fn plus(&mut self, share: &Self) {
        assert_eq!(self.numbers.len(), share.numbers.len(), "of other numbers");
        self.loss += share.loss;
        for (sum, number) in self.numbers.iter_mut().zip(&share.numbers) {
            *sum += number;
        }
    }

    /// The gradient of a batch, of those of its parts, which are added in their order; none of none.
    ///
    /// # Panics
    /// If they are of different numbers.
    pub fn mean(parts: &[Self]) -> Option<Self> {
        let of = parts.iter().map(|part| part.count).sum();
        let mut mean = Self::nothing(parts.first()?.numbers.len());
        for part in parts {
            mean.add(part, of);
        }
        Some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(loss: f64, numbers: &[f32], count: usize) -> Gradient {
        Gradient {
            loss,
            numbers: numbers.to_vec(),
            count,
        }
    }

    #[test]
    fn parts_count_by_what_is_in_them() {
        let parts = [of(1.0, &[1.0, -4.0], 1), of(5.0, &[5.0, 0.0], 3)];
        assert_eq!(Gradient::mean(&parts), Some(of(4.0, &[4.0, -1.0], 4)));
        let (one, nothing) = (of(0.1, &[0.3], 7), Gradient::nothing(1));
        let parts = [nothing.clone(), one.clone()];
        assert_eq!(Gradient::mean(&parts), Some(one));
        let parts = [nothing.clone(), nothing.clone()];
        assert_eq!(Gradient::mean(&parts), Some(nothing));
        assert_eq!(Gradient::mean(&[]), None);
    }
}
