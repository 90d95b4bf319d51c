//! The precision in which a module computes.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor};

use crate::checkpoint::place::Place;

/// The module with all its numbers in this precision.
pub fn cast<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);

    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            parameter.map(|tensor| tensor.cast(self.0))
        }
    }

    module.map(&mut Cast(dtype))
}

/// The module with the weights of its linear layers and convolutions kept in this precision. What it computes stays in
/// single precision, as do norms and biases.
pub fn keep_weights_in<M: Module>(module: M, dtype: DType) -> M {
    struct Keep {
        place: Place,
        dtype: DType,
    }

    impl ModuleMapper for Keep {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.place.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.place.leave();
        }

        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.place.is_kernel() {
                parameter.map(|tensor| tensor.cast(self.dtype))
            } else {
                parameter
            }
        }
    }

    module.map(&mut Keep {
        place: Place::default(),
        dtype,
    })
}
