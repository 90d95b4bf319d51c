//! What a file says of itself: values under keys.

use std::fmt;
use std::io::Read;

use crate::reader::{Fault, Reader};

/// How deep arrays may lie in arrays. Files in use nest none.
const DEEPEST: usize = 4;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types' names say it")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

/// An array of the metadata: all elements are of one type.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types' names say it")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
    Arrays(Vec<Self>),
}

/// Reads one value after its type's number.
pub(crate) fn read_value(reader: &mut Reader<impl Read>) -> Result<Value, Fault> {
    let number = reader.u32()?;
    Ok(match number {
        0 => Value::U8(u8::from_le_bytes(reader.bytes()?)),
        1 => Value::I8(i8::from_le_bytes(reader.bytes()?)),
        2 => Value::U16(u16::from_le_bytes(reader.bytes()?)),
        3 => Value::I16(i16::from_le_bytes(reader.bytes()?)),
        4 => Value::U32(reader.u32()?),
        5 => Value::I32(i32::from_le_bytes(reader.bytes()?)),
        6 => Value::F32(f32::from_le_bytes(reader.bytes()?)),
        7 => Value::Bool(read_bool(reader)?),
        8 => Value::Text(reader.text()?),
        9 => Value::Array(read_array(reader, DEEPEST)?),
        10 => Value::U64(reader.u64()?),
        11 => Value::I64(i64::from_le_bytes(reader.bytes()?)),
        12 => Value::F64(f64::from_le_bytes(reader.bytes()?)),
        _ => return Err(reader.fault(format!("metadata of type {number}; 0 to 12 are known"))),
    })
}

fn read_bool(reader: &mut Reader<impl Read>) -> Result<bool, Fault> {
    match reader.bytes()? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(reader.fault(format!("{other} where a truth value, 0 or 1, should stand"))),
    }
}

fn read_array(reader: &mut Reader<impl Read>, depth: usize) -> Result<Array, Fault> {
    let number = reader.u32()?;
    let count = reader.u64()?;
    // A macro and no function, for want of a trait of `from_le_bytes`.
    macro_rules! numbers {
        ($number:ty) => {{
            let size = size_of::<$number>() as u64;
            read_many(reader, count, size, |reader| {
                Ok(<$number>::from_le_bytes(reader.bytes()?))
            })?
        }};
    }
    Ok(match number {
        0 => Array::U8(numbers!(u8)),
        1 => Array::I8(numbers!(i8)),
        2 => Array::U16(numbers!(u16)),
        3 => Array::I16(numbers!(i16)),
        4 => Array::U32(numbers!(u32)),
        5 => Array::I32(numbers!(i32)),
        6 => Array::F32(numbers!(f32)),
        7 => Array::Bool(read_many(reader, count, 1, read_bool)?),
        // The shortest text is its length alone.
        8 => Array::Text(read_many(reader, count, 8, Reader::text)?),
        9 if depth == 0 => {
            return Err(reader.fault(format!("arrays nested more than {DEEPEST} deep")));
        }
        // The shortest array is its type and its length.
        9 => Array::Arrays(read_many(reader, count, 12, |reader| {
            read_array(reader, depth - 1)
        })?),
        10 => Array::U64(numbers!(u64)),
        11 => Array::I64(numbers!(i64)),
        12 => Array::F64(numbers!(f64)),
        _ => return Err(reader.fault(format!("an array of type {number}; 0 to 12 are known"))),
    })
}

