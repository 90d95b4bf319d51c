//! `image.grid`: a contact sheet of each prompt's candidates, to look at.
//!
//! The table says what is on each sheet. The sheets themselves are exports: drawn when the file is
//! missing or shows something else, and never kept in the cache.

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::{
    Bound, ColumnType, ExportFile, InputPort, Inputs, Misfits, OutputPort, PartitionOutcomes,
    Roles, Row, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file_name;
use crate::range::within;
use crate::row_id::{Key, RowId};

mod sheet;

/// Bump it when an unchanged layout would look different.
const EXPORT_REVISION: u32 = 2;

/// Parameters of `image.grid`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Images in a row of the sheet, at most: another row begins where the scale of the adapter changes.
    pub columns: u32,
    /// The least width at which an image is shown, in pixels: smaller ones are enlarged by a whole
    /// factor.
    pub cell: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            columns: 5,
            cell: 160,
        }
    }
}

/// The stage.
pub struct LayOutSheets {
    params: Params,
}

/// What the optional tables say about an image.
type About<'a> = Option<(RowId, HashMap<Key, Row<'a>>)>;

fn about<'a>(
    inputs: &'a Inputs<'_>,
    port: &'static str,
    images: &Schema,
) -> Result<About<'a>, StageError> {
    let Some(table) = inputs.tables.get(port) else {
        return Ok(None);
    };
    let id = RowId::shared(("images", images), (port, &table.schema()))?;
    let rows = table.rows().map(|row| (id.key(row), row)).collect();
    Ok(Some((id, rows)))
}

fn look_up<'a>(about: &About<'a>, image: Row<'_>) -> Option<Row<'a>> {
    let (id, rows) = about.as_ref()?;
    rows.get(&id.key(image)).copied()
}

impl LayOutSheets {
    fn layout(
        &self,
        images: &[Row<'_>],
        scores: &About<'_>,
        pairs: &About<'_>,
    ) -> Result<Value, StageError> {
        let mut cells = Vec::with_capacity(images.len());
        for (index, image) in (0_i64..).zip(images) {
            let candidate = image
                .find("candidate")
                .cloned()
                .unwrap_or(Value::Int(index));
            let mut cell = vec![
                ("image", Value::Blob(image.blob("image")?)),
                ("candidate", candidate),
            ];
            if let Some(scale) = image.find("scale") {
                cell.push(("scale", scale.clone()));
            }
            if let Some(scored) = look_up(scores, *image) {
                cell.push(("score", scored.value("score")?.clone()));
            }
            if let Some(pair) = look_up(pairs, *image) {
                cell.push(("chosen", Value::Bool(true)));
                cell.push((
                    "confidence",
                    pair.find("confidence").cloned().unwrap_or_default(),
                ));
            }
            cells.push(Value::map(cell));
        }
        let heading = |name| images[0].find(name).cloned().unwrap_or_default();
        Ok(Value::map([
            ("class", heading("class")),
            ("prompt", heading("prompt")),
            ("columns", Value::Int(i64::from(self.params.columns))),
            ("cell", Value::Int(i64::from(self.params.cell))),
            ("cells", Value::list(cells)),
        ]))
    }
}

impl Stage for LayOutSheets {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::new("images", [("image", ColumnType::Image)]),
            InputPort::new("scores", [("score", ColumnType::Float)]).optional(),
            InputPort::new("pairs", [("image", ColumnType::Image)]).optional(),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs
            .get("images")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        RowId::check_matched(&images, inputs, &["scores", "pairs"])?;
        let schema = RowId::group_of(&images)
            .schema()
            .with("file", ColumnType::Text)
            .with("layout", ColumnType::Json);
        Ok(vec![OutputPort::new("sheets", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(0, "sheets", rows.get("images").copied().unwrap_or(0))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table("images")?;
        let schema = images.schema();
        let (scores, pairs) = (
            about(inputs, "scores", &schema)?,
            about(inputs, "pairs", &schema)?,
        );
        let group = RowId::group_of(&schema);
        let mut sheets: Vec<Vec<Row<'_>>> = Vec::new();
        let mut positions: HashMap<Key, usize> = HashMap::new();
        for row in images.rows() {
            let position = *positions.entry(group.key(row)).or_insert_with(|| {
                sheets.push(Vec::new());
                sheets.len() - 1
            });
            sheets[position].push(row);
        }
        let schemas = Schemas::from([("images", schema.into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        for (line, images) in (1..).zip(sheets) {
            let class = images[0].find("class").and_then(Value::as_text);
            let file = Value::from(file_name::of(line, class));
            let layout = self.layout(&images, &scores, &pairs)?;
            table.push(group.values(images[0]).into_iter().chain([file, layout]))?;
        }
        Ok(BTreeMap::from([("sheets", table.finish())]))
    }

    fn export(&self, _: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        let file = |row: Row<'_>| {
            let layout = row.value("layout")?.clone();
            let revision = Value::Int(i64::from(self.export_revision()));
            let identity = Value::list([revision, layout.clone()]);
            let render = move |blobs: &dyn ccsr_stage::Blobs| sheet::render(&layout, blobs);
            Ok(ExportFile::rendered(row.text("file")?, &identity, render))
        };
        Ok(Some(
            table.rows().map(file).collect::<Result<_, StageError>>()?,
        ))
    }

    fn export_revision(&self) -> u32 {
        EXPORT_REVISION
    }
}

impl StageKind for LayOutSheets {
    const NAME: &'static str = "image.grid";
    const SUMMARY: &'static str = "Lays out a contact sheet of each prompt's images.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 2;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("columns", params.columns, &(1..=100), "");
        misfits.add(within("cell", params.cell, &(1..=4096), " pixels"));
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
