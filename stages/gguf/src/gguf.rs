//! An open file.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::metadata::{FromMetadata, Value};
use crate::{GgufError, TensorType, blocks, directory};

/// An open GGUF file: its metadata and its directory of tensors in memory, its tensors on disk.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    file: File,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
}

/// A tensor as the directory describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Sizes, the slowest first: reversed from how files write them. No sizes: one number.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// Where it begins, in bytes from the file's start.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl Gguf {
    /// Opens a file and checks all but the tensors' numbers.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let failed = |why| GgufError::File {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let head = directory::read(&file, length, path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata: head.metadata,
            tensors: head.tensors,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All metadata, by key.
    pub const fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// All tensors, by name.
    pub const fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// What stands under a key; that it is missing or something else is an error that says so.
    ///
    /// ```no_run
    /// # use ccsr_gguf::{Gguf, GgufError};
    /// # fn f(gguf: &Gguf) -> Result<(), GgufError> {
    /// let layers: usize = gguf.get("llama.block_count")?;
    /// let tokens: &[String] = gguf.get("tokenizer.ggml.tokens")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<'a, T: FromMetadata<'a>>(&'a self, key: &str) -> Result<T, GgufError> {
        self.find(key)?.ok_or_else(|| GgufError::NoKey {
            path: self.path.clone(),
            key: key.to_owned(),
        })
    }

    /// What stands under a key, if the file has it; that it is something else is an error.
    pub fn find<'a, T: FromMetadata<'a>>(&'a self, key: &str) -> Result<Option<T>, GgufError> {
        let Some(value) = self.metadata.get(key) else {
            return Ok(None);
        };
        let wrong = || GgufError::WrongValue {
            path: self.path.clone(),
            key: key.to_owned(),
            found: value.to_string(),
            expected: T::EXPECTED,
        };
        T::from_metadata(value).map(Some).ok_or_else(wrong)
    }

    /// A tensor's place in the directory.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, GgufError> {
        self.tensors.get(name).ok_or_else(|| GgufError::NoTensor {
            path: self.path.clone(),
            name: name.to_owned(),
        })
    }

    /// A tensor's bytes, as they are stored.
    pub fn read_tensor(&self, name: &str) -> Result<Vec<u8>, GgufError> {
        let tensor = self.tensor(name)?;
        // Opening made sure that the file has them.
        let mut bytes = vec![0; tensor.bytes as usize];
        self.file
            .read_exact_at(&mut bytes, tensor.offset)
            .map_err(|why| GgufError::File {
                path: self.path.clone(),
                why,
            })?;
        Ok(bytes)
    }

    /// A tensor's numbers, row by row. Types that are not read are refused by their names.
    pub fn dequantise(&self, name: &str) -> Result<Vec<f32>, GgufError> {
        let kind = self.tensor(name)?.kind;
        let refused = || GgufError::NotDequantised {
            path: self.path.clone(),
            name: name.to_owned(),
            kind,
        };
        if !kind.is_dequantised() {
            return Err(refused());
        }
        blocks::dequantise(kind, &self.read_tensor(name)?).ok_or_else(refused)
    }
}
