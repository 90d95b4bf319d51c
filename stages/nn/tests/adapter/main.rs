//! Adapters added to small networks, merged, and broken in every way.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::fs;
use std::path::{Path, PathBuf};

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use ccsr_nn::{
    Adapter, AdapterFormat, Checkpoint, Component, Factor, WeightError, converted, merge,
};
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
    let whole = [(
        "steps",
        TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap(),
    )];
    let whole = serialize(whole, None).unwrap();
    let refused = converted(Path::new("it"), &whole, DType::F16).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the tensor `steps` does not fit"),
        "{refused}"
    );
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

#[test]
fn what_is_no_layer_is_not_taken_in() {
    let mut adapter = adapter();
    let mut says = |layer: &str, down: Factor, up: Factor, alpha: f64| {
        let inserted = adapter.insert(Component::UNet, layer, down, up, alpha);
        inserted.unwrap_err().to_string()
    };
    for (down, up, alpha, said) in [
        (factor(&[0, 4], 0), factor(&[3, 0], 0), 1.0, "its rank is 0"),
        (
            factor(&[2, 4], 0),
            factor(&[3, 3], 0),
            1.0,
            "found [2, 4] and [3, 3]",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3], 0),
            1.0,
            "found [2, 4] and [3]",
        ),
        (
            factor(&[2, 4, 1, 3], 0),
            factor(&[3, 2, 1, 3], 0),
            1.0,
            "found [2, 4, 1, 3] and [3, 2, 1, 3]",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3, 2], 0),
            f64::NAN,
            "its alpha is NaN",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3, 2], 0),
            f64::INFINITY,
            "its alpha is inf",
        ),
        (
            Factor {
                shape: vec![1, 1],
                numbers: vec![f32::NAN],
            },
            factor(&[1, 1], 0),
            1.0,
            "it holds NaN",
        ),
        (
            Factor {
                shape: vec![2, 1],
                numbers: vec![1.0],
            },
            factor(&[1, 2], 0),
            1.0,
            "1 numbers are no [2, 1]",
        ),
    ] {
        let error = says("up_blocks.0", down, up, alpha);
        assert!(error.contains(said), "{error}");
        assert!(
            error.contains("the tensor `unet.up_blocks.0` does not fit"),
            "{error}"
        );
    }
    let again = says("mid_block", factor(&[5, 4], 0), factor(&[3, 5], 0), 1.0);
    assert!(
        again.contains("has the tensor `unet.mid_block` twice"),
        "{again}"
    );
}

/// What opening these bytes says.
#[track_caller]
fn refused(bytes: &[u8], said: &str) {
    let error = Adapter::from_bytes(Path::new("it"), bytes)
        .unwrap_err()
        .to_string();
    assert!(error.contains(said), "`{said}` is not in: {error}");
}

#[test]
fn files_that_are_broken_are_refused_by_what_is_wrong() {
    let (down, up) = (
        "unet.mid_block.lora_A.weight",
        "unet.mid_block.lora_B.weight",
    );
    let of = |tensors: &[(&str, &[usize])]| file(tensors, Dtype::F32);
    refused(
        &of(&[(down, &[2, 4])]),
        "what goes up (`lora_B`, `up`) is missing",
    );
    refused(
        &of(&[(up, &[3, 2])]),
        "what goes down (`lora_A`, `down`) is missing",
    );
    refused(&of(&[(down, &[0, 4]), (up, &[3, 0])]), "its rank is 0");
    refused(&of(&[]), "it has no layers");
    let whole = of(&[(down, &[2, 4]), (up, &[3, 2])]);
    Adapter::from_bytes(Path::new("it"), &whole).unwrap();
    for length in 0..whole.len() {
        assert!(
            Adapter::from_bytes(Path::new("it"), &whole[..length]).is_err(),
            "{length}"
        );
    }
    refused(
        &whole[..whole.len() - 1],
        "`it` is damaged: it is no whole file of safetensors",
    );
    let (third, older) = ("unet.mid_block.weight", "unet.mid_block.lora.down.weight");
    refused(
        &of(&[(down, &[2, 4]), (third, &[2, 4])]),
        "is no LoRA adapter: it has `unet.mid_block.weight`",
    );
    refused(
        &of(&[(down, &[2, 4]), (older, &[2, 4])]),
        "twice, under two names",
    );
    for (tensor, said) in [
        (
            "unet.mid_block.lora_magnitude_vector.weight",
            "DoRA cannot be applied",
        ),
        ("lora_unet_mid_block.dora_scale", "DoRA cannot be applied"),
        ("lora_unet_mid_block.hada_w1_a", "LoHa cannot be applied"),
        ("lora_unet_mid_block.lokr_w1", "LoKr cannot be applied"),
        ("lora_unet_mid_block.lora_mid.weight", "Tucker"),
        (
            "unet.mid_block.lora_B.bias",
            "a bias of LoRA cannot be applied",
        ),
        (
            "base_model.model.embeddings.lora_embedding_A",
            "an adapter of embeddings",
        ),
        (
            "lora_te2_text_model_encoder.lora_up.weight",
            "second text encoder",
        ),
    ] {
        refused(
            &of(&[(down, &[2, 4]), (up, &[3, 2]), (tensor, &[2, 4])]),
            said,
        );
    }
    let (flat_down, flat_up) = (
        "lora_unet_mid_block.lora_down.weight",
        "lora_unet_mid_block.lora_up.weight",
    );
    let flat = |alpha: &[usize]| {
        of(&[
            (flat_down, &[2, 4]),
            (flat_up, &[3, 2]),
            ("lora_unet_mid_block.alpha", alpha),
        ])
    };
    refused(&flat(&[2]), "an alpha is one number, and this is [2]");
    Adapter::from_bytes(Path::new("it"), &flat(&[])).unwrap();
}

