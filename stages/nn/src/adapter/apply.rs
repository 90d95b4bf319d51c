//! An adapter added to a module in memory.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor};

use super::names::Component;
use super::wanted::Wanted;
use super::{Adapter, LoraLayer};
use crate::WeightError;
use crate::checkpoint::place::Place;

/// The ending of a weight's name.
pub(super) const WEIGHT: &str = ".weight";

impl Adapter {
    /// Adds its layers of a network, `scale` times, to the module that is that network. Weights that it changes are in
    /// single precision then. Adapters are stacked by adding one after the other.
    ///
    /// `hub_name` says what the hub calls a weight of the module.
    ///
    /// # Errors
    /// If a layer is none of the module's, or for a weight of another shape: the adapter is for another base.
    pub fn apply<M: Module>(
        &self,
        module: M,
        component: Component,
        scale: f64,
        hub_name: impl Fn(&str) -> String,
    ) -> Result<M, WeightError> {
        let mut adding = Adding {
            place: Place::default(),
            wanted: Wanted::new(self, component, scale)?,
            hub_name,
            failed: None,
        };
        let module = module.map(&mut adding);
        match adding.failed {
            None => adding.wanted.finish().map(|()| module),
            Some(error) => Err(error),
        }
    }
}

/// Goes through a module and adds to the weights that have a layer.
struct Adding<'a, N> {
    place: Place,
    wanted: Wanted<'a>,
    hub_name: N,
    /// The first layer that does not fit.
    failed: Option<WeightError>,
}

impl<'a, N: Fn(&str) -> String> Adding<'a, N> {
    /// The layer for the weight here, `shape` as PyTorch has it.
    fn layer(&mut self, shape: &[usize]) -> Option<&'a LoraLayer> {
        let name = (self.hub_name)(&self.place.name());
        let layer = self.wanted.take(name.strip_suffix(WEIGHT)?, shape);
        layer.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            None
        })
    }
}

impl<N: Fn(&str) -> String> ModuleMapper for Adding<'_, N> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.place.leave();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let is_linear = D == 2 && self.place.is_linear();
        let is_convolution = D == 4 && self.place.is_kernel();
        if !(is_linear || is_convolution) {
            return parameter;
        }
        let mut shape = parameter.lazy_shape().to_vec();
        if is_linear {
            shape.reverse();
        }
        let layer = self.layer(&shape);
        let Some(layer) = layer.filter(|_| !self.wanted.is_nothing()) else {
            return parameter;
        };
        let product = self.wanted.product(layer, &parameter.lazy_device());
        let added: Tensor<D> = if is_linear {
            product.transpose().reshape(parameter.lazy_shape())
        } else {
            product.reshape(parameter.lazy_shape())
        };
        parameter.map(|weight| weight.cast(DType::F32) + added)
    }
}
