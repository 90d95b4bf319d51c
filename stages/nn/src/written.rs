//! The header of a file of safetensors. (The library's own writer orders the texts beside the tensors anew each time;
//! here equal files are equal bytes.)

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, TensorInfo};
use serde_json::Value;

/// Headers are filled up to a multiple of so many bytes.
const ALIGNMENT: usize = 8;

/// The first bytes of a file with these texts and these tensors, whose numbers follow in the order of their names. With
/// how many bytes the numbers are.
pub(crate) fn header<N: AsRef<str>>(
    texts: &BTreeMap<String, String>,
    tensors: impl IntoIterator<Item = (N, Dtype, Vec<usize>)>,
) -> (Vec<u8>, usize) {
    let quoted = |text: &str| Value::from(text).to_string();
    let texts = texts.iter();
    let texts = texts.map(|(name, text)| format!("{}:{}", quoted(name), quoted(text)));
    let mut header = format!(
        "{{\"__metadata__\":{{{}}}",
        texts.collect::<Vec<_>>().join(",")
    );
    let mut at = 0;
    for (name, dtype, shape) in tensors {
        let end = at + shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let info = TensorInfo {
            dtype,
            shape,
            data_offsets: (at, end),
        };
        let info = serde_json::to_string(&info).expect("names and numbers are JSON");
        header.extend([",", &quoted(name.as_ref()), ":", &info]);
        at = end;
    }
    header.push('}');
    let length = header.len().next_multiple_of(ALIGNMENT);
    let mut bytes = Vec::with_capacity(ALIGNMENT + length);
    bytes.extend((length as u64).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.resize(ALIGNMENT + length, b' ');
    (bytes, at)
}
