//! Where in a module a parameter is, and what files call it.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Int, Tensor};

/// The way from a module to one of its parts: names, and what they are parts of.
#[derive(Default)]
pub(crate) struct Place(Vec<(String, String)>);

impl Place {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.0.push((name.to_owned(), container.to_owned()));
    }

    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }

    /// What files call the parameter here: norms call theirs `weight` and `bias` there, and neither variants of
    /// enums nor layers that adapters may stand beside have names of their own.
    pub(crate) fn name(&self) -> String {
        let parts = self.0.iter();
        let nameless = |container: &str| {
            container.starts_with("Enum:") || container.starts_with("Struct:Adapted")
        };
        let named = parts.filter(|(_, container)| !nameless(container));
        let mut names: Vec<_> = named.map(|(name, _)| name.as_str()).collect();
        let is_norm = self
            .0
            .iter()
            .any(|(_, container)| container.contains("Norm"));
        if let Some(last) = names.last_mut().filter(|_| is_norm) {
            *last = match *last {
                "gamma" => "weight",
                "beta" => "bias",
                other => other,
            };
        }
        names.join(".")
    }

    /// Whether it is the weight of a linear layer or a convolution, or tokens' embeddings of a language model.
    pub(crate) fn is_kernel(&self) -> bool {
        let kernels = ["Struct:Linear", "Struct:Conv2d", "Struct:TokenEmbedding"];
        let last = self.0.last();
        last.is_some_and(|(name, container)| {
            name == "weight" && kernels.contains(&container.as_str())
        })
    }

    /// Whether it is part of a packed linear layer.
    pub(crate) fn is_packed(&self) -> bool {
        let mut containers = self.0.iter().map(|(_, container)| container.as_str());
        containers.any(|container| container == "Struct:PackedLinear")
    }

    /// Whether it is part of a linear layer, whose weight PyTorch keeps as `[out, in]`.
    pub(crate) fn is_linear(&self) -> bool {
        let last = self.0.last();
        last.is_some_and(|(_, container)| container == "Struct:Linear")
    }
}

/// The names and shapes of all weights that a module wants from a checkpoint, as PyTorch has them. No
/// weight is made for it.
pub fn keys_of<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut keys = Keys::default();
    module.visit(&mut keys);
    keys.found
}

#[derive(Default)]
struct Keys {
    place: Place,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Keys {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.place.leave();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let mut shape = parameter.lazy_shape().to_vec();
        if D == 2 && self.place.is_linear() {
            shape.reverse();
        }
        self.found.insert(self.place.name(), shape);
    }
    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        let shape = parameter.lazy_shape().to_vec();
        self.found.insert(self.place.name(), shape);
    }
}
