//! `image.draw-boxes`: each image with what was detected in it, to look at.
//!
//! The table says what is on each picture. The pictures themselves are exports: drawn when the file is missing or shows
//! something else, and never kept in the cache.

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::{
    Blobs, Bound, ColumnType, ExportFile, InputPort, Inputs, Misfits, OutputPort,
    PartitionOutcomes, Roles, Row, RowCounts, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file_name;
use crate::range::within;
use crate::roles::Found;
use crate::row_id::{Key, RowId};

mod picture;

/// Bump it when an unchanged layout would look different.
const EXPORT_REVISION: u32 = 1;

/// Parameters of `image.draw-boxes`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Detections below this confidence are not drawn, `0.0..=1.0`.
    pub min_confidence: f64,
    /// Draws the boxes of the image's class only.
    pub only_class: bool,
    /// The most boxes on an image: the surest.
    pub most: u32,
    /// The least width at which an image is shown, in pixels: smaller ones are enlarged by a whole factor.
    pub width: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            min_confidence: 0.25,
            only_class: false,
            most: 20,
            width: 320,
        }
    }
}

/// The stage.
pub struct DrawBoxes {
    params: Params,
}

impl DrawBoxes {
    /// The boxes of each image that are drawn, the surest first.
    fn boxes<'a>(
        &self,
        detections: &'a Table,
        id: &RowId,
    ) -> Result<HashMap<Key, Vec<(f64, Row<'a>)>>, StageError> {
        let mut boxes: HashMap<Key, Vec<(f64, Row<'a>)>> = HashMap::new();
        for row in detections.rows() {
            let confidence = row.float("confidence")?;
            let is_target = row.find("target").and_then(Value::as_bool);
            if confidence >= self.params.min_confidence
                && (!self.params.only_class || is_target == Some(true))
            {
                boxes
                    .entry(id.key(row))
                    .or_default()
                    .push((confidence, row));
            }
        }
        for boxes in boxes.values_mut() {
            boxes.sort_by(|(one, _), (other, _)| other.total_cmp(one));
            boxes.truncate(self.params.most as usize);
        }
        Ok(boxes)
    }

    /// What is on a picture.
    fn layout(&self, image: Row<'_>, boxes: &[(f64, Row<'_>)]) -> Result<Value, StageError> {
        let drawn = boxes.iter().map(|(confidence, row)| {
            let target = row.find("target").cloned().unwrap_or_default();
            let found = Found {
                label: row.text("label")?.to_owned(),
                confidence: *confidence,
                x0: row.float("x0")?,
                y0: row.float("y0")?,
                x1: row.float("x1")?,
                y1: row.float("y1")?,
            };
            Ok(Value::map([
                ("target", target),
                ("found", Value::of(&found)?),
            ]))
        });
        Ok(Value::map([
            ("image", Value::Blob(image.blob("image")?)),
            ("width", Value::Int(i64::from(self.params.width))),
            (
                "boxes",
                Value::list(drawn.collect::<Result<Vec<_>, StageError>>()?),
            ),
        ]))
    }
}

impl Stage for DrawBoxes {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let numbers = Found::NUMBERS.map(|name| (name, ColumnType::Float));
        let mut detected = vec![("label", ColumnType::Text), ("target", ColumnType::Bool)];
        detected.extend(numbers);
        vec![
            InputPort::new("images", [("image", ColumnType::Image)]),
            InputPort::new("detections", detected),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs.get("images").map(|schema| (**schema).clone());
        let images = images.unwrap_or_default();
        RowId::check_matched(&images, inputs, &["detections"])?;
        let schema = RowId::of(&images)
            .schema()
            .with("file", ColumnType::Text)
            .with("boxes", ColumnType::Int)
            .with("layout", ColumnType::Json);
        Ok(vec![OutputPort::new("pictures", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(0, "pictures", rows.get("images").copied().unwrap_or(0))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let (images, detections) = (inputs.table("images")?, inputs.table("detections")?);
        let (schema, found) = (images.schema(), detections.schema());
        let shared = RowId::shared(("images", &schema), ("detections", &found))?;
        let boxes = self.boxes(detections, &shared)?;
        let (id, group) = (RowId::of(&schema), RowId::group_of(&schema));
        let schemas = Schemas::from([("images", schema.into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        // A prompt's number, counted from 1, and how many images of it came before.
        let mut prompts: HashMap<Key, (i64, i64)> = HashMap::new();
        for row in images.rows() {
            let line = prompts.len() as i64 + 1;
            let (line, before) = prompts.entry(group.key(row)).or_insert((line, 0));
            let candidate = row.find("candidate").and_then(Value::as_int);
            let class = row.find("class").and_then(Value::as_text);
            let file = file_name::of_candidate(*line, class, candidate.unwrap_or(*before));
            *before += 1;
            let drawn = boxes.get(&shared.key(row)).map_or(&[][..], Vec::as_slice);
            let cells = [
                Value::from(file),
                Value::Int(drawn.len() as i64),
                self.layout(row, drawn)?,
            ];
            table.push(id.values(row).into_iter().chain(cells))?;
        }
        Ok(BTreeMap::from([("pictures", table.finish())]))
    }

    fn export(&self, _: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        let file = |row: Row<'_>| {
            let layout = row.value("layout")?.clone();
            let revision = Value::Int(i64::from(self.export_revision()));
            let identity = Value::list([revision, layout.clone()]);
            let render = move |blobs: &dyn Blobs| picture::render(&layout, blobs);
            Ok(ExportFile::rendered(row.text("file")?, &identity, render))
        };
        let files = table.rows().map(file);
        Ok(Some(files.collect::<Result<_, StageError>>()?))
    }

    fn export_revision(&self) -> u32 {
        EXPORT_REVISION
    }
}

impl StageKind for DrawBoxes {
    const NAME: &'static str = "image.draw-boxes";
    const SUMMARY: &'static str = "Draws what was detected on each image.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("min_confidence", params.min_confidence, &(0.0..=1.0), "");
        misfits.add(within("most", params.most, &(1..=300), ""));
        misfits.add(within("width", params.width, &(1..=4096), " pixels"));
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
