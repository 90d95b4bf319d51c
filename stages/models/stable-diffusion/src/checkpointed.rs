//! The way back through the UNet block by block: what goes on in a block is computed again when its turn comes, so that
//! only what goes into blocks stays in memory (Chen et al., 2016, arXiv 1604.06174: gradient checkpointing).

use std::ops::Range;
use std::slice::Iter;

use burn::prelude::*;
use burn::tensor::Gradients;

use crate::attention::KeysValues;
use crate::block::{DownBlock, MidBlock, UpBlock};
use crate::unet::{Conditioning, UNet};

/// A block on the way.
pub(crate) enum Block<'a> {
    Down(&'a DownBlock),
    Mid(&'a MidBlock),
    Up(&'a UpBlock),
}

impl Block<'_> {
    pub(crate) fn forward(
        &self,
        sample: Tensor<4>,
        time: &Tensor<2>,
        text: &mut Iter<'_, KeysValues>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        match self {
            Self::Down(block) => block.forward(sample, time, text, skips),
            Self::Mid(block) => block.forward(sample, time, text),
            Self::Up(block) => block.forward(sample, time, text, skips),
        }
    }

    /// How much it takes of what the way down went through.
    fn takes(&self) -> usize {
        match self {
            Self::Up(block) => block.takes(),
            Self::Down(_) | Self::Mid(_) => 0,
        }
    }
}

/// What went into a block, without a graph.
struct Entered {
    sample: Tensor<4>,
    /// Of all that the way down went through, what it took or made.
    skips: Range<usize>,
    /// Its keys and values.
    text: Range<usize>,
}

/// A tensor without the graph that it is the outcome of.
fn cut<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(tensor.clone().inner())
}

/// The same, to ask for its gradient.
fn leaf<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    cut(tensor).require_grad()
}

/// The gradient of a leaf, without a graph; zeros if nothing depended on it.
fn gradient<const D: usize>(leaf: &Tensor<D>, gradients: &Gradients) -> Tensor<D> {
    let found = leaf.grad(gradients);
    Tensor::from_inner(found.unwrap_or_else(|| leaf.clone().inner().zeros_like()))
}

/// What has the gradient `gradient` at `outcome`.
fn pull<const D: usize>(outcome: Tensor<D>, gradient: Tensor<D>) -> Tensor<1> {
    (outcome * gradient).sum()
}

impl UNet {
    /// The loss of the prediction, and its gradients. They come part by part, to `told`: what took part in several parts
    /// has the sum of what each says.
    ///
    /// # Shapes
    /// As [`forward_each`](Self::forward_each); all tensors must be of a device that keeps graphs. `loss` makes one number
    /// of the prediction.
    pub fn backward_by_blocks(
        &self,
        sample: &Tensor<4>,
        timesteps: &[f64],
        text: &Conditioning,
        loss: impl FnOnce(Tensor<4>) -> Tensor<1>,
        mut told: impl FnMut(&Gradients),
    ) -> Tensor<1> {
        let time = self.embedded(timesteps, sample);
        let time_leaf = leaf(&time);
        let text_leaves: Vec<KeysValues> = text.layers().map(|(k, v)| (leaf(k), leaf(v))).collect();
        let blocks = self.blocks();
        let first = self.conv_in.forward(sample.clone());

        let mut skips = vec![cut(&first)];
        let mut all_skips = skips.clone();
        let (mut entered, mut hidden, mut seen) = (Vec::new(), cut(&first), 0);
        for block in &blocks {
            let before = skips.len();
            let from = before - block.takes();
            let keys_values = &mut text_leaves[seen..].iter();
            let sample = hidden.clone();
            hidden = cut(&block.forward(hidden, &cut(&time), keys_values, &mut skips));
            if skips.len() > before {
                skips[before..]
                    .iter_mut()
                    .for_each(|skip| *skip = cut(skip));
                all_skips.extend_from_slice(&skips[before..]);
            }
            let next = text_leaves.len() - keys_values.len();
            entered.push(Entered {
                sample,
                skips: from..before.max(skips.len()),
                text: seen..next,
            });
            seen = next;
        }

        let last = leaf(&hidden);
        let loss = loss(self.predicted(last.clone()));
        let gradients = loss.backward();
        told(&gradients);
        let mut of_hidden = gradient(&last, &gradients);
        let mut of_skips: Vec<Option<Tensor<4>>> = vec![None; all_skips.len()];
        let mut of_time = cut(&time).zeros_like();
        let mut of_text = Vec::new();
        for (block, entered) in blocks.iter().zip(&entered).rev() {
            let sample = leaf(&entered.sample);
            let keys_values = text_leaves[entered.text.clone()].iter();
            let mut pulled;
            let mut leaves = Vec::new();
            if block.takes() > 0 {
                leaves = all_skips[entered.skips.clone()].iter().map(leaf).collect();
                // What lies below says how large the outcome is.
                let below = entered
                    .skips
                    .start
                    .checked_sub(1)
                    .map(|below| all_skips[below].clone());
                let mut again: Vec<_> = below.into_iter().chain(leaves.iter().cloned()).collect();
                let outcome = block.forward(
                    sample.clone(),
                    &time_leaf,
                    &mut keys_values.clone(),
                    &mut again,
                );
                pulled = pull(outcome, of_hidden);
            } else {
                let mut made = Vec::new();
                let outcome = block.forward(
                    sample.clone(),
                    &time_leaf,
                    &mut keys_values.clone(),
                    &mut made,
                );
                pulled = pull(outcome, of_hidden);
                for (made, index) in made.into_iter().zip(entered.skips.clone()) {
                    if let Some(gradient) = of_skips[index].take() {
                        pulled = pulled + pull(made, gradient);
                    }
                }
            }
            let gradients = pulled.backward();
            told(&gradients);
            of_hidden = gradient(&sample, &gradients);
            of_time = of_time + gradient(&time_leaf, &gradients);
            for (index, leaf) in entered.skips.clone().zip(&leaves) {
                of_skips[index] = Some(gradient(leaf, &gradients));
            }
            of_text.extend(
                keys_values
                    .map(|(k, v)| (gradient(k, &gradients), gradient(v, &gradients)))
                    .rev(),
            );
        }

        if let Some(of_first) = of_skips[0].take() {
            of_hidden = of_hidden + of_first;
        }
        // Nothing before the blocks may be adapted: a graph without a leaf goes nowhere.
        let anchor = cut(&time).zeros_like().require_grad().sum();
        let mut pulled = anchor + pull(first, of_hidden) + pull(time, of_time);
        for ((k, v), (of_k, of_v)) in text.layers().zip(of_text.into_iter().rev()) {
            pulled = pulled + pull(k.clone(), of_k) + pull(v.clone(), of_v);
        }
        told(&pulled.backward());
        loss
    }
}
