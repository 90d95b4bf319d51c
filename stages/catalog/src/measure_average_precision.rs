//! `eval.average-precision`: how good a detector is on pictures whose boxes are known.
//!
//! Pure: detections were stored from a low floor upwards, which is what the curve needs. It is the area under the curve of
//! precision over recall, each precision the best at that recall or a greater one (Everingham et al., 2010, as of VOC
//! 2010).

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::{
    Bound, ColumnType, Digest, InputPort, Inputs, Misfits, OutputPort, PartitionOutcomes, Roles,
    Row, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::world::rounded;

/// The columns of what was measured.
const COLUMNS: [(&str, ColumnType); 4] = [
    ("label", ColumnType::Text),
    ("boxes", ColumnType::Int),
    ("detections", ColumnType::Int),
    ("average_precision", ColumnType::Float),
];
/// More labels than anybody looks for.
const MOST_LABELS: u64 = 100_000;

/// Parameters of `eval.average-precision`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Which part of the union of both the intersection of a detection with a true box is at least, `0.0..=1.0`.
    pub overlap: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { overlap: 0.5 }
    }
}

/// The stage.
pub struct MeasureAveragePrecision {
    params: Params,
}

/// Left, top, right and bottom.
type Bounds = [f64; 4];

/// What is known of a label.
#[derive(Default)]
struct Label {
    /// True boxes, by image.
    truth: HashMap<Digest, Vec<Bounds>>,
    boxes: usize,
    /// Image, confidence and box.
    detections: Vec<(Digest, f64, Bounds)>,
}

impl Label {
    /// The average precision; none if there are no boxes.
    fn average_precision(&mut self, overlap: f64) -> Option<f64> {
        let (truth, detections) = (&mut self.truth, &mut self.detections);
        detections.sort_by(|(_, one, _), (_, other, _)| other.total_cmp(one));
        let mut curve = Vec::with_capacity(detections.len());
        let mut right = 0_usize;
        for (number, (image, _, found)) in detections.iter().enumerate() {
            let left = truth.get_mut(image);
            let is_right = left.is_some_and(|left| {
                let overlaps = left.iter().map(|bounds| share(found, bounds));
                let best = overlaps
                    .enumerate()
                    .max_by(|(_, one), (_, other)| one.total_cmp(other));
                let best = best.filter(|(_, share)| *share >= overlap);
                best.map(|(index, _)| left.swap_remove(index)).is_some()
            });
            right += usize::from(is_right);
            curve.push((right, right as f64 / (number + 1) as f64));
        }
        let (mut area, mut best, mut recalled) = (0.0, 0.0_f64, right);
        for (right, precision) in curve.into_iter().rev() {
            area += (recalled - right) as f64 * best;
            (best, recalled) = (best.max(precision), right);
        }
        area += recalled as f64 * best;
        (self.boxes > 0).then(|| area / self.boxes as f64)
    }
}

/// Intersection over union.
fn share(one: &Bounds, other: &Bounds) -> f64 {
    let area = |of: &Bounds| (of[2] - of[0]).max(0.0) * (of[3] - of[1]).max(0.0);
    let both = area(&[
        one[0].max(other[0]),
        one[1].max(other[1]),
        one[2].min(other[2]),
        one[3].min(other[3]),
    ]);
    let union = area(one) + area(other) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

fn bounds(row: Row<'_>) -> Result<Bounds, StageError> {
    Ok([
        row.float("x0")?,
        row.float("y0")?,
        row.float("x1")?,
        row.float("y1")?,
    ])
}

fn boxed() -> Vec<(&'static str, ColumnType)> {
    let mut columns = vec![("image", ColumnType::Image), ("label", ColumnType::Text)];
    columns.extend(["x0", "y0", "x1", "y1"].map(|edge| (edge, ColumnType::Float)));
    columns
}

impl Stage for MeasureAveragePrecision {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut detected = boxed();
        detected.push(("confidence", ColumnType::Float));
        vec![
            InputPort::new("detections", detected),
            InputPort::new("boxes", boxed()),
        ]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("labels", Schema::new(COLUMNS))])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let boxes = rows.get("boxes").copied().unwrap_or(0);
        Bound::new(0, "labels", boxes.min(MOST_LABELS) + 1)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut labels: BTreeMap<String, Label> = BTreeMap::new();
        for row in inputs.table("boxes")?.rows() {
            let label = labels.entry(row.text("label")?.to_owned()).or_default();
            let of_image = label.truth.entry(row.blob("image")?).or_default();
            of_image.push(bounds(row)?);
            label.boxes += 1;
        }
        for row in inputs.table("detections")?.rows() {
            // What nothing shows cannot be measured.
            if let Some(label) = labels.get_mut(row.text("label")?) {
                let (image, confidence) = (row.blob("image")?, row.float("confidence")?);
                label.detections.push((image, confidence, bounds(row)?));
            }
        }
        let mut table = Table::builder(Schema::new(COLUMNS));
        let (mut sum, mut measured, mut boxes, mut found) = (0.0, 0_usize, 0, 0);
        for (name, label) in &mut labels {
            let precision = label.average_precision(self.params.overlap);
            let counts = [label.boxes, label.detections.len()];
            let counted = counts.map(|count| Value::Int(count as i64));
            let precision_cell = Value::from(precision.map(|area| Value::Float(rounded(area))));
            let head = [Value::from(name.as_str())];
            table.push(head.into_iter().chain(counted).chain([precision_cell]))?;
            sum += precision.unwrap_or_default();
            measured += usize::from(precision.is_some());
            boxes += counts[0];
            found += counts[1];
        }
        if measured > 1 {
            let mean = Value::Float(rounded(sum / measured as f64));
            let counts = [boxes, found].map(|count| Value::Int(count as i64));
            table.push([Value::Null].into_iter().chain(counts).chain([mean]))?;
        }
        Ok(BTreeMap::from([("labels", table.finish())]))
    }
}

impl StageKind for MeasureAveragePrecision {
    const NAME: &'static str = "eval.average-precision";
    const SUMMARY: &'static str =
        "Measures how good a detector is on images whose boxes are known.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        within("overlap", params.overlap, &(0.0..=1.0), "").check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
