//! Adapters added to small networks, merged, and broken in every way.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod refused;

use std::fs;
use std::path::{Path, PathBuf};

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use ccsr_nn::{Adapter, Checkpoint, Component, Factor, WeightError, converted, merge};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView, serialize};

/// What adapters are added to, under names that begin like a UNet's.
#[derive(Module, Debug)]
struct Network {
    conv_in: Conv2d,
    mid_block: Linear,
    conv_norm_out: LayerNorm,
}

fn network() -> Network {
    let device = Device::flex();
    Network {
        conv_in: Conv2dConfig::new([2, 3], [1, 3]).init(&device),
        mid_block: LinearConfig::new(4, 3).with_bias(false).init(&device),
        conv_norm_out: LayerNormConfig::new(4).init(&device),
    }
}

/// Tensors by name and shape; their numbers are made of their places.
const BASE: [(&str, &[usize]); 5] = [
    ("conv_in.bias", &[3]),
    ("conv_in.weight", &[3, 2, 1, 3]),
    ("conv_norm_out.bias", &[4]),
    ("conv_norm_out.weight", &[4]),
    ("mid_block.weight", &[3, 4]),
];

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let number = |index: usize| ((index * 37 + seed * 11) % 23) as f32 / 8.0 - 1.4;
    (0..count).map(number).collect()
}

fn bytes(numbers: &[f32], kind: Dtype) -> Vec<u8> {
    let each = numbers.iter();
    match kind {
        Dtype::F32 => each.flat_map(|number| number.to_le_bytes()).collect(),
        Dtype::F16 => each
            .flat_map(|number| f16::from_f32(*number).to_le_bytes())
            .collect(),
        Dtype::BF16 => each
            .flat_map(|number| bf16::from_f32(*number).to_le_bytes())
            .collect(),
        other => panic!("{other}"),
    }
}

fn file(tensors: &[(&str, &[usize])], kind: Dtype) -> Vec<u8> {
    let tensors: Vec<_> = tensors
        .iter()
        .enumerate()
        .map(|(seed, (name, shape))| {
            let numbers = numbers(shape.iter().product(), seed);
            (*name, shape.to_vec(), bytes(&numbers, kind))
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(kind, shape.clone(), bytes).unwrap()));
    serialize(views, None).unwrap()
}

fn loaded(bytes: &[u8]) -> Network {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, bytes).unwrap();
    Checkpoint::open(&path, &[])
        .unwrap()
        .load(network())
        .unwrap()
}

fn factor(shape: &[usize], seed: usize) -> Factor {
    Factor {
        shape: shape.to_vec(),
        numbers: numbers(shape.iter().product(), seed),
    }
}

fn adapter() -> Adapter {
    let mut adapter = Adapter::new(Path::new("trained"));
    let mut insert = |layer, down: &[usize], up: &[usize], alpha| {
        let (down, up) = (factor(down, 7), factor(up, 8));
        adapter
            .insert(Component::UNet, layer, down, up, alpha)
            .unwrap();
    };
    insert("conv_in", &[2, 2, 1, 3], &[3, 2, 1, 1], 3.0);
    insert("mid_block", &[5, 4], &[3, 5], 2.0);
    adapter
}

fn applied(base: Network, adapter: &Adapter, scale: f64) -> Result<Network, WeightError> {
    adapter.apply(base, Component::UNet, scale, str::to_owned)
}

/// The numbers of both weights, as PyTorch has them.
fn weights(network: &Network) -> Vec<f32> {
    let numbers = |data: TensorData| data.convert::<f32>().try_to_vec::<f32>().unwrap();
    let mut weights = numbers(network.conv_in.weight.val().into_data());
    weights.extend(numbers(
        network.mid_block.weight.val().transpose().into_data(),
    ));
    weights
}

#[test]
fn a_product_is_added_as_it_is_defined() {
    let base = weights(&loaded(&file(&BASE, Dtype::F32)));
    let found = weights(&applied(loaded(&file(&BASE, Dtype::F32)), &adapter(), -0.5).unwrap());
    // Row by row, in double precision.
    let added = |outputs: usize, rank: usize, columns: usize, alpha: f64| {
        let (down, up) = (numbers(rank * columns, 7), numbers(outputs * rank, 8));
        (0..outputs * columns).map(move |place| {
            let (row, column) = (place / columns, place % columns);
            let terms = (0..rank)
                .map(|r| f64::from(up[row * rank + r]) * f64::from(down[r * columns + column]));
            -0.5 * alpha / rank as f64 * terms.sum::<f64>()
        })
    };
    let added = added(3, 2, 6, 3.0).chain(added(3, 5, 4, 2.0));
    for (index, (added, (base, found))) in added.zip(base.iter().zip(&found)).enumerate() {
        let off = (f64::from(*base) + added - f64::from(*found)).abs();
        assert!(off < 1e-6, "number {index} is off by {off}");
    }
    assert_eq!(found.len(), 18 + 12);
}

