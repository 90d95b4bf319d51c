//! An adapter's layers on their way to the weights that they are for.

use std::collections::BTreeMap;

use burn::prelude::*;

use super::names::{Component, Name, flattened};
use super::{Adapter, LoraLayer};
use crate::WeightError;

/// The layers of one network whose weights were not met yet.
pub(super) struct Wanted<'a> {
    adapter: &'a Adapter,
    component: Component,
    scale: f64,
    layers: BTreeMap<&'a Name, &'a LoraLayer>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(
        adapter: &'a Adapter,
        component: Component,
        scale: f64,
    ) -> Result<Self, WeightError> {
        if !scale.is_finite() {
            return Err(WeightError::Misfit {
                path: adapter.path.clone(),
                tensor: component.name().to_owned(),
                why: format!("the scale is {scale}; expected a finite number"),
            });
        }
        let layers = adapter.layers.iter();
        let ours = layers.filter(|((of, _), _)| *of == component);
        Ok(Self {
            adapter,
            component,
            scale,
            layers: ours.map(|((_, name), layer)| (name, layer)).collect(),
        })
    }

    /// The layer for a weight, if there is one, which then was met. `path` is what the hub calls the weight's module,
    /// `shape` the weight's as PyTorch has it.
    ///
    /// # Errors
    /// If the layer is for a weight of another shape.
    pub(super) fn take(
        &mut self,
        path: &str,
        shape: &[usize],
    ) -> Result<Option<&'a LoraLayer>, WeightError> {
        let exact = self.layers.remove(&Name::Path(path.to_owned()));
        let found = exact.or_else(|| self.layers.remove(&Name::Flat(flattened(path))));
        let Some(layer) = found else {
            return Ok(None);
        };
        if layer.fits(shape) {
            return Ok(Some(layer));
        }
        let ours = layer.weight_shape();
        let why = format!("is for a weight of {ours:?}, and here the weight is {shape:?}");
        Err(self.other_base(&Name::Path(path.to_owned()), why))
    }

    /// What is added to a weight for a layer.
    ///
    /// # Shapes
    /// `[out, in · height · width]`
    pub(super) fn product(&self, layer: &LoraLayer, device: &Device) -> Tensor<2> {
        layer.product(self.scale, device)
    }

    /// Whether nothing of it is added.
    pub(super) const fn is_nothing(&self) -> bool {
        self.scale == 0.0
    }

    /// That every layer was met.
    pub(super) fn finish(self) -> Result<(), WeightError> {
        match self.layers.first_key_value() {
            None => Ok(()),
            Some((name, _)) => {
                let more = self.layers.len() - 1;
                let why = match more {
                    0 => "is none of its layers".to_owned(),
                    more => format!("is none of its layers, and {more} more are not"),
                };
                Err(self.other_base(name, why))
            }
        }
    }

    fn other_base(&self, name: &Name, why: String) -> WeightError {
        WeightError::OtherBase {
            path: self.adapter.path.clone(),
            layer: name.shown(self.component),
            why,
        }
    }
}
