//! Layers that LoRA adapters may stand beside (Hu et al., 2021, arXiv 2106.09685).
//!
//! The layer's own weights stay as they are: what an adapter adds is computed beside it, by way of its rank,
//! `out + factor · up(down(in))`. So one network in memory serves any number of adapters and scales, and a gradient
//! of an adapter never takes a dense matrix.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::DType;

use crate::ops;

/// What an adapter adds to a layer: two matrices, laid out as PyTorch keeps them.
///
/// # Shapes
/// Linear layers, `D` = 2: `down` `[rank, in]`, `up` `[out, rank]`. Convolutions, `D` = 4: `down` `[rank, in, side, side]`,
/// `up` `[out, rank, 1, 1]`. In single precision, whatever the layer's is.
#[derive(Clone, Debug)]
pub struct LowRank<const D: usize> {
    /// To the rank.
    pub down: Tensor<D>,
    /// From the rank.
    pub up: Tensor<D>,
    /// How much of the product is added.
    pub factor: f64,
}

/// A linear layer, and what adapters add to it.
#[derive(Module, Debug)]
pub struct AdaptedLinear {
    base: Linear,
    #[module(skip)]
    beside: Vec<LowRank<2>>,
}

/// A convolution, and what adapters add to it.
#[derive(Module, Debug)]
pub struct AdaptedConv2d {
    base: Conv2d,
    #[module(skip)]
    beside: Vec<LowRank<4>>,
}

impl From<Linear> for AdaptedLinear {
    fn from(base: Linear) -> Self {
        let beside = Vec::new();
        Self { base, beside }
    }
}

impl From<Conv2d> for AdaptedConv2d {
    fn from(base: Conv2d) -> Self {
        let beside = Vec::new();
        Self { base, beside }
    }
}

impl AdaptedLinear {
    /// Has an adapter's product stand beside it, too.
    pub fn add(&mut self, added: LowRank<2>) {
        self.beside.push(added);
    }

    /// # Shapes
    /// `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if self.beside.is_empty() {
            return ops::linear(&self.base, input);
        }
        let out = ops::linear(&self.base, input.clone());
        let dtype = out.dtype();
        self.beside.iter().fold(out, |out, added| {
            let low = ops::product(input.clone().cast(DType::F32), added.down.clone());
            let product = ops::product(low, added.up.clone()).mul_scalar(added.factor);
            out + product.cast(dtype)
        })
    }
}

impl AdaptedConv2d {
    /// Has an adapter's product stand beside it, too.
    pub fn add(&mut self, added: LowRank<4>) {
        self.beside.push(added);
    }

    /// # Shapes
    /// `[batch, in, height, width]` to `[batch, out, height, width]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        if self.beside.is_empty() {
            return ops::conv2d(&self.base, input);
        }
        let out = ops::conv2d(&self.base, input.clone());
        let dtype = out.dtype();
        self.beside.iter().fold(out, |out, added| {
            let wide = input.clone().cast(DType::F32);
            let low = ops::convolution_as(&self.base, added.down.clone(), wide);
            let product = ops::pointwise_convolution(added.up.clone(), low);
            out + product.mul_scalar(added.factor).cast(dtype)
        })
    }
}

/// A layer that adapters may stand beside.
pub enum Site<'a> {
    /// A linear layer.
    Linear(&'a mut AdaptedLinear),
    /// A convolution.
    Conv2d(&'a mut AdaptedConv2d),
}

impl Site<'_> {
    /// The shape of its weight as files have it: `[out, in]`, `[out, in, height, width]`.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Linear(layer) => {
                // Asked of the shape, a weight that was not read yet is not made.
                let mut shape = layer.base.weight.lazy_shape().to_vec();
                shape.reverse();
                shape
            }
            Self::Conv2d(layer) => layer.base.weight.lazy_shape().to_vec(),
        }
    }

    /// Shapes of `down` and `up` of an adapter of this rank.
    pub fn shapes_of_rank(&self, rank: usize) -> [Vec<usize>; 2] {
        let mut down = self.shape();
        let mut up = vec![1; down.len()];
        (up[0], up[1]) = (down[0], rank);
        down[0] = rank;
        [down, up]
    }
}

/// A network with layers that adapters may stand beside.
pub trait Adaptable {
    /// Adds its layers to `sites`, under the names that the hub's files have for them.
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>);

    /// Its layers, by name.
    fn sites(&mut self) -> BTreeMap<String, Site<'_>> {
        let mut sites = Sites::default();
        self.find_sites(&mut sites);
        sites.found
    }
}

/// Layers as they are found.
#[derive(Default)]
pub struct Sites<'a> {
    found: BTreeMap<String, Site<'a>>,
    place: Vec<String>,
}

impl<'a> Sites<'a> {
    /// A linear layer.
    pub fn linear(&mut self, name: &str, layer: &'a mut AdaptedLinear) {
        self.found.insert(self.named(name), Site::Linear(layer));
    }

    /// A convolution.
    pub fn conv2d(&mut self, name: &str, layer: &'a mut AdaptedConv2d) {
        self.found.insert(self.named(name), Site::Conv2d(layer));
    }

    /// The layers of a part.
    pub fn part(&mut self, name: &str, part: &'a mut impl Adaptable) {
        self.place.push(name.to_owned());
        part.find_sites(self);
        self.place.pop();
    }

    /// The layers of parts that are numbered from 0.
    pub fn parts(
        &mut self,
        name: &str,
        parts: impl IntoIterator<Item = &'a mut (impl Adaptable + 'a)>,
    ) {
        for (index, part) in parts.into_iter().enumerate() {
            self.part(&format!("{name}.{index}"), part);
        }
    }

    fn named(&self, name: &str) -> String {
        let parts = self.place.iter().map(String::as_str).chain([name]);
        parts.collect::<Vec<_>>().join(".")
    }
}
