//! Checkpoints that PyTorch and ultralytics wrote: `make_golden.py` says what is in them.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};

use ccsr_pickle::{Kind, PickleError, TorchFile};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Numbers of a half, a brain float and so on.
fn number(kind: Kind, bytes: &[u8]) -> f64 {
    let sixteen = || u16::from_le_bytes(bytes.try_into().unwrap());
    match kind {
        Kind::F16 => {
            let bits = sixteen();
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let size = match exponent {
                0 => fraction * 2_f64.powi(-24),
                _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            if bits >> 15 == 1 { -size } else { size }
        }
        Kind::BF16 => f64::from(f32::from_bits(u32::from(sixteen()) << 16)),
        Kind::F32 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        Kind::F64 => f64::from_le_bytes(bytes.try_into().unwrap()),
        Kind::I64 => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
        Kind::I8 => f64::from(bytes[0].cast_signed()),
        Kind::Bool | Kind::U8 => f64::from(bytes[0]),
        other => panic!("there is no {other:?} here"),
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::F16 => "float16",
        Kind::BF16 => "bfloat16",
        Kind::F32 => "float32",
        Kind::F64 => "float64",
        Kind::I64 => "int64",
        Kind::I8 => "int8",
        Kind::Bool => "bool",
        other => panic!("there is no {other:?} here"),
    }
}

#[test]
fn tensors_are_those_of_pytorch() {
    let expected: Json = serde_json::from_str(include_str!("golden/expected.json")).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        let expected = expected.as_object().unwrap();
        let mut file = TorchFile::open(&golden(&format!("{name}.pt"))).unwrap();
        let names: Vec<String> = file.tensors().keys().cloned().collect();
        let mut wanted: Vec<&String> = expected.keys().collect();
        wanted.sort();
        assert_eq!(names.iter().collect::<Vec<_>>(), wanted, "{name}");
        for (tensor, expected) in expected {
            let (kind, shape) = (
                file.tensors()[tensor].kind(),
                file.tensors()[tensor].shape(),
            );
            assert_eq!(name_of(kind), expected["kind"], "{name} {tensor}");
            assert_eq!(
                serde_json::json!(shape),
                expected["shape"],
                "{name} {tensor}"
            );
            let bytes = file.read_tensor(tensor).unwrap();
            let numbers = bytes
                .chunks_exact(kind.size())
                .map(|bytes| number(kind, bytes));
            let (mut sum, mut weighed) = (0.0, 0.0);
            for (place, number) in (1..).zip(numbers) {
                sum += number;
                weighed += number * f64::from(place);
            }
            for (found, expected) in [(sum, &expected["sum"]), (weighed, &expected["weighed"])] {
                let expected = expected.as_f64().unwrap();
                let near = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
                assert!(near, "{name} {tensor}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn plain_attributes_of_a_network_are_there() {
    let file = TorchFile::open(&golden("trained.pt")).unwrap();
    let yaml = file.attribute("yaml").unwrap();
    assert_eq!((&yaml["nc"], &yaml["scale"]), (&2.into(), &"s".into()));
    assert_eq!(
        yaml["scales"]["s"],
        serde_json::json!([0.33, 0.015_625, 1024])
    );
    assert!(
        file.attribute("txt_feats").is_none(),
        "a tensor is not plain"
    );
    assert!(file.attribute("nothing").is_none());
}

#[test]
fn files_of_before_zip_are_refused_with_advice() {
    let error = TorchFile::open(&golden("legacy.pt")).unwrap_err();
    assert!(matches!(error, PickleError::NotTorch { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("torch.save(torch.load(file), file)"),
        "{error}"
    );
}