#[test]
fn merging_is_adding_for_good() {
    let (adapter, other) = (adapter(), adapter());
    for kind in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let base = file(&BASE, kind);
        let mut files = [(PathBuf::from("base"), base.clone())];
        merge(
            &mut files,
            Component::UNet,
            &[(&adapter, 0.7), (&other, -0.2)],
        )
        .unwrap();
        let [(_, merged)] = files;
        let beside = applied(loaded(&base), &adapter, 0.7).unwrap();
        let beside = weights(&applied(beside, &other, -0.2).unwrap());
        // To the bit, as far as the file's kind of numbers has bits.
        assert_eq!(
            bytes(&weights(&loaded(&merged)), kind),
            bytes(&beside, kind),
            "{kind}"
        );
        // All else is as it was, to the byte.
        let (before, after) = (parsed(&base), parsed(&merged));
        for (name, _) in BASE {
            let is_same = before.tensor(name).unwrap() == after.tensor(name).unwrap();
            assert_eq!(
                is_same,
                !matches!(name, "conv_in.weight" | "mid_block.weight"),
                "{name}"
            );
        }
        let header = base.len()
            - before
                .iter()
                .map(|(_, view)| view.data().len())
                .sum::<usize>();
        assert_eq!(base[..header], merged[..header]);
    }
}

fn parsed(bytes: &[u8]) -> safetensors::SafeTensors<'_> {
    safetensors::SafeTensors::deserialize(bytes).unwrap()
}

#[test]
fn a_file_becomes_one_of_other_numbers() {
    use burn::tensor::DType;
    let kinds = [
        (Dtype::F32, DType::F32),
        (Dtype::F16, DType::F16),
        (Dtype::BF16, DType::BF16),
    ];
    for (from, _) in kinds {
        for (to, kind) in kinds {
            let file = file(&BASE, from);
            let written = converted(Path::new("it"), &file, kind).unwrap();
            for (name, shape) in BASE {
                let tensor = parsed(&written);
                let tensor = tensor.tensor(name).unwrap();
                assert_eq!((tensor.shape(), tensor.dtype()), (shape, to));
            }
            assert_eq!(
                bytes(&weights(&loaded(&written)), to),
                bytes(&weights(&loaded(&file)), to)
            );
        }
    }
    // What is no floating-point number stays as it is: old text encoders number their positions.
    let positions = [3_u8, 0, 0, 0, 0, 0, 0, 0];
    let whole = TensorView::new(Dtype::I64, vec![1], &positions).unwrap();
    let single = TensorView::new(Dtype::F32, vec![1], &positions[..4]).unwrap();
    let mixed = serialize([("position_ids", whole), ("weight", single)], None).unwrap();
    let written = converted(Path::new("it"), &mixed, DType::F16).unwrap();
    let written = parsed(&written);
    let kept = written.tensor("position_ids").unwrap();
    assert_eq!((kept.dtype(), kept.data()), (Dtype::I64, &positions[..]));
    assert_eq!(written.tensor("weight").unwrap().dtype(), Dtype::F16);
}

#[test]
fn a_base_may_be_in_several_files() {
    let base = file(&BASE, Dtype::F32);
    let (one, two) = (file(&BASE[..2], Dtype::F32), file(&BASE[4..], Dtype::F32));
    let mut files = [(PathBuf::from("one"), one), (PathBuf::from("two"), two)];
    merge(&mut files, Component::UNet, &[(&adapter(), 1.0)]).unwrap();
    let mut whole = [(PathBuf::from("base"), base)];
    merge(&mut whole, Component::UNet, &[(&adapter(), 1.0)]).unwrap();
    let whole = parsed(&whole[0].1);
    let convolution = parsed(&files[0].1);
    let weight = |file: &safetensors::SafeTensors<'_>| {
        file.tensor("conv_in.weight").unwrap().data().to_vec()
    };
    assert_eq!(weight(&convolution), weight(&whole));
    // Half of them is no base for it.
    let refused = merge(&mut files[..1], Component::UNet, &[(&adapter(), 1.0)]).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("its layer `unet.mid_block` is none of its layers")
    );
}

#[test]
fn another_base_is_told_the_same_way_by_merging_and_adding() {
    let mut adapter = Adapter::new(Path::new("it"));
    let (down, up) = (factor(&[2, 6], 0), factor(&[3, 2], 0));
    adapter
        .insert(Component::UNet, "mid_block", down, up, 2.0)
        .unwrap();
    let added = applied(loaded(&file(&BASE, Dtype::F32)), &adapter, 1.0).unwrap_err();
    let mut files = [(PathBuf::from("base"), file(&BASE, Dtype::F32))];
    let merged = merge(&mut files, Component::UNet, &[(&adapter, 1.0)]).unwrap_err();
    assert_eq!(added.to_string(), merged.to_string());
    assert_eq!(
        added.to_string(),
        "`it` is an adapter for another base: its layer `unet.mid_block` is for a weight of [3, 6], and here the \
         weight is [3, 4]"
    );
    // Norms have no layers.
    let mut adapter = Adapter::new(Path::new("it"));
    let (down, up) = (factor(&[2, 1], 0), factor(&[4, 2], 0));
    adapter
        .insert(Component::UNet, "conv_norm_out", down, up, 2.0)
        .unwrap();
    let added = applied(loaded(&file(&BASE, Dtype::F32)), &adapter, 1.0).unwrap_err();
    assert!(added.to_string().contains("is none of its layers"));
    let not_finite = applied(loaded(&file(&BASE, Dtype::F32)), &adapter, f64::NAN).unwrap_err();
    assert!(not_finite.to_string().contains("the scale is NaN"));
}
