//! Adam with decoupled weight decay (Loshchilov and Hutter, 2017, arXiv 1711.05101).

/// The constants of AdamW. Those of the paper's training script by default, its learning rate apart, which is
/// [`LearningRate`](crate::LearningRate)'s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// How slowly the two moments forget, each in `0.0..1.0`.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// What each step takes from the numbers, as a share of the learning rate.
    pub weight_decay: f64,
    /// The most that a gradient's norm may be; larger ones are scaled down. All layers are one gradient.
    pub max_norm: Option<f64>,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
            max_norm: Some(1.0),
        }
    }
}

/// Added to a norm before it divides, as PyTorch does.
const NORM_EPSILON: f64 = 1e-6;

impl AdamW {
    /// Scales a gradient down to the largest norm that it may have, and answers the norm that it had.
    pub fn clip(&self, gradient: &mut [f32]) -> f64 {
        let square: f64 = gradient
            .iter()
            .map(|number| f64::from(*number).powi(2))
            .sum();
        let norm = square.sqrt();
        if let Some(max_norm) = self.max_norm {
            let scale = (max_norm / (norm + NORM_EPSILON)).min(1.0) as f32;
            if scale < 1.0 {
                for number in gradient {
                    *number *= scale;
                }
            }
        }
        norm
    }

    /// Step `number`, counted from 1; with a rate of 0, of the moments alone. `moments` are of the gradient and of its square.
    pub(crate) fn step(
        &self,
        parameters: &mut [f32],
        moments: [&mut [f32]; 2],
        gradient: &[f32],
        rate: f64,
        number: u64,
    ) {
        let [first, second] = moments;
        let [beta1, beta2] = self.betas;
        let power = i32::try_from(number).unwrap_or(i32::MAX);
        let size = (rate / (1.0 - beta1.powi(power))) as f32;
        let root = (1.0 - beta2.powi(power)).sqrt() as f32;
        let (keep, epsilon) = ((1.0 - rate * self.weight_decay) as f32, self.epsilon as f32);
        let (old1, new1) = (beta1 as f32, (1.0 - beta1) as f32);
        let (old2, new2) = (beta2 as f32, (1.0 - beta2) as f32);
        let numbers = parameters.iter_mut().zip(first).zip(second).zip(gradient);
        for (((parameter, first), second), gradient) in numbers {
            *first = *first * old1 + gradient * new1;
            *second = *second * old2 + gradient * gradient * new2;
            if rate > 0.0 {
                let spread = second.sqrt() / root + epsilon;
                *parameter = *parameter * keep - size * (*first / spread);
            }
        }
    }
}
