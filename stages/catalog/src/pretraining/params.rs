//! What all trainings of whole networks are told.

use ccsr_nn::Parameter;
use ccsr_stage::{Misfit, Misfits, Value};
use ccsr_training::{AdamW, Average, LearningRate, RateSchedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::train_lora::Schedule;

/// How a network is trained, whatever it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Steps of the optimizer.
    pub steps: u32,
    /// Examples a step.
    pub batch: u32,
    /// Steps between two checkpoints, each of which is kept: training goes on from the last one there is.
    pub checkpoint_every: u32,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// How it changes: `constant`, `linear` or `cosine`, to 0 at the last step.
    pub schedule: Schedule,
    /// Steps in which it rises from 0 before that.
    pub warmup: u32,
    /// `adamw`, or `muon`, with which a diffusion model took fewer steps.
    #[serde(skip_serializing_if = "Optimizer::is_adamw")]
    pub optimizer: Optimizer,
    /// How slowly AdamW's two moments forget.
    pub betas: [f64; 2],
    /// What is taken from the numbers each step, as a share of the learning rate.
    pub weight_decay: f64,
    /// The largest norm of a gradient; 0 lets it be.
    pub max_grad_norm: f64,
    /// The decay of an average of the numbers, such as 0.999, which the model is made of in place of the last; none if left
    /// out.
    pub ema: Option<f64>,
    /// What the network begins with, the order of examples and all else is drawn with. The pipeline's seed is not looked at.
    pub seed: u64,
}

/// How numbers follow their gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// All by AdamW.
    Adamw,
    /// The matrices between the first layer and the last by Muon, all else by AdamW.
    Muon,
}

impl Optimizer {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_adamw(&self) -> bool {
        *self == Self::Adamw
    }
}

impl Default for Training {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 32,
            checkpoint_every: 500,
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            warmup: 100,
            optimizer: Optimizer::Adamw,
            betas: [0.9, 0.99],
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            ema: None,
            seed: 42,
        }
    }
}

impl Training {
    /// What of it does not lie in its range.
    pub(super) fn misfits(&self) -> Misfits {
        let mut misfits = Misfits::new();
        for (name, value, range) in [
            ("steps", self.steps, 1..=10_000_000),
            ("batch", self.batch, 1..=65_536),
            ("checkpoint_every", self.checkpoint_every, 1..=10_000_000),
        ] {
            misfits.add(within(name, value, &range, ""));
        }
        for (name, value, range) in [
            ("learning_rate", self.learning_rate, 0.0..=10.0),
            ("weight_decay", self.weight_decay, 0.0..=100.0),
            ("max_grad_norm", self.max_grad_norm, 0.0..=1e9),
            ("ema", self.ema.unwrap_or_default(), 0.0..=0.999_999),
        ] {
            misfits.add(within(name, value, &range, ""));
        }
        for (index, beta) in self.betas.iter().enumerate() {
            if !(0.0..1.0).contains(beta) {
                let message = format!("`{beta}` is not from 0 to below 1");
                misfits.add(Misfit::new(
                    ["betas".to_owned(), index.to_string()],
                    message,
                ));
            }
        }
        misfits
    }

    /// What the steps depend on. How many there are is part of it where the learning rate reads it.
    pub(super) fn identity(&self) -> Value {
        let Value::Map(map) = crate::identity_of(self) else {
            return Value::Null;
        };
        let read = |name: &str| match name {
            "steps" => self.rate().schedule.reads_end(),
            "checkpoint_every" => false,
            _ => true,
        };
        let read = map.iter().filter(|(name, _)| read(name));
        Value::map(read.map(|(name, value)| (name.clone(), value.clone())))
    }

    /// How many units the steps are.
    pub(super) fn segments(&self) -> u64 {
        self.steps.div_ceil(self.checkpoint_every).into()
    }

    pub(super) fn rate(&self) -> LearningRate {
        LearningRate {
            peak: self.learning_rate,
            warmup: self.warmup.into(),
            schedule: match self.schedule {
                Schedule::Constant => RateSchedule::Constant,
                Schedule::Linear => RateSchedule::Linear,
                Schedule::Cosine => RateSchedule::Cosine,
            },
            steps: self.steps.into(),
        }
    }

    pub(super) fn optimizer(&self) -> AdamW {
        AdamW {
            betas: self.betas,
            weight_decay: self.weight_decay,
            max_norm: (self.max_grad_norm > 0.0).then_some(self.max_grad_norm),
            ..AdamW::default()
        }
    }

    /// The sides of the matrix that a parameter is for Muon, a convolution's filters as rows of one. Those whose names have
    /// something of `outer` are not for it.
    pub(super) fn matrix(&self, parameter: &Parameter, outer: &[&str]) -> Option<[usize; 2]> {
        let is_outer = outer.iter().any(|part| parameter.name.contains(part));
        if self.optimizer != Optimizer::Muon || is_outer || parameter.shape.len() < 2 {
            return None;
        }
        let rows = parameter.shape[0];
        Some([rows, parameter.len() / rows])
    }

    pub(super) fn average(&self) -> Option<Average> {
        self.ema.map(|decay| Average { decay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn muon_gets_matrices_and_filters_but_the_outer_ones() {
        let matrix = |optimizer, name: &str, shape: &[usize]| {
            let training = Training {
                optimizer,
                ..Training::default()
            };
            let parameter = Parameter {
                name: name.to_owned(),
                shape: shape.to_vec(),
                is_linear: shape.len() == 2,
            };
            training.matrix(&parameter, &["conv_in"])
        };
        let (conv, filters) = ("resnets.0.conv1.weight", [64, 80, 3, 3]);
        let muon = |name: &str, shape: &[usize]| matrix(Optimizer::Muon, name, shape);
        assert_eq!(muon("to_q.weight", &[96, 64]), Some([96, 64]));
        assert_eq!(muon(conv, &filters), Some([64, 720]));
        assert_eq!(muon("norm1.weight", &[64]), None);
        assert_eq!(muon("conv_in.weight", &[64, 8, 3, 3]), None);
        assert_eq!(matrix(Optimizer::Adamw, conv, &filters), None);
    }
}
