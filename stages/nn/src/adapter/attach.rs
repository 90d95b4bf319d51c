//! An adapter beside the layers of a network, whose weights stay as they are.

use burn::prelude::*;

use super::wanted::Wanted;
use super::{Adapter, Component, Factor, LoraLayer};
use crate::{Adaptable, LowRank, Site, WeightError};

impl Adapter {
    /// Has its layers of a component stand beside those of the network that is that component, `scale` times. Adapters
    /// are stacked by attaching one after the other. Nothing is attached at scale 0.
    ///
    /// # Errors
    /// If a layer is none of the network's, or for a weight of another shape: the adapter is for another base.
    pub fn attach(
        &self,
        network: &mut impl Adaptable,
        component: Component,
        scale: f64,
        device: &Device,
    ) -> Result<(), WeightError> {
        let mut wanted = Wanted::new(self, component, scale)?;
        for (name, site) in network.sites() {
            let shape = site.shape();
            let Some(layer) = wanted.take(&name, &shape)? else {
                continue;
            };
            if wanted.is_nothing() {
                continue;
            }
            match site {
                Site::Linear(linear) => linear.add(low_rank(layer, shape.len(), scale, device)),
                Site::Conv2d(conv) => conv.add(low_rank(layer, shape.len(), scale, device)),
            }
        }
        wanted.finish()
    }
}

/// A layer's factors as tensors. Files write convolutions of one cell as linear layers, and the other way round.
fn low_rank<const D: usize>(
    layer: &LoraLayer,
    sides: usize,
    scale: f64,
    device: &Device,
) -> LowRank<D> {
    let tensor = |factor: &Factor| {
        let mut shape = factor.shape.clone();
        shape.resize(sides, 1);
        Tensor::from_data(TensorData::new(factor.numbers.clone(), shape), device)
    };
    LowRank {
        down: tensor(layer.down()),
        up: tensor(layer.up()),
        factor: scale * layer.scaling(),
    }
}
