//! Ports: the tables that a stage reads and writes, checked before anything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{ColumnType, Schema};

/// The schemas of the tables bound to a stage's input ports, by port.
pub type Schemas = BTreeMap<&'static str, Arc<Schema>>;

/// A table that a stage reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPort {
    /// Name, as written in `from:`.
    pub name: &'static str,
    /// Whether the pipeline may leave it unbound.
    pub optional: bool,
    /// Columns the table must have; it may have more.
    pub columns: Vec<(String, ColumnType)>,
}

impl InputPort {
    /// A port that must be bound to a table with at least these columns.
    pub fn new<N: Into<String>>(
        name: &'static str,
        columns: impl IntoIterator<Item = (N, ColumnType)>,
    ) -> Self {
        let columns = columns
            .into_iter()
            .map(|(name, kind)| (name.into(), kind))
            .collect();
        Self {
            name,
            optional: false,
            columns,
        }
    }

    /// The same port, which may stay unbound.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// A table that a stage writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPort {
    /// Name, as written after the dot in `from: stage.port`.
    pub name: &'static str,
    /// The columns of the table.
    pub schema: Schema,
}

impl OutputPort {
    /// A port that writes tables of this schema.
    pub const fn new(name: &'static str, schema: Schema) -> Self {
        Self { name, schema }
    }
}
