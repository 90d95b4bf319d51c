//! Where networks run.

use burn::module::Module;
use burn::prelude::Device;
use ccsr_stage::StageError;

/// The device of this name.
///
/// # Errors
/// If this program was built without it.
pub(crate) fn named(name: &str) -> Result<Device, StageError> {
    match name {
        "cpu" => Ok(Device::flex()),
        other => Err(StageError::failed(format!(
            "this program cannot compute on the device `{other}`"
        ))),
    }
}

/// What a network's parameters occupy, in bytes.
pub(crate) fn bytes_of(network: &impl Module) -> u64 {
    network.num_params() as u64 * size_of::<f32>() as u64
}
