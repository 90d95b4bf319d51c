//! What stages have in common that say one thing about each image: they read images and what their
//! words name of them, and write the same table with a column more.

use std::collections::BTreeMap;

use ccsr_stage::{
    Bound, ColumnType, Digest, InputPort, Inputs, OutputPort, PartitionOutcomes, Resolved, Row,
    RowCounts, Schemas, StageError, Table, Unit, Value,
};

use crate::named_column::taken_column;
use crate::roles::{Network, Reads, Role};
use crate::row_id::described;
use crate::template::{self, Piece};

/// The placeholders of words about an image.
pub(crate) const SLOTS: [&str; 2] = ["prompt", "class"];

/// The port of the images.
const IMAGES: &str = "images";

/// A column that is added to the images' table.
pub(crate) struct AddedColumn {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) kind: ColumnType,
    /// The port of the table that has it.
    pub(crate) port: &'static str,
}

impl AddedColumn {
    /// The port that takes the images, with the columns that the words name.
    pub(crate) fn input(words: &str) -> Vec<InputPort> {
        let pieces = template::pieces(words).unwrap_or_default();
        let named = |known: &&str| pieces.contains(&Piece::Slot(known));
        let mut columns = vec![("image", ColumnType::Image)];
        let texts = SLOTS.into_iter().filter(named);
        columns.extend(texts.map(|name| (name, ColumnType::Text)));
        vec![InputPort::new(IMAGES, columns)]
    }

    /// The port of the table that has the column.
    pub(crate) fn output(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs
            .get(IMAGES)
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        if images.get(self.name).is_some() {
            return Err(taken_column("images", self.name));
        }
        let schema = images.with(self.name, self.kind);
        Ok(vec![OutputPort::new(self.port, schema)])
    }

    /// At most a unit and a row an image.
    pub(crate) fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get(IMAGES).copied().unwrap_or(0);
        Bound::new(images, self.port, images)
    }

    /// A unit an image, all in one wave, which `role` computes and which is keyed by what `reads` says of the image, of
    /// the words about it and of the model.
    pub(crate) fn units<T: Network + ?Sized + 'static>(
        inputs: &Inputs<'_>,
        so_far: &[Resolved],
        (name, role): (&str, &Role<T>),
        words: &str,
        reads: impl Fn(Digest, String, &Value) -> Reads,
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let model = role.object.model(inputs)?;
        let unit = |row: Row<'_>| {
            let text = template::render(words, |name| Ok(row.text(name)?))?;
            let unit = role.unit(name, reads(row.blob("image")?, text, &model));
            Ok(unit.with_hint(Value::from(described(row))))
        };
        inputs.table(IMAGES)?.rows().map(unit).collect()
    }

    /// The table, given the outcome of each image and what stands in the column for it.
    pub(crate) fn tables(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
        cell: impl Fn(&Value) -> Result<Value, StageError>,
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table(IMAGES)?;
        let schemas = Schemas::from([(IMAGES, images.schema().into())]);
        let mut table = Table::builder(self.output(&schemas)?.remove(0).schema);
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (row, resolved) in images.rows().zip(resolved) {
            let added = cell(&resolved.outcome)?;
            table.push(row.values().cloned().chain([added]))?;
        }
        Ok(BTreeMap::from([(self.port, table.finish())]))
    }
}
