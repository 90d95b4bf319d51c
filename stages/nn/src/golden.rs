//! Golden tensors: what reference implementations computed, for parity tests.

use burn::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// A file of golden tensors.
pub struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    /// Opens a file.
    ///
    /// # Panics
    /// If it cannot be read: tests stop there.
    pub fn open(path: &str) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { bytes }
    }

    /// A tensor's numbers and shape.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn numbers(&self, name: &str) -> (Vec<f32>, Vec<usize>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("golden files are whole");
        let tensor = file
            .tensor(name)
            .unwrap_or_else(|_| panic!("there is no golden `{name}`"));
        let bytes = tensor.data();
        let numbers = match tensor.dtype() {
            Dtype::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| f32::from_le_bytes(*chunk))
                .collect(),
            Dtype::I64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| i64::from_le_bytes(*chunk) as f32)
                .collect(),
            Dtype::F16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| half::f16::from_le_bytes(*chunk).to_f32())
                .collect(),
            Dtype::U8 => bytes.iter().map(|byte| f32::from(*byte)).collect(),
            other => panic!("golden `{name}` is {other:?}"),
        };
        (numbers, tensor.shape().to_vec())
    }

    /// A tensor on the device.
    ///
    /// # Panics
    /// If there is none of this name and rank.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let (numbers, shape) = self.numbers(name);
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }

    /// A tensor of whole numbers on the device.
    ///
    /// # Panics
    /// If there is none of this name and rank.
    pub fn whole<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        let (numbers, shape) = self.numbers(name);
        let numbers: Vec<i64> = numbers.into_iter().map(|number| number as i64).collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
}

/// The largest error, relative to the largest number expected.
///
/// # Panics
/// If shapes differ.
pub fn error<const D: usize>(found: &Tensor<D>, expected: &Tensor<D>) -> f64 {
    assert_eq!(found.dims(), expected.dims(), "shapes differ");
    let numbers = |tensor: &Tensor<D>| -> Vec<f32> {
        tensor
            .clone()
            .into_data()
            .convert::<f32>()
            .try_to_vec()
            .expect("binary32")
    };
    let (found, expected) = (numbers(found), numbers(expected));
    let largest = expected
        .iter()
        .map(|number| number.abs())
        .fold(f32::MIN_POSITIVE, f32::max);
    let error = found.iter().zip(&expected).map(|(a, b)| {
        let error = (a - b).abs();
        if error.is_nan() { f32::INFINITY } else { error }
    });
    f64::from(error.fold(0.0, f32::max) / largest)
}
