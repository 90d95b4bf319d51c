//! The witness: each fact about an image is to be told.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use ccsr_nn::Row;
use ccsr_witness::Witness;

use crate::Gradient;

/// A witness, and how far what it says is from what is so.
pub struct WitnessTrainer {
    network: Witness,
    row: Row,
    /// The share of certainty that is spread over all values (Szegedy et al., 2016, section 7).
    smoothing: f64,
    /// With a graph.
    device: Device,
}

/// Images, and what is so.
pub struct WitnessBatch {
    /// As the network reads them, `[batch, 3, height, width]`.
    pub pixels: Tensor<4>,
    /// For each fact, the number of the value that each image has.
    pub values: Vec<Vec<usize>>,
}

impl WitnessTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(network: Witness, smoothing: f64, device: &Device) -> Self {
        Self {
            row: Row::of(&network),
            network,
            smoothing,
            device: device.clone(),
        }
    }

    /// The network's numbers.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient: the sum of the facts' cross-entropies, each a mean over the
    /// batch.
    ///
    /// # Panics
    /// If a fact has no value for an image, or one that it cannot have.
    pub fn gradient(&self, numbers: &[f32], batch: WitnessBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let pixels = Tensor::from_inner(batch.pixels.to_device(&below));
        let [count, ..] = pixels.dims();
        let logits = network.forward(pixels);
        assert_eq!(logits.len(), batch.values.len(), "facts without values");
        let losses = logits.into_iter().zip(&batch.values);
        let losses = losses.map(|(logits, values)| cross_entropy(logits, values, self.smoothing));
        let loss = losses.reduce(|sum, loss| sum + loss);
        let loss = loss.expect("a witness speaks of something");
        Gradient::of(&loss, count, |gradients| Row::gradient(&network, gradients))
    }
}

/// How far logits are from values, a mean over the batch; a share of certainty is spread over all values.
///
/// # Shapes
/// `logits`: `[batch, values]`.
pub(crate) fn cross_entropy(logits: Tensor<2>, values: &[usize], smoothing: f64) -> Tensor<1> {
    let [count, width] = logits.dims();
    assert_eq!(values.len(), count, "images without a value");
    let spread = smoothing as f32 / width as f32;
    let mut wanted = vec![spread; count * width];
    for (row, value) in wanted.chunks_mut(width).zip(values) {
        row[*value] += 1.0 - smoothing as f32;
    }
    let wanted = TensorData::new(wanted, [count, width]);
    let wanted = Tensor::<2>::from_data(wanted, &logits.device());
    (log_softmax(logits, 1) * wanted).sum() * (-1.0 / count as f64)
}
