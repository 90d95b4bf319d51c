//! Adapters added to a checkpoint, whose files stay as they are but for the weights that change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

use super::apply::WEIGHT;
use super::names::Component;
use super::wanted::Wanted;
use super::{Adapter, LoraLayer};
use crate::WeightError;

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
    let halves: Vec<u16> = bytes
        .as_chunks()
        .0
        .iter()
        .copied()
        .map(u16::from_le_bytes)
        .collect();
    let numbers: Vec<f32> = match info.dtype {
        Dtype::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(f32::from_le_bytes)
            .collect(),
        Dtype::F16 => halves
            .into_iter()
            .map(f16::from_bits)
            .collect::<Vec<_>>()
            .to_f32_vec(),
        Dtype::BF16 => halves
            .into_iter()
            .map(bf16::from_bits)
            .collect::<Vec<_>>()
            .to_f32_vec(),
        other => {
            return Err(format!(
                "expected numbers like F32, F16 or BF16, found {other}"
            ));
        }
    };
    let rows = info.shape[0];
    let columns = numbers.len() / rows.max(1);
    let weight = Tensor::<2>::from_data(TensorData::new(numbers, [rows, columns]), &device);
    let sum = layers.iter().fold(weight, |weight, (layer, wanted)| {
        weight + wanted.product(layer, &device)
    });
    let sum: Vec<f32> = sum
        .into_data()
        .try_to_vec()
        .map_err(|error| format!("{error:?}"))?;
    match info.dtype {
        Dtype::F32 => {
            let places = bytes.as_chunks_mut().0.iter_mut();
            places
                .zip(sum)
                .for_each(|(place, number)| *place = number.to_le_bytes());
        }
        Dtype::F16 => put_halves(
            bytes,
            sum.into_iter()
                .map(|number| f16::from_f32(number).to_bits()),
        ),
        _ => put_halves(
            bytes,
            sum.into_iter()
                .map(|number| bf16::from_f32(number).to_bits()),
        ),
    }
    Ok(())
}

fn put_halves(bytes: &mut [u8], halves: impl Iterator<Item = u16>) {
    let places = bytes.as_chunks_mut().0.iter_mut();
    places
        .zip(halves)
        .for_each(|(place, half)| *place = half.to_le_bytes());
}
