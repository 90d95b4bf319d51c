//! Where networks compute.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::{Device, Tensor};
use ccsr_stage::StageError;

/// The names of devices that this program was built for. Whether there is one is seen when it is used.
pub const DEVICES: &[&str] = &[
    "cpu",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "cuda")]
    "cuda:0",
    #[cfg(feature = "cuda")]
    "cuda:1",
    #[cfg(feature = "cuda")]
    "cuda:2",
    #[cfg(feature = "cuda")]
    "cuda:3",
    #[cfg(feature = "cuda")]
    "cuda:4",
    #[cfg(feature = "cuda")]
    "cuda:5",
    #[cfg(feature = "cuda")]
    "cuda:6",
    #[cfg(feature = "cuda")]
    "cuda:7",
    #[cfg(feature = "wgpu")]
    "wgpu",
];

/// The device of this name.
///
/// # Errors
/// If this program was built without it, or there is none.
pub fn device(name: &str) -> Result<Device, StageError> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    match (kind, index.parse::<usize>()) {
        ("cpu", _) => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        ("cuda", Ok(index)) => cuda(index),
        #[cfg(feature = "wgpu")]
        ("wgpu", _) => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        _ => Err(StageError::failed(format!(
            "this program cannot compute on `{name}`; it was built for {}",
            DEVICES.join(", ")
        ))),
    }
}

/// So many devices of a kind, the first of which has this name; the CPU is as many as one likes.
///
/// # Errors
/// As for [`device`].
pub(crate) fn devices(name: &str, count: u32) -> Result<Vec<Device>, StageError> {
    let (kind, first) = name.split_once(':').unwrap_or((name, "0"));
    if count > 1 && !matches!(kind, "cpu" | "cuda") {
        return Err(StageError::failed(format!(
            "`devices: {count}` needs cards that can be told apart, as those of `cuda`; `{name}` is one"
        )));
    }
    let Ok(first) = first.parse::<u32>() else {
        return Ok(vec![device(name)?]);
    };
    let named = |index: u32| match (index, kind) {
        (0, _) | (_, "cpu") => device(name),
        _ => device(&format!("{kind}:{}", first + index)),
    };
    (0..count).map(named).collect()
}

/// An NVIDIA card. The driver is looked for now, not when the program is built.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, StageError> {
    let there = Device::enumerate(burn::tensor::DeviceType::Cuda).len();
    if index < there {
        return Ok(Device::cuda(index));
    }
    Err(StageError::failed(format!(
        "there is no card `cuda:{index}`: the driver of NVIDIA knows {there}; `nvidia-smi` lists them"
    )))
}

/// What a network's parameters occupy, in bytes.
pub(crate) fn bytes_of(network: &impl Module) -> u64 {
    #[derive(Default)]
    struct Bytes(u64);

    impl ModuleVisitor for Bytes {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let tensor = parameter.val();
            self.0 += (tensor.shape().num_elements() * tensor.dtype().size()) as u64;
        }
    }

    let mut bytes = Bytes::default();
    network.visit(&mut bytes);
    bytes.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_this_program_has_not_are_refused() {
        assert!(device("cpu").is_ok());
        let error = device("tpu").unwrap_err().to_string();
        assert!(error.contains("cannot compute on `tpu`"), "{error}");
    }
}
