//! What users say about training.

use ccsr_sampling::Prediction;
use ccsr_stage::{Misfit, Misfits};
use ccsr_training::{AdamW, LearningRate, RateSchedule, Targets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::stable_diffusion::Precision;

/// Parameters of `train.lora`. Left out, they are the paper's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the pipeline's"
)]
pub struct Params {
    /// Rank of each layer's product.
    pub rank: u32,
    /// What the product is multiplied by, times the rank. The rank itself if left out, so that it is multiplied by 1.
    pub alpha: Option<f64>,
    /// Multiplies by `alpha` / √`rank` in place of `alpha` / `rank` (Kalajdzievski, 2023).
    pub rslora: bool,
    /// Ends of the names of the UNet's layers to adapt. Besides those of attention there are `proj_in`, `proj_out`,
    /// `ff.net.0.proj`, `ff.net.2`, and convolutions such as `conv1`, `conv2`, `conv_shortcut`.
    pub targets: Vec<String>,
    /// The same of the text encoder, which is left as it is if none is named: `q_proj`, `k_proj`, `v_proj`, `out_proj`,
    /// `fc1`, `fc2`.
    pub text_encoder_targets: Vec<String>,
    /// Pixels of the shorter side that images are brought to, and of the square that is cut out of them.
    pub resolution: u32,
    /// Where that square lies: `random`, at another place each epoch, or `center`.
    pub crop: Crop,
    /// Cuts each image to the one of many rectangles of about as many pixels that is nearest in shape, in place of a square;
    /// images of one batch have one shape.
    pub buckets: bool,
    /// Shows half the images of an epoch as in a mirror.
    pub flip: bool,
    /// Images that go through the network together.
    pub batch: u32,
    /// Batches a step of the optimizer.
    pub accumulate: u32,
    /// Times that every image is looked at.
    pub epochs: u32,
    /// Epochs between two checkpoints, each of which is kept: training goes on from the last one there is.
    pub checkpoint_every: u32,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// How it changes: `constant`, `linear` or `cosine`, to 0 at the last epoch.
    pub schedule: Schedule,
    /// Steps in which it rises from 0 before that.
    pub warmup: u32,
    /// How slowly AdamW's two moments forget.
    pub betas: [f64; 2],
    /// What AdamW adds to the root of the second moment.
    pub epsilon: f64,
    /// What AdamW takes from the numbers each step, as a share of the learning rate.
    pub weight_decay: f64,
    /// The largest norm of a gradient, of all layers together; 0 lets it be.
    pub max_grad_norm: f64,
    /// γ of min-SNR weighting (Hang et al., 2023), 5 as a rule; every timestep counts alike if left out.
    pub snr_gamma: Option<f64>,
    /// What the network is to predict, `epsilon` or `v_prediction`; what the checkpoint says if left out.
    pub prediction: Option<Predicted>,
    /// How much noise is the same for all cells of a channel.
    pub noise_offset: f64,
    /// The share of images whose prompt is left away, so that guidance stays possible.
    pub caption_dropout: f64,
    /// The decay of an average of the adapter's numbers, such as 0.9999, which is kept in place of the last; none if left
    /// out.
    pub ema: Option<f64>,
    /// In which precision the model's own weights are kept: `f32`, `f16` or `bf16`. What is computed, and the adapter, is
    /// in single precision.
    pub precision: Precision,
    /// Keeps less in memory for the way back, and computes it again.
    pub gradient_checkpointing: bool,
    /// Cards that share the batches of a step, from 1 to 64: with `accumulate` a multiple of it they are all at work. The
    /// one that the stage is on, and those after it.
    #[serde(skip_serializing)]
    pub devices: u32,
    /// What the adapter, the order of images, timesteps and noise are drawn with. The pipeline's seed is not looked at.
    pub seed: u64,
}

/// Where a square is cut out of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// Somewhere, drawn anew each epoch.
    Random,
    /// In the middle.
    Center,
}

/// How a learning rate changes after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// In a straight line, to 0 at the last epoch.
    Linear,
    /// Along half a wave of a cosine, to 0 at the last epoch.
    Cosine,
}

/// What a network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Predicted {
    /// The noise.
    Epsilon,
    /// The velocity.
    VPrediction,
}

