//! From a pickle to safetensors.

use std::path::Path;

use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, TensorView};

use crate::archive::TorchFile;
use crate::error::PickleError;
use crate::tensor::Kind;

impl TorchFile {
    /// Writes all tensors to a file of safetensors, by the same names, as the kinds that they are.
    pub fn write_safetensors(&mut self, path: &Path) -> Result<(), PickleError> {
        let names: Vec<String> = self.tensors().keys().cloned().collect();
        let mut read = Vec::with_capacity(names.len());
        for name in &names {
            read.push(self.read_tensor(name)?);
        }
        let views = names.iter().zip(&read).map(|(name, bytes)| {
            let tensor = &self.tensors()[name];
            let view = TensorView::new(dtype(tensor.kind()), tensor.shape().to_vec(), bytes)?;
            Ok((name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let written = views.and_then(|views| serialize_to_file(views, None, path));
        written.map_err(|why| PickleError::Write {
            path: path.to_owned(),
            why,
        })
    }
}

const fn dtype(kind: Kind) -> Dtype {
    match kind {
        Kind::F16 => Dtype::F16,
        Kind::BF16 => Dtype::BF16,
        Kind::F32 => Dtype::F32,
        Kind::F64 => Dtype::F64,
        Kind::I64 => Dtype::I64,
        Kind::I32 => Dtype::I32,
        Kind::I16 => Dtype::I16,
        Kind::I8 => Dtype::I8,
        Kind::U8 => Dtype::U8,
        Kind::Bool => Dtype::BOOL,
    }
}
