//! The head of a file: its metadata, and which tensor lies where.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::gguf::Tensor;
use crate::metadata::{Value, read_value};
use crate::reader::{Fault, Reader};
use crate::{GgufError, TensorType};

/// The key that says to what tensors are aligned, and what they are aligned to without it, in bytes.
const ALIGNMENT: (&str, u64) = ("general.alignment", 32);
/// How many dimensions a tensor may have.
const MOST_DIMENSIONS: u32 = 4;
/// The shortest tensor of a directory: name's length, number of dimensions, type, offset.
const SHORTEST_TENSOR: u64 = 8 + 4 + 4 + 8;
/// The shortest of the metadata: key's length, type, one byte.
const SHORTEST_ENTRY: u64 = 8 + 4 + 1;

/// What stands before the tensors.
pub(crate) struct Directory {
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

/// Reads and checks the head of a file that is `length` bytes long.
pub(crate) fn read(file: impl Read, length: u64, path: &Path) -> Result<Directory, GgufError> {
    let mut reader = Reader::new(file, length);
    let failed = |fault| match fault {
        Fault::Read(why) => GgufError::File {
            path: path.to_owned(),
            why,
        },
        Fault::Damaged(at, what) => GgufError::Damaged {
            path: path.to_owned(),
            at,
            what,
        },
    };
    if length < 4 || &reader.bytes::<4>().map_err(failed)? != b"GGUF" {
        return Err(GgufError::NotGguf {
            path: path.to_owned(),
        });
    }
    match reader.u32().map_err(failed)? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 1..=3) => {
            return Err(GgufError::BigEndian {
                path: path.to_owned(),
            });
        }
        version => {
            return Err(GgufError::Version {
                path: path.to_owned(),
                version,
            });
        }
    }
    read_rest(&mut reader, length).map_err(failed)
}

fn read_rest(reader: &mut Reader<impl Read>, length: u64) -> Result<Directory, Fault> {
    let tensor_count = reader.u64()?;
    let entry_count = reader.u64()?;
    reader.expect(tensor_count, SHORTEST_TENSOR, "tensors")?;
    reader.expect(entry_count, SHORTEST_ENTRY, "metadata")?;
    let mut metadata = BTreeMap::new();
    for _ in 0..entry_count {
        let key = reader.text()?;
        let value = read_value(reader)?;
        if metadata.contains_key(&key) {
            return Err(reader.fault(format!("the metadata key `{key}` stands there twice")));
        }
        metadata.insert(key, value);
    }
    let alignment = alignment(reader, &metadata)?;
    let mut tensors = BTreeMap::new();
    for _ in 0..tensor_count {
        let (name, tensor) = read_tensor(reader, alignment)?;
        if tensors.contains_key(&name) {
            return Err(reader.fault(format!("tensor `{name}` stands there twice")));
        }
        tensors.insert(name, tensor);
    }
    // Offsets are counted from here; the head is over.
    let start = reader.position().next_multiple_of(alignment);
    place(reader, &mut tensors, start, length)?;
    Ok(Directory { metadata, tensors })
}

fn alignment(reader: &Reader<impl Read>, metadata: &BTreeMap<String, Value>) -> Result<u64, Fault> {
    let (key, usual) = ALIGNMENT;
    match metadata.get(key) {
        None => Ok(usual),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => Ok((*alignment).into()),
        Some(other) => Err(reader.fault(format!("`{key}` is {other}; a power of two is expected"))),
    }
}

/// A tensor of the directory, its offset still counted from where tensors start.
fn read_tensor(reader: &mut Reader<impl Read>, alignment: u64) -> Result<(String, Tensor), Fault> {
    let name = reader.text()?;
    let dimensions = reader.u32()?;
    if dimensions > MOST_DIMENSIONS {
        return Err(reader.fault(format!(
            "tensor `{name}` has {dimensions} dimensions; at most {MOST_DIMENSIONS} are possible"
        )));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(reader.u64()?);
    }
    let number = reader.u32()?;
    let Some(kind) = TensorType::numbered(number) else {
        return Err(reader.fault(format!(
            "tensor `{name}` is stored in a way that is not known (number {number})"
        )));
    };
    let offset = reader.u64()?;
    if !offset.is_multiple_of(alignment) {
        return Err(reader.fault(format!(
            "tensor `{name}` lies at {offset}, which is no multiple of {alignment}"
        )));
    }
    // Blocks run along the file's first dimension.
    let row = shape.first().copied().unwrap_or(1);
    if !row.is_multiple_of(kind.block_elements()) {
        return Err(reader.fault(format!(
            "tensor `{name}` has rows of {row}, which are no blocks of {} ({kind})",
            kind.block_elements()
        )));
    }
    let too_large = || reader.fault(format!("tensor `{name}` has impossibly many elements"));
    let elements = shape
        .iter()
        .try_fold(1_u64, |product, size| product.checked_mul(*size));
    let blocks = elements.ok_or_else(too_large)? / kind.block_elements();
    let bytes = blocks.checked_mul(kind.block_bytes());
    let bytes = bytes.ok_or_else(too_large)?;
    let sizes = shape.iter().rev().map(|size| usize::try_from(*size).ok());
    let shape = sizes.collect::<Option<_>>().ok_or_else(too_large)?;
    let tensor = Tensor {
        shape,
        kind,
        offset,
        bytes,
    };
    Ok((name, tensor))
}

/// Counts offsets from the file's start, and makes sure that every tensor lies in the file and that no
/// two share bytes.
fn place(
    reader: &Reader<impl Read>,
    tensors: &mut BTreeMap<String, Tensor>,
    start: u64,
    length: u64,
) -> Result<(), Fault> {
    for (name, tensor) in tensors.iter_mut() {
        let offset = start.checked_add(tensor.offset);
        let end = offset.and_then(|offset| offset.checked_add(tensor.bytes));
        match (offset, end) {
            (Some(offset), Some(end)) if end <= length => tensor.offset = offset,
            _ => {
                return Err(reader.fault(format!(
                    "tensor `{name}` is said to lie at {start} + {}, {} bytes long, but the file ends \
                     at {length}",
                    tensor.offset, tensor.bytes
                )));
            }
        }
    }
    let mut placed: Vec<_> = tensors
        .iter()
        .filter(|(_, tensor)| tensor.bytes > 0)
        .collect();
    placed.sort_by_key(|(_, tensor)| tensor.offset);
    for pair in placed.windows(2) {
        let [(first, one), (second, other)] = pair else {
            continue;
        };
        if one.offset + one.bytes > other.offset {
            return Err(reader.fault(format!("tensors `{first}` and `{second}` share bytes")));
        }
    }
    Ok(())
}
