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

/// All that went into blocks, without graphs.
struct Way {
    entered: Vec<Entered>,
    /// What the way down went through.
    skips: Vec<Tensor<4>>,
    /// What the last block left.
    last: Tensor<4>,
}

/// A tensor without a graph, to ask for its gradient.
fn leaf<const D: usize>(plain: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(plain.clone()).require_grad()
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
    /// The way of a sample after the first convolution.
    fn way(&self, first: Tensor<4>, time: &Tensor<2>, text: &[KeysValues]) -> Way {
        let mut open = vec![first.clone()];
        let mut skips = open.clone();
        let (mut entered, mut hidden, mut seen) = (Vec::new(), first, 0);
        for block in self.blocks() {
            let before = open.len();
            let from = before - block.takes();
            let keys_values = &mut text[seen..].iter();
            let sample = hidden.clone();
            hidden = block.forward(hidden, time, keys_values, &mut open);
            skips.extend(open.iter().skip(before).cloned());
            let next = text.len() - keys_values.len();
            entered.push(Entered {
                sample,
                skips: from..before.max(open.len()),
                text: seen..next,
            });
            seen = next;
        }
        let last = hidden;
        Way {
            entered,
            skips,
            last,
        }
    }

    /// The loss of the prediction, and its gradients. They come part by part, to `told`: what took part in several parts
    /// has the sum of what each says. `plain` is the same network on the device below, without graphs: Burn lets go of
    /// a graph that nobody uses any more only when it goes back through another.
    ///
    /// # Shapes
    /// As [`forward_each`](Self::forward_each); all tensors must be of a device that keeps graphs. `loss` makes one number
    /// of the prediction.
    pub fn backward_by_blocks(
        &self,
        plain: &Self,
        sample: &Tensor<4>,
        timesteps: &[f64],
        text: &Conditioning,
        loss: impl FnOnce(Tensor<4>) -> Tensor<1>,
        mut told: impl FnMut(&Gradients),
    ) -> Tensor<1> {
        let first = self.conv_in.forward(sample.clone());
        let time = self.embedded(timesteps, sample);
        let plain_time = time.clone().inner();
        let plain_text: Vec<KeysValues> = text
            .layers()
            .map(|(keys, values)| (keys.clone().inner(), values.clone().inner()))
            .collect();
        let way = plain.way(first.clone().inner(), &plain_time, &plain_text);
        let time_leaf = leaf(&plain_time);
        let text_leaves: Vec<KeysValues> = plain_text
            .iter()
            .map(|(keys, values)| (leaf(keys), leaf(values)))
            .collect();

        let last = leaf(&way.last);
        let loss = loss(self.predicted(last.clone()));
        let gradients = loss.backward();
        told(&gradients);
        let mut of_hidden = gradient(&last, &gradients);
        let mut of_skips: Vec<Option<Tensor<4>>> = vec![None; way.skips.len()];
        let mut of_time = Tensor::from_inner(plain_time.zeros_like());
        let mut of_text = Vec::new();
        for (block, entered) in self.blocks().iter().zip(&way.entered).rev() {
            let sample = leaf(&entered.sample);
            let keys_values = text_leaves[entered.text.clone()].iter();
            let mut pulled;
            let mut leaves = Vec::new();
            if block.takes() > 0 {
                leaves = way.skips[entered.skips.clone()].iter().map(leaf).collect();
                // What lies below says how large the outcome is.
                let below = entered.skips.start.checked_sub(1);
                let below = below.map(|below| Tensor::from_inner(way.skips[below].clone()));
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
        let anchor = leaf(&plain_time.zeros_like()).sum();
        let mut pulled = anchor + pull(first, of_hidden) + pull(time, of_time);
        for ((k, v), (of_k, of_v)) in text.layers().zip(of_text.into_iter().rev()) {
            pulled = pulled + pull(k.clone(), of_k) + pull(v.clone(), of_v);
        }
        told(&pulled.backward());
        loss
    }
}
