//! From a pickle to safetensors.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::fs;
use std::io::{Read, Seek};
use std::path::Path;

use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, View};

use crate::error::PickleError;
use crate::tensor::{Kind, Tensor};
use crate::torch_file::TorchFile;

impl<R: Read + Seek> TorchFile<R> {
    /// Writes all tensors to a file of safetensors, by the same names, as the kinds that they are. One tensor at a time is in
    /// memory. Where one cannot be read, no file is left.
    pub fn write_safetensors(&mut self, path: &Path) -> Result<(), PickleError> {
        let tensors = self.tensors().clone();
        let file = RefCell::new(self);
        let failed = OnceCell::new();
        let unread = tensors.iter().map(|(name, tensor)| {
            let unread = Unread {
                name,
                tensor,
                file: &file,
                failed: &failed,
            };
            (name, unread)
        });
        let written = serialize_to_file(unread, None, path);
        if let Some(error) = failed.into_inner() {
            // It lacks a tensor's bytes. Whether it can be removed changes nothing about the error.
            drop(fs::remove_file(path));
            return Err(error);
        }
        written.map_err(|why| PickleError::Write {
            path: path.to_owned(),
            why,
        })
    }
}

/// A tensor that is read when it is written.
struct Unread<'a, 'file, R> {
    name: &'a str,
    tensor: &'a Tensor,
    file: &'a RefCell<&'file mut TorchFile<R>>,
    /// Why the first tensor that could not be read could not.
    failed: &'a OnceCell<PickleError>,
}

impl<R: Read + Seek> View for Unread<'_, '_, R> {
    fn dtype(&self) -> Dtype {
        dtype(self.tensor.kind())
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if self.failed.get().is_some() {
            return Cow::default();
        }
        let read = self.file.borrow_mut().read_tensor(self.name);
        Cow::Owned(read.unwrap_or_else(|error| {
            self.failed.get_or_init(|| error);
            Vec::new()
        }))
    }

    fn data_len(&self) -> usize {
        self.tensor.bytes()
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
