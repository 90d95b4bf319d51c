//! Batch normalisation (Ioffe and Szegedy, 2015): by the statistics that training left, or by a batch's own.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Param;
use burn::nn::{GroupNorm, Initializer};
use burn::prelude::*;
use ccsr_nn::ops::group_norm;

/// ε of all normalisations: not PyTorch's 1e-5.
const EPSILON: f64 = 1e-3;

/// A factor and a shift a channel, after the mean and the variance were taken away.
#[derive(Module, Debug)]
pub(crate) struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    /// None, as the variance, while the network is trained.
    running_mean: Option<Param<Tensor<1>>>,
    running_var: Option<Param<Tensor<1>>>,
    /// Where statistics of batches are gathered, while they are.
    #[module(skip)]
    gathered: Option<Arc<Mutex<Gathered>>>,
}

/// Sums over batches of their statistics, a channel each.
#[derive(Debug, Default)]
struct Gathered {
    batches: usize,
    means: Vec<f64>,
    /// Of the variance and the squared mean.
    squares: Vec<f64>,
}

impl BatchNorm {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        let ones = || Initializer::Ones.init([channels], device);
        let zeros = || Initializer::Zeros.init([channels], device);
        Self {
            weight: ones(),
            bias: zeros(),
            running_mean: Some(zeros()),
            running_var: Some(ones()),
            gathered: None,
        }
    }

    /// The factor and the shift that it comes to, `[channels]`; none while it goes by the statistics of batches.
    pub(crate) fn affine(&self) -> Option<[Tensor<1>; 2]> {
        let (mean, variance) = (self.running_mean.as_ref()?, self.running_var.as_ref()?);
        let factor = self.weight.val() / (variance.val() + EPSILON).sqrt();
        let shift = self.bias.val() - mean.val() * factor.clone();
        Some([factor, shift])
    }

    /// From now on it goes by the statistics of batches.
    pub(crate) fn forget(&mut self) {
        (self.running_mean, self.running_var) = (None, None);
    }

    /// From now on it gathers the statistics of batches, by which it goes.
    pub(crate) fn gather(&mut self) {
        self.forget();
        self.gathered = Some(Arc::default());
    }

    /// From now on it goes by the statistics that were gathered, if any were.
    pub(crate) fn conclude(&mut self) {
        let Some(gathered) = self.gathered.take() else {
            return;
        };
        let gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.batches == 0 {
            return;
        }
        let mean = |sum: &f64| sum / gathered.batches as f64;
        let means: Vec<f64> = gathered.means.iter().map(mean).collect();
        let squares = gathered.squares.iter().map(mean).zip(&means);
        let variances = squares.map(|(square, mean)| (square - mean * mean).max(0.0) as f32);
        let device = self.weight.val().device();
        let parameter =
            |numbers: Vec<f32>| Param::from_tensor(Tensor::from_data(numbers.as_slice(), &device));
        self.running_var = Some(parameter(variances.collect()));
        self.running_mean = Some(parameter(means.iter().map(|mean| *mean as f32).collect()));
    }

    /// Normalises, and applies SiLU if it is `active`.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]`, in and out.
    pub(crate) fn forward(&self, input: Tensor<4>, active: bool) -> Tensor<4> {
        if let Some(affine) = self.affine() {
            let [factor, shift] = affine.map(|of| of.reshape([1, -1, 1, 1]));
            let output = input * factor + shift;
            return if active {
                ccsr_nn::Activation::Silu.forward(output)
            } else {
                output
            };
        }
        // A batch's statistics are those of one image that has the cells of all: a group a channel.
        let [batch, channels, height, width] = input.dims();
        let cells = input.swap_dims(0, 1);
        let cells = cells.reshape([1, channels, batch * height, width]);
        if let Some(gathered) = &self.gathered {
            let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.add(&cells);
        }
        let norm = GroupNorm {
            gamma: Some(self.weight.clone()),
            beta: Some(self.bias.clone()),
            num_groups: channels,
            num_channels: channels,
            epsilon: EPSILON,
            affine: true,
        };
        group_norm(&norm, cells, active)
            .reshape([channels, batch, height, width])
            .swap_dims(0, 1)
    }
}

impl Gathered {
    /// # Shapes
    /// `cells`: `[1, channels, .., ..]`.
    fn add(&mut self, cells: &Tensor<4>) {
        let rows: Tensor<2> = cells.clone().flatten::<3>(2, 3).squeeze_dim(0);
        let mean = rows.clone().mean_dim(1);
        let variance = (rows - mean.clone()).square().mean_dim(1);
        let square = variance + mean.clone().square();
        self.batches += 1;
        for (sums, found) in [(&mut self.means, mean), (&mut self.squares, square)] {
            let found = found.into_data().convert::<f64>();
            let found = found.try_to_vec::<f64>().expect("it was converted above");
            sums.resize(found.len(), 0.0);
            for (sum, found) in sums.iter_mut().zip(found) {
                *sum += found;
            }
        }
    }
}