fn read_many<R: Read, T>(
    reader: &mut Reader<R>,
    count: u64,
    size: u64,
    mut one: impl FnMut(&mut Reader<R>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    reader.expect(count, size, "elements of an array")?;
    (0..count).map(|_| one(reader)).collect()
}

impl fmt::Display for Value {
    /// What it is, for messages: `the number 3 (u32)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(number) => write!(out, "the number {number} (u8)"),
            Self::I8(number) => write!(out, "the number {number} (i8)"),
            Self::U16(number) => write!(out, "the number {number} (u16)"),
            Self::I16(number) => write!(out, "the number {number} (i16)"),
            Self::U32(number) => write!(out, "the number {number} (u32)"),
            Self::I32(number) => write!(out, "the number {number} (i32)"),
            Self::U64(number) => write!(out, "the number {number} (u64)"),
            Self::I64(number) => write!(out, "the number {number} (i64)"),
            Self::F32(number) => write!(out, "the number {number} (f32)"),
            Self::F64(number) => write!(out, "the number {number} (f64)"),
            Self::Bool(truth) => write!(out, "the truth value {truth}"),
            Self::Text(text) => {
                let start: String = text.chars().take(40).collect();
                write!(out, "the text {start:?}")
            }
            Self::Array(array) => write!(out, "an array of {}", array.element()),
        }
    }
}

impl Array {
    /// What its elements are, for messages.
    const fn element(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Bool(_) => "truth values",
            Self::Text(_) => "texts",
            Self::Arrays(_) => "arrays",
        }
    }
}

/// What [`crate::Gguf::get`] can be asked for. Whole numbers are taken from every type of whole number
/// that they fit in, since writers of files do not agree on one.
pub trait FromMetadata<'a>: Sized {
    /// What it is, for messages.
    const EXPECTED: &'static str;
    /// The value as this type, if it is one.
    fn from_metadata(value: &'a Value) -> Option<Self>;
}

/// A whole number of any width.
fn whole(value: &Value) -> Option<i128> {
    Some(match *value {
        Value::U8(number) => number.into(),
        Value::I8(number) => number.into(),
        Value::U16(number) => number.into(),
        Value::I16(number) => number.into(),
        Value::U32(number) => number.into(),
        Value::I32(number) => number.into(),
        Value::U64(number) => number.into(),
        Value::I64(number) => number.into(),
        _ => return None,
    })
}

impl FromMetadata<'_> for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";
    fn from_metadata(value: &Value) -> Option<Self> {
        whole(value)?.try_into().ok()
    }
}

impl FromMetadata<'_> for u64 {
    const EXPECTED: &'static str = "a whole number from 0 on";
    fn from_metadata(value: &Value) -> Option<Self> {
        whole(value)?.try_into().ok()
    }
}

impl FromMetadata<'_> for usize {
    const EXPECTED: &'static str = "a whole number from 0 on";
    fn from_metadata(value: &Value) -> Option<Self> {
        whole(value)?.try_into().ok()
    }
}

impl FromMetadata<'_> for i64 {
    const EXPECTED: &'static str = "a whole number";
    fn from_metadata(value: &Value) -> Option<Self> {
        whole(value)?.try_into().ok()
    }
}

impl FromMetadata<'_> for f32 {
    const EXPECTED: &'static str = "a number with a fraction";
    fn from_metadata(value: &Value) -> Option<Self> {
        match *value {
            Value::F32(number) => Some(number),
            Value::F64(number) => Some(number as Self),
            _ => None,
        }
    }
}

impl FromMetadata<'_> for bool {
    const EXPECTED: &'static str = "a truth value";
    fn from_metadata(value: &Value) -> Option<Self> {
        match *value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }
}

impl<'a> FromMetadata<'a> for &'a str {
    const EXPECTED: &'static str = "a text";
    fn from_metadata(value: &'a Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> FromMetadata<'a> for &'a [String] {
    const EXPECTED: &'static str = "an array of texts";
    fn from_metadata(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(Array::Text(texts)) => Some(texts),
            _ => None,
        }
    }
}

impl<'a> FromMetadata<'a> for &'a [f32] {
    const EXPECTED: &'static str = "an array of f32";
    fn from_metadata(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(Array::F32(numbers)) => Some(numbers),
            _ => None,
        }
    }
}

impl<'a> FromMetadata<'a> for &'a [i32] {
    const EXPECTED: &'static str = "an array of i32";
    fn from_metadata(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(Array::I32(numbers)) => Some(numbers),
            _ => None,
        }
    }
}

impl<'a> FromMetadata<'a> for &'a Array {
    const EXPECTED: &'static str = "an array";
    fn from_metadata(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }
}
