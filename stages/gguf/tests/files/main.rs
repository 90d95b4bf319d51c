//! Our reading of GGUF beside that of the `gguf` package (`make_golden.py`), and files that lie.
//!
//! A real file is read, too, if `CCSR_SMOLLM2_GGUF` says where SmolLM2-135M-Instruct.Q4_1.gguf is.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says where it stopped, one that is left out says so"
)]

mod lies;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ccsr_gguf::{Array, Gguf, GgufError, TensorType, Value};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files/golden")
        .join(name)
}

fn small() -> Gguf {
    Gguf::open(&golden("small.gguf")).unwrap()
}

#[test]
fn metadata_of_every_type_are_read() {
    let gguf = small();
    let expected = [
        ("small.u8", Value::U8(200)),
        ("small.i8", Value::I8(-100)),
        ("small.u16", Value::U16(60_000)),
        ("small.i16", Value::I16(-30_000)),
        ("small.u32", Value::U32(4_000_000_000)),
        ("small.i32", Value::I32(-2_000_000_000)),
        ("small.u64", Value::U64((1 << 63) + 1)),
        ("small.i64", Value::I64(-(1 << 62))),
        ("small.f32", Value::F32(1e-5)),
        ("small.f64", Value::F64(0.1)),
        ("small.bool", Value::Bool(true)),
        ("small.text", Value::Text("Grüße, 世界".to_owned())),
        (
            "small.texts",
            Value::Array(Array::Text(
                ["one", "", "drei 🙂"].map(str::to_owned).into(),
            )),
        ),
        ("small.floats", Value::Array(Array::F32(vec![0.5, -2.0]))),
        ("small.integers", Value::Array(Array::I32(vec![3, -4, 5]))),
        (
            "small.truths",
            Value::Array(Array::Bool(vec![true, false, true])),
        ),
        (
            "small.nested",
            Value::Array(Array::Arrays(vec![
                Array::I32(vec![1, 2]),
                Array::I32(vec![3]),
            ])),
        ),
        ("general.architecture", Value::Text("llama".to_owned())),
    ];
    for (key, value) in &expected {
        assert_eq!(&gguf.metadata()[*key], value, "{key}");
    }
    assert_eq!(gguf.metadata().len(), expected.len());
}

#[test]
fn getters_take_any_whole_number_that_fits_and_say_what_does_not() {
    let gguf = small();
    assert_eq!(gguf.get::<u32>("small.u8").unwrap(), 200);
    assert_eq!(gguf.get::<usize>("small.u16").unwrap(), 60_000);
    assert_eq!(gguf.get::<i64>("small.i32").unwrap(), -2_000_000_000);
    assert_eq!(gguf.get::<u64>("small.u64").unwrap(), (1 << 63) + 1);
    assert_eq!(
        gguf.get::<f32>("small.f64").unwrap().to_bits(),
        0.1_f32.to_bits()
    );
    assert_eq!(gguf.get::<&str>("small.text").unwrap(), "Grüße, 世界");
    assert_eq!(gguf.get::<&[String]>("small.texts").unwrap().len(), 3);
    assert_eq!(gguf.get::<&[i32]>("small.integers").unwrap(), [3, -4, 5]);
    assert_eq!(gguf.get::<&[f32]>("small.floats").unwrap(), [0.5, -2.0]);
    assert!(gguf.get::<bool>("small.bool").unwrap());
    assert_eq!(gguf.find::<u32>("small.none").unwrap(), None);

    let error = gguf.get::<u32>("small.none").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has no metadata key `small.none`"),
        "{error}"
    );
    let error = gguf.find::<u32>("small.i8").unwrap_err().to_string();
    let said = "is the number -100 (i8); expected a whole number from 0 to 4294967295";
    assert!(
        error.starts_with("`small.i8` of") && error.ends_with(said),
        "{error}"
    );
    let error = gguf
        .get::<&[String]>("small.floats")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("is an array of f32; expected an array of texts"),
        "{error}"
    );
    let error = gguf.get::<bool>("small.text").unwrap_err().to_string();
    assert!(
        error.ends_with("is the text \"Grüße, 世界\"; expected a truth value"),
        "{error}"
    );
}

