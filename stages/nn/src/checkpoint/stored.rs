//! A file of safetensors: its header, and the numbers of a tensor when they are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{DType, TensorData};
use bytemuck::Pod;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorInfo};

use super::{WeightError, is_pickle};

/// The largest header that the format allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;
/// Numbers that are read at a time.
const PIECE: usize = 1 << 20;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "the numbers of safetensors are used as they lie"
);

/// A tensor of a checkpoint.
pub(crate) enum Stored {
    /// Its numbers are still in their file.
    Filed(Filed),
    /// They were made of what files hold otherwise.
    Made(TensorData),
}

impl Stored {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Filed(filed) => &filed.shape,
            Self::Made(data) => data.shape().as_slice(),
        }
    }

    /// Its numbers: of half precision if they are stored so and halves are to be kept, else of single
    /// precision.
    ///
    /// # Errors
    /// A sentence: they are no floating-point numbers, or cannot be read.
    pub(crate) fn data(self, keep_halves: bool) -> Result<TensorData, String> {
        match self {
            Self::Filed(filed) => filed.data(keep_halves),
            Self::Made(data) => Ok(match data.dtype() {
                DType::F16 | DType::BF16 if !keep_halves => data.convert::<f32>(),
                _ => data,
            }),
        }
    }

    /// Its numbers as they lie in the file, where they are of this kind and no other.
    ///
    /// # Errors
    /// A sentence: they are others, or cannot be read.
    pub(crate) fn exactly<N: Pod + Send>(&self, kind: Dtype) -> Result<Vec<N>, String> {
        match self {
            Self::Filed(filed) if filed.kind == kind => filed
                .as_stored()
                .map_err(|error| format!("it cannot be read: {error}")),
            Self::Filed(Filed { kind: found, .. }) => {
                Err(format!("expected numbers like {kind}, found {found}"))
            }
            Self::Made(data) => Err(format!(
                "expected numbers like {kind}, found {:?}",
                data.dtype()
            )),
        }
    }
}

/// A tensor in a file.
pub(crate) struct Filed {
    file: Arc<File>,
    kind: Dtype,
    shape: Vec<usize>,
    /// Where its bytes begin.
    at: u64,
}

impl Filed {
    fn data(&self, keep_halves: bool) -> Result<TensorData, String> {
        let shape = self.shape.clone();
        let read = match (self.kind, keep_halves) {
            (Dtype::F32, _) => self
                .as_stored::<f32>()
                .map(|all| TensorData::new(all, shape)),
            (Dtype::F16, true) => self
                .as_stored::<f16>()
                .map(|all| TensorData::new(all, shape)),
            (Dtype::BF16, true) => self
                .as_stored::<bf16>()
                .map(|all| TensorData::new(all, shape)),
            (Dtype::F16, false) => self
                .widened(<[f16]>::convert_to_f32_slice)
                .map(|all| TensorData::new(all, shape)),
            (Dtype::BF16, false) => self
                .widened(<[bf16]>::convert_to_f32_slice)
                .map(|all| TensorData::new(all, shape)),
            (other, _) => {
                return Err(format!(
                    "expected numbers like F32, F16 or BF16, found {other}"
                ));
            }
        };
        read.map_err(|error| format!("it cannot be read: {error}"))
    }

    fn as_stored<N: Pod + Send>(&self) -> io::Result<Vec<N>> {
        self.in_pieces(size_of::<N>(), |at, out| {
            self.file.read_exact_at(bytemuck::cast_slice_mut(out), at)
        })
    }

    fn widened<H: Pod>(&self, convert: impl Fn(&[H], &mut [f32]) + Sync) -> io::Result<Vec<f32>> {
        self.in_pieces(size_of::<H>(), |at, out| {
            let mut halves = vec![H::zeroed(); out.len()];
            self.file
                .read_exact_at(bytemuck::cast_slice_mut(&mut halves), at)?;
            convert(&halves, out);
            Ok(())
        })
    }

    /// Reads pieces side by side, each from where its numbers begin, of `width` bytes each: touching memory
    /// for the first time takes as long as copying.
    fn in_pieces<N: Pod + Send>(
        &self,
        width: usize,
        read: impl Fn(u64, &mut [N]) -> io::Result<()> + Sync,
    ) -> io::Result<Vec<N>> {
        let mut numbers = vec![N::zeroed(); self.shape.iter().product()];
        let pieces = numbers.par_chunks_mut(PIECE).enumerate();
        pieces
            .map(|(index, piece)| read(self.at + (index * PIECE * width) as u64, piece))
            .collect::<io::Result<()>>()?;
        Ok(numbers)
    }
}

/// Opens a file and reads its header. What it promises is there.
pub(crate) fn open(path: &Path) -> Result<BTreeMap<String, Stored>, WeightError> {
    if is_pickle(path) {
        return Err(WeightError::Pickle {
            path: path.to_owned(),
        });
    }
    let corrupt = |why: String| WeightError::Corrupt {
        path: path.to_owned(),
        why,
    };
    let unreadable = |source| WeightError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut length = [0; 8];
    if file.read_exact(&mut length).is_err() {
        return Err(corrupt("it is shorter than a header".to_owned()));
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > size - 8 {
        return Err(corrupt(
            "its header is longer than it may be; it is no safetensors file, or cut off".to_owned(),
        ));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(unreadable)?;
    let mut header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&header)
        .map_err(|_| corrupt("its header is not JSON".to_owned()))?;
    header.remove("__metadata__");
    let (begin, there) = (8 + length, size - 8 - length);
    let file = Arc::new(file);
    let (mut tensors, mut end) = (BTreeMap::new(), 0);
    for (name, entry) in header {
        let TensorInfo {
            dtype: kind,
            shape,
            data_offsets: (from, to),
        } = serde_json::from_value(entry)
            .map_err(|error| corrupt(format!("its header says of `{name}`: {error}")))?;
        let numbers = shape
            .iter()
            .try_fold(1_usize, |all, side| all.checked_mul(*side));
        let bits = numbers.and_then(|numbers| numbers.checked_mul(kind.bitsize()));
        let bytes = to.checked_sub(from).and_then(|bytes| bytes.checked_mul(8));
        if bits.is_none() || bits != bytes {
            return Err(corrupt(format!(
                "its header gives `{name}` the bytes {from} to {to}, which is not what {shape:?} of {kind} are"
            )));
        }
        end = end.max(to as u64);
        // A number by itself is a list of one here: a parameter has a dimension at least.
        let shape = if shape.is_empty() { vec![1] } else { shape };
        let filed = Filed {
            file: Arc::clone(&file),
            kind,
            shape,
            at: begin + from as u64,
        };
        tensors.insert(name, Stored::Filed(filed));
    }
    if end != there {
        return Err(corrupt(format!(
            "it holds {there} bytes of tensors, its header says {end}"
        )));
    }
    Ok(tensors)
}
