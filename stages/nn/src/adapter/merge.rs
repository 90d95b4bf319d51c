//! Adapters added to a checkpoint, whose files stay as they are but for the weights that change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::DType;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

use super::apply::WEIGHT;
use super::names::Component;
use super::numbers::{narrowed, widened};
use super::wanted::Wanted;
use super::{Adapter, LoraLayer};
use crate::WeightError;
use crate::written::header;

/// Bytes of a file before its header, which say how long that is.
const LENGTH: usize = 8;

/// Adds adapters, each at its scale, to the weights of a network: all files of safetensors of its checkpoint, each with
/// the path that errors call it by. Nothing but the numbers of weights that have a layer changes; these are computed
/// in single precision, one weight at a time, and stay of the kind that they are.
///
/// # Errors
/// If an adapter is for another base, a weight is of a kind that is not computed with, or a file is damaged.
pub fn merge(
    files: &mut [(PathBuf, Vec<u8>)],
    component: Component,
    adapters: &[(&Adapter, f64)],
) -> Result<(), WeightError> {
    let wanted = adapters.iter();
    let wanted = wanted.map(|(adapter, scale)| Wanted::new(adapter, component, *scale));
    let mut wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    for (path, bytes) in files {
        let (tensors, begin) = tensors(path, bytes)?;
        for (name, info) in tensors {
            let Some(module) = name.strip_suffix(WEIGHT) else {
                continue;
            };
            let mut layers = Vec::new();
            for wanted in &mut wanted {
                let layer = wanted.take(component.bare(module), &info.shape)?;
                let layer = layer.filter(|_| !wanted.is_nothing());
                layers.extend(layer.map(|layer| (layer, &*wanted)));
            }
            if layers.is_empty() {
                continue;
            }
            let (from, to) = info.data_offsets;
            let place = &mut bytes[begin + from..begin + to];
            add(place, &info, &layers).map_err(|why| WeightError::Misfit {
                path: path.clone(),
                tensor: name.clone(),
                why,
            })?;
        }
    }
    wanted.into_iter().try_for_each(Wanted::finish)
}

/// The tensors of a file, and where their bytes begin.
fn tensors(
    path: &Path,
    bytes: &[u8],
) -> Result<(BTreeMap<String, TensorInfo>, usize), WeightError> {
    let (header, tensors) =
        SafeTensors::read_metadata(bytes).map_err(|error| WeightError::Corrupt {
            path: path.to_owned(),
            why: format!("it is no whole file of safetensors: {error}"),
        })?;
    let tensors = tensors.tensors().into_iter();
    let tensors = tensors.map(|(name, info)| (name, info.clone()));
    Ok((tensors.collect(), LENGTH + header))
}

/// Adds layers to a weight where its bytes lie.
///
/// # Errors
/// A sentence: its numbers are of no kind that is computed with.
fn add(
    bytes: &mut [u8],
    info: &TensorInfo,
    layers: &[(&LoraLayer, &Wanted<'_>)],
) -> Result<(), String> {
    let device = Device::flex();
    let numbers = widened(bytes, info.dtype)?;
    let rows = info.shape[0];
    let columns = numbers.len() / rows.max(1);
    let weight = Tensor::<2>::from_data(TensorData::new(numbers, [rows, columns]), &device);
    let sum = layers.iter().fold(weight, |weight, (layer, wanted)| {
        weight + wanted.product(layer, &device)
    });
    let sum = sum.into_data().try_to_vec::<f32>();
    let sum = sum.map_err(|error| format!("{error:?}"))?;
    bytes.copy_from_slice(&narrowed(&sum, info.dtype)?);
    Ok(())
}

/// A file with all its floating-point numbers as another kind: single precision, half, or bfloat16.
///
/// # Errors
/// If the file, which errors call by this path, is damaged. Tensors of other kinds, such as the positions that old text
/// encoders number, stay as they are.
pub fn converted(path: &Path, bytes: &[u8], kind: DType) -> Result<Vec<u8>, WeightError> {
    let misfit = |tensor: &str, why: String| WeightError::Misfit {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        why,
    };
    let to = match kind {
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        _ => Dtype::F32,
    };
    let (tensors, begin) = tensors(path, bytes)?;
    let texts = SafeTensors::read_metadata(bytes).ok();
    let texts = texts.and_then(|(_, header)| header.metadata().clone());
    let infos = tensors.iter();
    let floats = |kind| matches!(kind, Dtype::F32 | Dtype::F16 | Dtype::BF16);
    let kind = |from| if floats(from) { to } else { from };
    let infos = infos.map(|(name, info)| (name, kind(info.dtype), info.shape.clone()));
    let (mut file, more) = header(&texts.into_iter().flatten().collect(), infos);
    file.reserve_exact(more);
    for (name, info) in &tensors {
        let (from, end) = info.data_offsets;
        let own = &bytes[begin + from..begin + end];
        if !floats(info.dtype) {
            file.extend_from_slice(own);
            continue;
        }
        let numbers = widened(own, info.dtype);
        let numbers = numbers.and_then(|numbers| narrowed(&numbers, to));
        file.extend(numbers.map_err(|why| misfit(name, why))?);
    }
    Ok(file)
}