/// A file of one layer with these metadata.
fn with_metadata(metadata: &str) -> Vec<u8> {
    let tensors = [
        ("unet.mid_block.lora_A.weight", vec![2, 4]),
        ("unet.mid_block.lora_B.weight", vec![3, 2]),
    ];
    let zeros = [0; 32];
    let views = tensors.into_iter().map(|(name, shape)| {
        let length = shape.iter().product::<usize>() * 4;
        (
            name,
            TensorView::new(Dtype::F32, shape, &zeros[..length]).unwrap(),
        )
    });
    let metadata = [("lora_adapter_metadata".to_owned(), metadata.to_owned())];
    serialize(views, Some(metadata.into())).unwrap()
}

#[test]
fn metadata_that_are_broken_are_refused() {
    let opened = |metadata: &str| Adapter::from_bytes(Path::new("it"), &with_metadata(metadata));
    let alpha = |metadata: &str| {
        opened(metadata)
            .unwrap()
            .layers()
            .next()
            .unwrap()
            .2
            .alpha()
            .to_string()
    };
    assert_eq!(alpha(r#"{"unet.r": 2, "unet.lora_alpha": 5}"#), "5");
    // Without the network's name; of another network.
    assert_eq!(alpha(r#"{"r": 2, "lora_alpha": 5}"#), "5");
    assert_eq!(
        alpha(r#"{"text_encoder.r": 4, "text_encoder.lora_alpha": 5}"#),
        "2"
    );
    assert_eq!(alpha("{}"), "2");
    for (metadata, said) in [
        ("{", "its `lora_adapter_metadata` cannot be read"),
        ("[]", "its `lora_adapter_metadata` cannot be read"),
        (
            r#"{"unet.lora_alpha": NaN}"#,
            "its `lora_adapter_metadata` cannot be read",
        ),
        (r#"{"unet.lora_alpha": "many"}"#, "invalid type"),
        (
            r#"{"unet.r": 4, "unet.lora_alpha": 4}"#,
            "its rank is 2, and its configuration says 4",
        ),
        (r#"{"unet.use_dora": true}"#, "DoRA cannot be applied"),
    ] {
        refused(&with_metadata(metadata), said);
    }
}

#[test]
fn folders_are_told_by_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let says = |path: &Path| Adapter::open(path).unwrap_err().to_string();
    assert!(says(&at("nowhere")).contains("cannot read"));
    assert!(says(folder.path()).contains("there are no weights in"));
    assert!(!Adapter::is_in(folder.path()));
    fs::write(at("pytorch_lora_weights.bin"), "").unwrap();
    assert!(says(folder.path()).contains("pytorch_lora_weights.bin is a pickle"));
    assert!(says(&at("pytorch_lora_weights.bin")).contains("is a pickle"));
    let kohya = adapter().files(AdapterFormat::Kohya).unwrap().remove(0).1;
    fs::write(at("one.safetensors"), &kohya).unwrap();
    assert!(Adapter::is_in(folder.path()));
    assert_eq!(Adapter::open(folder.path()).unwrap().layers().count(), 2);
    // Which of two is meant nobody can say.
    fs::write(at("two.safetensors"), &kohya).unwrap();
    assert!(says(folder.path()).contains("there are no weights in"));
    fs::write(at("adapter_config.json"), "{").unwrap();
    assert!(says(folder.path()).contains("its `adapter_config.json` cannot be read"));
    fs::write(at("adapter_config.json"), "{}").unwrap();
    assert!(says(folder.path()).contains("expected one of `adapter_model.safetensors`"));
    fs::write(at("adapter_config.json"), r#"{"peft_type": "LOKR"}"#).unwrap();
    assert!(says(folder.path()).contains("of the kind `LOKR`"));
    let diffusers = adapter()
        .files(AdapterFormat::Diffusers)
        .unwrap()
        .remove(0)
        .1;
    fs::write(at("pytorch_lora_weights.safetensors"), diffusers).unwrap();
    assert_eq!(Adapter::open(folder.path()).unwrap().layers().count(), 2);
}