impl From<Predicted> for Prediction {
    fn from(predicted: Predicted) -> Self {
        match predicted {
            Predicted::Epsilon => Self::Epsilon,
            Predicted::VPrediction => Self::Velocity,
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        let AdamW {
            betas,
            epsilon,
            weight_decay,
            max_norm,
        } = AdamW::default();
        Self {
            rank: 4,
            alpha: None,
            rslora: false,
            targets: ["to_q", "to_k", "to_v", "to_out.0"]
                .map(str::to_owned)
                .into(),
            text_encoder_targets: Vec::new(),
            resolution: 512,
            crop: Crop::Random,
            buckets: false,
            flip: true,
            batch: 18,
            accumulate: 1,
            epochs: 100,
            checkpoint_every: 10,
            learning_rate: 1e-4,
            schedule: Schedule::Constant,
            warmup: 0,
            betas,
            epsilon,
            weight_decay,
            max_grad_norm: max_norm.unwrap_or_default(),
            snr_gamma: None,
            prediction: None,
            noise_offset: 0.0,
            caption_dropout: 0.0,
            ema: None,
            precision: Precision::F32,
            gradient_checkpointing: false,
            devices: 1,
            seed: 42,
        }
    }
}

impl Params {
    /// What of it does not lie in its range.
    pub(super) fn misfits(&self) -> Misfits {
        let mut misfits = Misfits::new();
        for (name, value, range) in [
            ("resolution", self.resolution, 16..=4096),
            ("batch", self.batch, 1..=4096),
            ("accumulate", self.accumulate, 1..=4096),
            ("epochs", self.epochs, 1..=100_000),
            ("checkpoint_every", self.checkpoint_every, 1..=100_000),
            ("rank", self.rank, 1..=65_536),
            ("devices", self.devices, 1..=64),
        ] {
            misfits.add(within(name, value, &range, ""));
        }
        for (name, value, range) in [
            ("learning_rate", self.learning_rate, 0.0..=10.0),
            ("epsilon", self.epsilon, 1e-30..=1.0),
            ("weight_decay", self.weight_decay, 0.0..=100.0),
            ("max_grad_norm", self.max_grad_norm, 0.0..=1e9),
            ("noise_offset", self.noise_offset, 0.0..=10.0),
            ("caption_dropout", self.caption_dropout, 0.0..=1.0),
            ("ema", self.ema.unwrap_or_default(), 0.0..=0.999_999_9),
            ("snr_gamma", self.snr_gamma.unwrap_or(1.0), 1e-6..=1e6),
            ("alpha", self.alpha.unwrap_or(1.0), -1e6..=1e6),
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
        if self.targets.is_empty() && self.text_encoder_targets.is_empty() {
            let message = "`targets` names no layer; expected some, such as `to_q`";
            misfits.add(Misfit::new(["targets"], message));
        }
        misfits
    }

    /// What the adapter's products are multiplied by.
    pub(super) fn factor(&self) -> f64 {
        let rank = f64::from(self.rank);
        let divisor = if self.rslora { rank.sqrt() } else { rank };
        self.alpha.unwrap_or(rank) / divisor
    }

    pub(super) fn targets(&self) -> Targets {
        Targets {
            unet: self.targets.clone(),
            text_encoder: self.text_encoder_targets.clone(),
        }
    }

    /// Whether layers of the text encoder are adapted, too.
    pub(super) fn adapts_text_encoder(&self) -> bool {
        !self.text_encoder_targets.is_empty()
    }

    pub(super) fn optimizer(&self) -> AdamW {
        AdamW {
            betas: self.betas,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            max_norm: (self.max_grad_norm > 0.0).then_some(self.max_grad_norm),
        }
    }

    /// The learning rate of a training of so many steps.
    pub(super) fn rate(&self, steps: u64) -> LearningRate {
        LearningRate {
            peak: self.learning_rate,
            warmup: u64::from(self.warmup),
            schedule: match self.schedule {
                Schedule::Constant => RateSchedule::Constant,
                Schedule::Linear => RateSchedule::Linear,
                Schedule::Cosine => RateSchedule::Cosine,
            },
            steps,
        }
    }

    /// Images a step.
    pub(super) const fn step(&self) -> usize {
        self.batch as usize * self.accumulate as usize
    }
}
