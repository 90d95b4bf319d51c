//! A layer of an adapter: two factors, and how much their product counts.

use burn::prelude::*;

/// One of the two factors of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// As PyTorch has it.
    pub shape: Vec<usize>,
    /// Row by row.
    pub numbers: Vec<f32>,
}

/// A layer of an adapter: `alpha / rank · up · down` is added to the weight of a linear layer or a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraLayer {
    down: Factor,
    up: Factor,
    alpha: f64,
}

impl LoraLayer {
    /// A layer of these factors.
    ///
    /// # Shapes
    /// `down`: `[rank, in]`, of a convolution `[rank, in, height, width]`; `up`: `[out, rank]`, of a convolution
    /// `[out, rank, 1, 1]`.
    ///
    /// # Errors
    /// A sentence: the shapes are others, the rank is 0, or a number is not finite.
    pub fn new(down: Factor, up: Factor, alpha: f64) -> Result<Self, String> {
        for factor in [&down, &up] {
            if factor.shape.iter().product::<usize>() != factor.numbers.len() {
                let (shape, count) = (&factor.shape, factor.numbers.len());
                return Err(format!("{count} numbers are no {shape:?}"));
            }
        }
        let is_product = matches!(down.shape.len(), 2 | 4)
            && matches!(up.shape.len(), 2 | 4)
            && up.shape[1] == down.shape[0]
            && up.shape[2..].iter().all(|side| *side == 1);
        if !is_product {
            return Err(format!(
                "expected [rank, in] and [out, rank], or of a convolution [rank, in, height, width] and \
                 [out, rank, 1, 1], found {:?} and {:?}",
                down.shape, up.shape
            ));
        }
        if down.shape[0] == 0 {
            return Err("its rank is 0; expected 1 at least".to_owned());
        }
        if !alpha.is_finite() {
            return Err(format!("its alpha is {alpha}; expected a finite number"));
        }
        let mut numbers = down.numbers.iter().chain(&up.numbers);
        if let Some(number) = numbers.find(|number| !number.is_finite()) {
            return Err(format!("it holds {number}; expected finite numbers"));
        }
        Ok(Self { down, up, alpha })
    }

    /// What goes down to the rank: `[rank, in]` or `[rank, in, height, width]`.
    pub const fn down(&self) -> &Factor {
        &self.down
    }

    /// What goes up from the rank: `[out, rank]` or `[out, rank, 1, 1]`.
    pub const fn up(&self) -> &Factor {
        &self.up
    }

    /// Its rank, 1 at least.
    pub fn rank(&self) -> usize {
        self.down.shape[0]
    }

    /// The numerator of its factor.
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// What its product is multiplied by.
    pub fn scaling(&self) -> f64 {
        self.alpha / self.rank() as f64
    }

    /// The shape of the weight that it is for, as PyTorch has it: `[out, in]` or `[out, in, height, width]`.
    pub fn weight_shape(&self) -> Vec<usize> {
        let mut shape = self.down.shape.clone();
        shape[0] = self.up.shape[0];
        shape
    }

    /// Whether it is for a weight of this shape. A convolution of one cell is a linear layer, and files write the
    /// one as the other.
    pub(super) fn fits(&self, weight: &[usize]) -> bool {
        let ours = self.weight_shape();
        let (most, least) = if ours.len() > weight.len() {
            (ours.as_slice(), weight)
        } else {
            (weight, ours.as_slice())
        };
        let more = most.strip_prefix(least);
        weight.len() >= 2 && more.is_some_and(|more| more.iter().all(|side| *side == 1))
    }

    /// What is added to the weight at this scale, in single precision.
    ///
    /// # Shapes
    /// `[out, in · height · width]`
    pub(super) fn product(&self, scale: f64, device: &Device) -> Tensor<2> {
        let matrix = |factor: &Factor| {
            let rows = factor.shape[0];
            let columns = factor.numbers.len() / rows.max(1);
            let data = TensorData::new(factor.numbers.clone(), [rows, columns]);
            Tensor::<2>::from_data(data, device)
        };
        let product = matrix(&self.up).matmul(matrix(&self.down));
        product.mul_scalar(scale * self.scaling())
    }
}
