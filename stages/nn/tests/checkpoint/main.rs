//! Checkpoints as folders hold them, whole and broken.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::fs;
use std::path::{Path, PathBuf};

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_kernels::packed::{Form, Offset, Width, from_codes};
use ccsr_nn::{Checkpoint, PackedLinear, Projection, WeightError, keys_of, packed_tensors};
use half::f16;
use safetensors::tensor::{Dtype, TensorView, serialize};
use tempfile::TempDir;

#[derive(Module, Debug)]
struct Network {
    norm: LayerNorm,
    linear: Linear,
}

fn network() -> Network {
    let device = Device::flex();
    Network {
        norm: LayerNormConfig::new(2).init(&device),
        linear: LinearConfig::new(2, 3).init(&device),
    }
}

/// Tensors by name, shape and numbers.
type Tensors<'a> = &'a [(&'a str, &'a [usize], &'a [f32])];

const WHOLE: Tensors<'_> = &[
    ("norm.weight", &[2], &[1.0, 2.0]),
    ("norm.bias", &[2], &[0.5, -0.5]),
    ("linear.weight", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ("linear.bias", &[3], &[0.1, 0.2, 0.3]),
];

fn write(path: &Path, tensors: Tensors<'_>, dtype: Dtype) {
    let bytes = |numbers: &[f32]| -> Vec<u8> {
        match dtype {
            Dtype::F32 => numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect(),
            // The upper half of a binary32 number.
            Dtype::BF16 => numbers
                .iter()
                .flat_map(|n| n.to_le_bytes()[2..].to_vec())
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    let data: Vec<_> = tensors
        .iter()
        .map(|(_, _, numbers)| bytes(numbers))
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (*name, TensorView::new(dtype, shape.to_vec(), data).unwrap())
    });
    fs::write(path, serialize(views, None).unwrap()).unwrap();
}

fn open(path: &Path) -> Result<Network, WeightError> {
    Checkpoint::open(path, &["model"])?.load(network())
}

#[track_caller]
fn says(path: &Path, wanted: &[&str]) {
    let error = open(path).unwrap_err().to_string();
    for part in wanted {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    (folder, file)
}

#[test]
fn every_number_goes_to_its_place() {
    let (folder, file) = folder();
    for dtype in [Dtype::F32, Dtype::BF16] {
        write(&file, WHOLE, dtype);
        for path in [folder.path(), &file] {
            let network = open(path).unwrap();
            let weight = network.linear.weight.val();
            // Half the memory: the kernels of the CPU widen it as they read it.
            let stored = if dtype == Dtype::F32 {
                DType::F32
            } else {
                DType::BF16
            };
            assert_eq!(weight.dtype(), stored);
            assert_eq!(
                network.linear.bias.as_ref().unwrap().val().dtype(),
                DType::F32
            );
            let numbers: Vec<f32> = weight.cast(DType::F32).into_data().try_to_vec().unwrap();
            // As `[in, out]`.
            assert_eq!(numbers, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
            let numbers: Vec<f32> = network.norm.gamma.val().into_data().try_to_vec().unwrap();
            assert_eq!(numbers, [1.0, 2.0]);
        }
    }
    let keys: Vec<_> = keys_of(&network()).into_iter().collect();
    let expected = WHOLE
        .iter()
        .map(|(name, shape, _)| ((*name).to_owned(), shape.to_vec()));
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    assert_eq!(keys, expected);
}

#[test]
fn shards_are_one_checkpoint() {
    let (folder, _) = folder();
    let path = |name: &str| folder.path().join(name);
    write(&path("model-1.safetensors"), &WHOLE[..2], Dtype::F32);
    write(&path("model-2.safetensors"), &WHOLE[2..], Dtype::F32);
    let index = |map: &str| fs::write(path("model.safetensors.index.json"), map).unwrap();
    index(
        r#"{"metadata": {"total_size": 52}, "weight_map": {"norm.weight": "model-1.safetensors",
        "norm.bias": "model-1.safetensors", "linear.weight": "model-2.safetensors",
        "linear.bias": "model-2.safetensors"}}"#,
    );
    open(folder.path()).unwrap();
    write(&path("model-2.safetensors"), WHOLE, Dtype::F32);
    says(
        folder.path(),
        &["model-2.safetensors", "an earlier shard has the tensor"],
    );
    fs::remove_file(path("model-2.safetensors")).unwrap();
    says(
        folder.path(),
        &["the shard `model-2.safetensors`, which is not there"],
    );
    index(r#"{"weight_map": {"norm.weight": "../model-1.safetensors"}}"#);
    says(folder.path(), &["outside of its folder"]);
    index(r#"{"weights": 1}"#);
    says(folder.path(), &["index.json", "is damaged", "weight_map"]);
}

#[test]
fn a_tensor_too_few_too_many_or_of_another_shape_is_named() {
    let (folder, file) = folder();
    write(&file, &WHOLE[1..], Dtype::F32);
    says(folder.path(), &["lacks `norm.weight`"]);
    let more = [WHOLE, &[("lm_head.weight", &[1], &[1.0])]].concat();
    write(&file, &more, Dtype::F32);
    says(folder.path(), &["this network has not: `lm_head.weight`"]);
    let other = WHOLE.iter().map(|tensor| match tensor.0 {
        "linear.weight" => ("linear.weight", &[2, 3][..], tensor.2),
        _ => *tensor,
    });
    write(&file, &other.collect::<Vec<_>>(), Dtype::F32);
    says(folder.path(), &["`linear.weight` does not fit", "shape"]);
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let (folder, file) = folder();
    says(&folder.path().join("gone"), &["cannot read", "gone"]);
    says(
        folder.path(),
        &["there are no weights in", "`model.safetensors`"],
    );
    fs::write(folder.path().join("pytorch_model.bin"), b"\x80\x02.").unwrap();
    says(
        folder.path(),
        &[
            "pytorch_model.bin is a pickle",
            "`ccsr-flow models convert ",
            "pytorch_model.bin`",
        ],
    );
    says(
        &folder.path().join("pytorch_model.bin"),
        &[
            "is a pickle",
            "safe_serialization",
            "`ccsr-flow models convert ",
            "pytorch_model.bin`",
        ],
    );

    write(&file, WHOLE, Dtype::F32);
    let whole = fs::read(&file).unwrap();
    for length in [0, 7, 8, 40, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        says(
            folder.path(),
            &["model.safetensors", "is damaged", "download it again"],
        );
    }
    fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
    says(folder.path(), &["is damaged", "its header says"]);
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&file, huge).unwrap();
    says(folder.path(), &["is damaged", "header"]);
    let mut garbled = whole;
    garbled[9] = b'!';
    fs::write(&file, garbled).unwrap();
    says(folder.path(), &["is damaged"]);
}

#[test]
fn names_can_be_changed_once_each() {
    let (folder, file) = folder();
    let prefixed = WHOLE
        .iter()
        .map(|(name, shape, numbers)| (format!("tower.{name}"), *shape, *numbers));
    let prefixed: Vec<_> = prefixed.collect();
    let named = prefixed
        .iter()
        .map(|(name, shape, numbers)| (name.as_str(), *shape, *numbers));
    write(&file, &named.collect::<Vec<_>>(), Dtype::F32);
    let open = || Checkpoint::open(folder.path(), &["model"]).unwrap();
    open().below("tower.").load(network()).unwrap();
    let left_out = open().rename(|name| {
        name.strip_prefix("tower.")
            .filter(|n| *n != "linear.bias")
            .map(str::to_owned)
    });
    let error = left_out.unwrap().load(network()).unwrap_err();
    assert!(matches!(error, WeightError::Missing { .. }), "{error}");
    let error = open().rename(|_| Some("same".to_owned())).err().unwrap();
    assert!(
        error.to_string().contains("has the tensor `same` twice"),
        "{error}"
    );
}

/// A packed layer whose file is in half precision, bias and all.
#[test]
fn packed_layers_may_have_half_biases() {
    let form = Form::new(32, 3, 32, Width::Four, Offset::Zero(8)).unwrap();
    let scales = [0.5, 1.0, 2.0].map(f16::from_f32);
    let packed = from_codes(form, &[9; 96], &scales, &[]).unwrap();
    let mut tensors = packed_tensors("layer", packed);
    let bias = TensorData::from([0.25, 0.0, -1.0].map(f16::from_f32));
    tensors.push(("layer.bias".to_owned(), bias));
    let checkpoint = Checkpoint::of_tensors(Path::new("here"), tensors);
    let layer = PackedLinear::new(form, true, &Device::flex());
    let layer = Projection::Packed(checkpoint.load(Kept { layer }).unwrap().layer);
    let rows = Tensor::<2>::ones([2, 32], &Device::flex());
    let expected = TensorData::from([[16.25_f32, 32.0, 63.0]; 2]);
    assert_eq!(layer.forward(rows).into_data(), expected);
}

#[derive(Module, Debug)]
struct Kept {
    layer: PackedLinear,
}
