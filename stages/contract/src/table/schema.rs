//! Columns: their names and types.

use std::fmt;
use std::sync::Arc;

use ccsr_cache::Value;
use serde::{Deserialize, Serialize};

/// The type of a column's values. A null is a value of every type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    Text,
    /// Whole numbers, 64 bits with sign.
    Int,
    /// Numbers; whole numbers are welcome too.
    Float,
    /// True or false.
    Bool,
    /// A blob that is an image: a PNG of its pixels and nothing else.
    Image,
    /// A blob of any kind.
    Blob,
    /// Any value, as JSON.
    Json,
}

impl ColumnType {
    /// The word for it, with its article, for messages.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "whole numbers",
            Self::Float => "numbers",
            Self::Bool => "true or false",
            Self::Image => "images",
            Self::Blob => "blobs",
            Self::Json => "any values",
        }
    }

    /// Whether a column of this type serves where `wanted` is asked for.
    pub fn serves(self, wanted: Self) -> bool {
        self == wanted
            || wanted == Self::Json
            || matches!(
                (self, wanted),
                (Self::Int, Self::Float) | (Self::Image, Self::Blob)
            )
    }

    /// Whether `value` may stand in a column of this type.
    pub const fn admits(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Self::Text, Value::Text(_))
                | (Self::Int, Value::Int(_))
                | (Self::Float, Value::Float(_) | Value::Int(_))
                | (Self::Bool, Value::Bool(_))
                | (Self::Image | Self::Blob, Value::Blob(_))
                | (Self::Json, _)
        )
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Image => "image",
            Self::Blob => "blob",
            Self::Json => "json",
        })
    }
}

/// The columns of a table: names and types, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema(pub(super) Vec<(Arc<str>, ColumnType)>);

impl Schema {
    /// A schema with these columns. A later column replaces an earlier one of the same name.
    pub fn new<N: Into<Arc<str>>>(columns: impl IntoIterator<Item = (N, ColumnType)>) -> Self {
        columns
            .into_iter()
            .fold(Self::default(), |schema, (name, kind)| {
                schema.with(name, kind)
            })
    }

    /// The schema with one column more, or with another type for it.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, kind: ColumnType) -> Self {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = kind,
            None => self.0.push((name, kind)),
        }
        self
    }

    /// The schema without these columns.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_ref()));
        self
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.0.iter().map(|(name, kind)| (name.as_ref(), *kind))
    }

    /// The type of a column.
    pub fn get(&self, name: &str) -> Option<ColumnType> {
        self.columns()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| kind)
    }

    /// Position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns().position(|(known, _)| known == name)
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
