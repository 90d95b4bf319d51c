//! Values: what keys are made of and what outcomes and table cells hold.
//!
//! A value has two written forms. *JSON* is what the ledger stores and people read; the *canonical
//! encoding* ([`Value::canonical`]) is what digests are taken of. Both are injective; only the
//! second is frozen for ever, because a changed encoding would forget every cached outcome.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::Digest;

mod decode;
mod map;
mod parse;

pub use map::Map;

/// A value of a key, an outcome or a table cell.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A binary64 number; `NaN` and the infinities included.
    Float(f64),
    /// Text, shared between the rows that repeat it.
    Text(Arc<str>),
    /// The bytes that this digest names, in the object store.
    Blob(Digest),
    /// An ordered list.
    List(Arc<[Self]>),
    /// Named values, ordered by name.
    Map(Map),
}

/// A value that does not fit: its JSON form is malformed, or it is not of the type asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(crate) String);

/// Key of the one-entry object that stands for a blob in JSON.
const BLOB: &str = "$blob";
/// Key of the one-entry object that stands for a number JSON has no word for.
const FLOAT: &str = "$float";

impl Value {
    /// The value that `source` serialises to.
    pub fn of<T: Serialize + ?Sized>(source: &T) -> Result<Self, ValueError> {
        let json = serde_json::to_value(source).map_err(|error| ValueError(error.to_string()))?;
        Self::from_json(json)
    }

    /// Reads the value as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        serde_json::from_value(self.to_json()).map_err(|error| ValueError(error.to_string()))
    }

    /// A map with these entries.
    pub fn map<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(Map::new(entries))
    }

    /// A list of these values.
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, whole or not, if this is one.
    pub const fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The blob's digest, if this is one.
    pub const fn as_blob(&self) -> Option<Digest> {
        match self {
            Self::Blob(digest) => Some(*digest),
            _ => None,
        }
    }

    /// The values, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// The entry `name` of a map.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.get(name),
            _ => None,
        }
    }

    /// Whether this is [`Value::Null`].
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Every blob that this value names, at any depth, in order.
    pub fn blobs(&self) -> Vec<Digest> {
        let mut found = Vec::new();
        self.collect_blobs(&mut found);
        found
    }

    fn collect_blobs(&self, found: &mut Vec<Digest>) {
        match self {
            Self::Blob(digest) => found.push(*digest),
            Self::List(values) => values.iter().for_each(|value| value.collect_blobs(found)),
            Self::Map(entries) => entries
                .values()
                .for_each(|value| value.collect_blobs(found)),
            _ => {}
        }
    }

    /// The digest of the canonical encoding.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical())
    }

    /// The canonical encoding: one tag byte, then the content. Numbers are little-endian; text, lists
    /// and maps are preceded by their length or count (`u64`); map entries stand in byte order of
    /// their names; every `NaN` is the quiet one and `-0.0` is `0.0`. Whole numbers and floats keep
    /// different tags: `1` and `1.0` are different values.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_canonical(&mut bytes);
        bytes
    }

    /// Appends the canonical encoding to `bytes`.
    pub fn write_canonical(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Null => bytes.push(0),
            Self::Bool(truth) => bytes.extend([1, u8::from(*truth)]),
            Self::Int(number) => {
                bytes.push(2);
                bytes.extend(number.to_le_bytes());
            }
            Self::Float(number) => {
                bytes.push(3);
                bytes.extend(canonical_bits(*number).to_le_bytes());
            }
            Self::Text(text) => {
                bytes.push(4);
                write_text(bytes, text);
            }
            Self::Blob(digest) => {
                bytes.push(5);
                bytes.extend(digest.as_bytes());
            }
            Self::List(values) => {
                bytes.push(6);
                bytes.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| value.write_canonical(bytes));
            }
            Self::Map(entries) => {
                bytes.push(7);
                bytes.extend((entries.len() as u64).to_le_bytes());
                for (name, value) in entries.iter() {
                    write_text(bytes, name);
                    value.write_canonical(bytes);
                }
            }
        }
    }

    /// Reads a canonical encoding.
    ///
    /// # Errors
    /// [`ValueError`] if the bytes are not exactly one encoded value; never a panic, and never
    /// more memory than the bytes themselves justify.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut reader = decode::Reader::new(bytes);
        let value = reader.value(0)?;
        reader.finish()?;
        Ok(value)
    }

    /// The JSON form. Blobs become `{"$blob": "…"}`, numbers JSON has no word for `{"$float": "…"}`,
    /// and a map that would be mistaken for either gets a `$` put before its key.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| tagged(FLOAT, number.to_string()), Json::Number),
            Self::Text(text) => Json::String(text.to_string()),
            Self::Blob(digest) => tagged(BLOB, digest.to_string()),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(name, value)| (escape(name).into_owned(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// Reads the JSON form.
    pub fn from_json(json: serde_json::Value) -> Result<Self, ValueError> {
        Self::deserialize(json).map_err(|error| ValueError(error.to_string()))
    }

    /// The JSON form as text, without blanks.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("every value has a JSON form")
    }
}

fn tagged(tag: &str, text: String) -> serde_json::Value {
    serde_json::Value::Object(
        [(tag.to_owned(), serde_json::Value::String(text))]
            .into_iter()
            .collect(),
    )
}

fn serialize_tagged<S: Serializer>(
    serializer: S,
    tag: &str,
    value: &impl fmt::Display,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map([(tag, format_args!("{value}"))])
}

fn escape(name: &str) -> Cow<'_, str> {
    if name.starts_with('$') {
        Cow::Owned(format!("${name}"))
    } else {
        Cow::Borrowed(name)
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn canonical_bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else if number == 0.0 {
        0
    } else {
        number.to_bits()
    }
}

/// Two values are equal when their canonical encodings are: every `NaN` equals itself.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => canonical_bits(*a) == canonical_bits(*b),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// The JSON form ([`Value::to_json`]), written without making it first.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Float(number) => serialize_tagged(serializer, FLOAT, number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Blob(digest) => serialize_tagged(serializer, BLOB, digest),
            Self::List(values) => serializer.collect_seq(values.iter()),
            // A `$` more or less changes nothing about the order of names.
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(name, value)| (escape(name), value)))
            }
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Self {
        Self::Blob(digest)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests;