#[test]
fn tensors_are_those_of_the_gguf_package_to_the_bit() {
    let gguf = small();
    let expected = std::fs::read(golden("expected.f32")).unwrap();
    let mut expected = expected
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
    let names = gguf.tensors().keys().filter(|name| *name != "refused");
    for name in names {
        let numbers = gguf.dequantise(name).unwrap();
        let elements: usize = gguf.tensor(name).unwrap().shape.iter().product();
        assert_eq!(numbers.len(), elements, "{name}");
        for (place, number) in numbers.iter().enumerate() {
            let wanted = f32::from_bits(expected.next().unwrap());
            assert_eq!(
                number.to_bits(),
                wanted.to_bits(),
                "{name}[{place}]: {number}, {wanted}"
            );
        }
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn shapes_are_row_major_and_lengths_those_of_the_blocks() {
    let gguf = small();
    assert_eq!(gguf.tensor("three").unwrap().shape, [2, 3, 4]);
    for (name, kind, bytes) in [
        ("f32", TensorType::F32, 2048),
        ("f16", TensorType::F16, 1024),
        ("bf16", TensorType::BF16, 1024),
        ("q4_0", TensorType::Q4_0, 288),
        ("q4_1", TensorType::Q4_1, 320),
        ("q5_0", TensorType::Q5_0, 352),
        ("q5_1", TensorType::Q5_1, 384),
        ("q8_0", TensorType::Q8_0, 544),
        ("q4_k", TensorType::Q4_K, 288),
        ("q6_k", TensorType::Q6_K, 420),
    ] {
        let tensor = gguf.tensor(name).unwrap();
        assert_eq!((tensor.kind, tensor.bytes), (kind, bytes), "{name}");
        assert_eq!(tensor.shape, [2, 256], "{name}");
        assert_eq!(
            gguf.read_tensor(name).unwrap().len() as u64,
            bytes,
            "{name}"
        );
    }
    assert_eq!(gguf.tensor("last").unwrap().shape, [16]);
    let last = gguf.read_tensor("last").unwrap();
    assert_eq!(last[60..], 15_f32.to_le_bytes());
}

#[test]
fn types_that_are_not_read_are_refused_by_name() {
    let gguf = small();
    assert_eq!(gguf.read_tensor("refused").unwrap(), [0; 176]);
    let error = gguf.dequantise("refused").unwrap_err();
    assert!(matches!(error, GgufError::NotDequantised { .. }));
    let error = error.to_string();
    assert!(error.starts_with("tensor `refused` of"), "{error}");
    assert!(
        error.contains("is stored as Q5_K, which is not read; store it as one of F32, "),
        "{error}"
    );
    let error = gguf.dequantise("nothing").unwrap_err().to_string();
    assert!(error.ends_with("has no tensor `nothing`"), "{error}");
}

#[test]
fn no_file_is_an_error_that_names_it() {
    let error = Gguf::open(Path::new("nowhere.gguf")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read `nowhere.gguf`: "),
        "{error}"
    );
}

#[derive(serde::Deserialize)]
struct Summed {
    kind: String,
    shape: Vec<usize>,
    sum: String,
}

#[test]
fn a_real_file_is_that_of_the_gguf_package_to_the_bit() {
    let Some(file) = std::env::var_os("CCSR_SMOLLM2_GGUF") else {
        eprintln!("left out: CCSR_SMOLLM2_GGUF names no GGUF file of SmolLM2");
        return;
    };
    let gguf = Gguf::open(Path::new(&file)).unwrap();
    assert_eq!(gguf.tensors().len(), 272);
    assert_eq!(gguf.get::<&str>("general.architecture").unwrap(), "llama");
    assert_eq!(gguf.get::<usize>("llama.block_count").unwrap(), 30);
    assert_eq!(
        gguf.get::<&[String]>("tokenizer.ggml.merges")
            .unwrap()
            .len(),
        48_900
    );
    let expected = std::fs::read(golden("smollm2.json")).unwrap();
    let expected: BTreeMap<String, Summed> = serde_json::from_slice(&expected).unwrap();
    for (name, summed) in expected {
        let tensor = gguf.tensor(&name).unwrap();
        assert_eq!(
            (tensor.kind.to_string(), &tensor.shape),
            (summed.kind, &summed.shape)
        );
        let numbers = gguf.dequantise(&name).unwrap();
        let bits = (1_u64..)
            .zip(numbers)
            .map(|(place, number)| (place, number.to_bits()));
        let sum = bits.fold(0_u64, |sum, (place, bits)| {
            sum.wrapping_add(place.wrapping_mul(bits.into()))
        });
        assert_eq!(sum.to_string(), summed.sum, "{name}");
    }
}
