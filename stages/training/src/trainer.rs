//! What a batch says about an adapter's numbers: the loss and its gradient.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use ccsr_clip::TextModel;
use ccsr_nn::Component;
use ccsr_stable_diffusion::UNet;

use crate::layers::Leaf;
use crate::{Gradient, Layers, Objective};

/// Networks that stay as they are, and the layers that an adapter adds to.
pub struct Trainer {
    /// On the device below, without graphs.
    plain: UNet,
    unet: UNet,
    /// Only where layers of it are adapted.
    text_encoder: Option<TextModel>,
    layers: Layers,
    /// α / rank, or α / √rank.
    factor: f64,
    objective: Objective,
    /// Whether what goes on in a block of the UNet is computed again on the way back.
    checkpointing: bool,
    /// With a graph.
    device: Device,
}

/// Images to train on, with noise to find in them.
pub struct Batch {
    /// Scaled latents, `[batch, channels, height, width]`.
    pub latents: Tensor<4>,
    /// Standard normal, of the same shape.
    pub noise: Tensor<4>,
    /// One an image.
    pub timesteps: Vec<usize>,
    /// What is to be seen.
    pub text: Text,
}

/// Texts of a batch.
pub enum Text {
    /// As the text encoder left them, `[batch, tokens, numbers]`.
    States(Tensor<3>),
    /// For a text encoder that is adapted, too, `[batch, tokens]`.
    Tokens(Tensor<2, Int>),
}

impl Trainer {
    /// A trainer on a device that keeps graphs, of networks in any precision; the adapter's is single.
    ///
    /// # Panics
    /// If layers are of a text encoder, and there is none.
    pub fn new(
        unet: UNet,
        text_encoder: Option<TextModel>,
        layers: Layers,
        factor: f64,
        objective: Objective,
        device: &Device,
    ) -> Self {
        Self {
            unet: unet.clone().to_device(device).no_grad(),
            plain: unet,
            text_encoder: text_encoder.map(|encoder| encoder.to_device(device).no_grad()),
            layers,
            factor,
            objective,
            checkpointing: false,
            device: device.clone(),
        }
    }

    /// The same trainer with gradient checkpointing, if `checkpointing`: less memory, about a third more time, and the
    /// same gradients but for rounding.
    #[must_use]
    pub fn checkpointing(mut self, checkpointing: bool) -> Self {
        self.checkpointing = checkpointing;
        self
    }

    /// The layers that are adapted.
    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The loss of a batch at these numbers, and its gradient: the mean square of what the network says less what it
    /// should, each image weighted by its timestep.
    pub fn gradient(&self, parameters: &[f32], batch: Batch) -> Gradient {
        let (mut unet, mut leaves) = (self.unet.clone(), Vec::new());
        let (layers, factor, device) = (&self.layers, self.factor, &self.device);
        layers.attach(
            Component::UNet,
            &mut unet,
            parameters,
            factor,
            device,
            &mut leaves,
        );
        let below = device.clone().without_autodiff();
        let states = match batch.text {
            Text::States(states) => Tensor::from_inner(states.to_device(&below)),
            Text::Tokens(tokens) => {
                let mut encoder = self
                    .text_encoder
                    .clone()
                    .expect("texts come as states if there is none");
                layers.attach(
                    Component::TextEncoder,
                    &mut encoder,
                    parameters,
                    factor,
                    device,
                    &mut leaves,
                );
                encoder.forward(Tensor::from_inner(tokens.to_device(&below)))
            }
        };
        let question =
            self.objective
                .question(batch.latents, batch.noise, &batch.timesteps, device);
        let (noisy, timesteps) = (&question.noisy, &question.timesteps);
        let conditioning = unet.condition(&states);
        let loss = |predicted| question.loss(predicted);
        let mut numbers = vec![0.0; parameters.len()];
        let loss = if self.checkpointing {
            let mut plain = self.plain.clone();
            layers.attach(
                Component::UNet,
                &mut plain,
                parameters,
                factor,
                &below,
                &mut Vec::new(),
            );
            unet.backward_by_blocks(&plain, noisy, timesteps, &conditioning, loss, |gradients| {
                add(&leaves, gradients, &mut numbers);
            })
        } else {
            let loss = loss(unet.forward_each(noisy.clone(), timesteps, &conditioning));
            add(&leaves, &loss.backward(), &mut numbers);
            loss
        };
        Gradient {
            loss: f64::from(loss.inner().into_scalar::<f32>()),
            numbers,
            count: timesteps.len(),
        }
    }
}

/// Adds the gradients of leaves to the numbers that they stand for.
fn add(leaves: &[Leaf], gradients: &Gradients, numbers: &mut [f32]) {
    let mut rest = numbers;
    for leaf in leaves {
        match leaf {
            Leaf::Linear(pair) => pair
                .iter()
                .for_each(|leaf| rest = add_one(leaf, gradients, std::mem::take(&mut rest))),
            Leaf::Conv2d(pair) => pair
                .iter()
                .for_each(|leaf| rest = add_one(leaf, gradients, std::mem::take(&mut rest))),
        }
    }
}

/// Adds the gradient of a leaf, and answers the numbers after its own.
fn add_one<'a, const D: usize>(
    leaf: &Tensor<D>,
    gradients: &Gradients,
    numbers: &'a mut [f32],
) -> &'a mut [f32] {
    let (own, rest) = numbers.split_at_mut(leaf.shape().num_elements());
    if let Some(found) = leaf.grad(gradients) {
        let found = found.into_data().convert::<f32>();
        let found = found.try_to_vec::<f32>().expect("it was converted above");
        for (number, found) in own.iter_mut().zip(found) {
            *number += found;
        }
    }
    rest
}
