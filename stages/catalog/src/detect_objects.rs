//! `image.detect`: where in an image the words of a vocabulary are seen, and how surely.
//!
//! Everything from a low floor upwards is kept. The threshold lives in `select.pairs`, so changing
//! it looks at no image again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, Row, RowCounts, Schemas, Source,
    Stage, StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::roles::{Detector, Found, Role};
use crate::row_id::{RowId, described, same_word};
use crate::template::{self, Piece};

/// The most detections kept for an image: the surest.
const MOST: usize = 300;
/// The word that is there for the others' sake; what is taken for it is not kept.
const PAD: &str = " ";

/// Parameters of `image.detect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// What to look for; `{class}` stands for the image's. Finds of an entry with `{class}` in it,
    /// or, if there is none, of the class itself, are marked as its `target`.
    pub vocabulary: Vec<String>,
    /// Puts a blank word beside the vocabulary, which raises the confidences of detectors that
    /// compare words with each other.
    pub pad_class: bool,
    /// Detections below this confidence are not kept, `0.0..=1.0`.
    pub floor: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            vocabulary: vec!["{class}".to_owned()],
            pad_class: false,
            floor: 0.01,
        }
    }
}

/// The stage.
pub struct DetectObjects {
    params: Params,
    detector: Role<dyn Detector>,
}

/// Whether an entry of the vocabulary has `{class}` in it.
fn names_class(word: &str) -> bool {
    let pieces = template::pieces(word).unwrap_or_default();
    pieces.iter().any(|piece| matches!(piece, Piece::Slot(_)))
}

impl DetectObjects {
    /// What is looked for in a row's image, by entry of the vocabulary.
    fn words(&self, row: Row<'_>) -> Result<Vec<String>, StageError> {
        let vocabulary = self.params.vocabulary.iter();
        vocabulary
            .map(|word| template::render(word, |_| Ok(row.text("class")?)))
            .collect()
    }

    /// Those of the words that stand for the row's class: made of it, or, where none is, equal to
    /// it. All do, if the images have no class. None: the class is not looked for.
    fn targets(&self, row: Row<'_>) -> Result<Vec<String>, StageError> {
        let mut words = self.words(row)?;
        let Some(class) = row.find("class").and_then(Value::as_text) else {
            return Ok(words);
        };
        if self.params.vocabulary.iter().any(|word| names_class(word)) {
            let mut entries = self.params.vocabulary.iter();
            words.retain(|_| entries.next().is_some_and(|entry| names_class(entry)));
        } else {
            words.retain(|word| same_word(word, class));
        }
        Ok(words)
    }
}

impl Stage for DetectObjects {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut columns = vec![("image", ColumnType::Image)];
        if self.params.vocabulary.iter().any(|word| names_class(word)) {
            columns.push(("class", ColumnType::Text));
        }
        columns.extend(self.detector.object.columns());
        vec![InputPort::new("images", columns)]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs
            .get("images")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        let mut schema = RowId::of(&images)
            .schema()
            .with("label", ColumnType::Text)
            .with("target", ColumnType::Bool);
        for name in Found::NUMBERS {
            schema = schema.with(name, ColumnType::Float);
        }
        Ok(vec![OutputPort::new("detections", schema)])
    }

    fn sources(&self) -> Vec<Source> {
        self.detector.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        Bound::new(images, "detections", images.saturating_mul(MOST as u64))
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.detector.object.model(inputs)?;
        let mut units = Vec::new();
        for row in inputs.table("images")?.rows() {
            let words = self.words(row)?.into_iter();
            let mut words: Vec<Value> = words.map(Value::from).collect();
            if self.params.pad_class {
                words.push(Value::from(PAD));
            }
            let mut reads = self.detector.object.input(row, &model)?;
            reads.push(("image", Value::Blob(row.blob("image")?)));
            reads.push(("vocabulary", Value::list(words)));
            reads.push(("floor", Value::Float(self.params.floor)));
            let unit = self.detector.unit("detector", reads);
            units.push(unit.with_hint(Value::from(described(row))));
        }
        Ok(units)
    }

    fn batch(&self) -> usize {
        self.detector.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.detector.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.detector.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |mut found: Vec<Found>| {
            found.retain(|found| found.confidence >= self.params.floor);
            if self.params.pad_class {
                found.retain(|found| found.label != PAD);
            }
            found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            found.truncate(MOST);
            Ok(Outcome::of(Value::of(&found)?))
        };
        let found = self.detector.object.detect(batch);
        found
            .into_iter()
            .map(|found| found.and_then(outcome))
            .collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table("images")?;
        let id = RowId::of(&images.schema());
        let schemas = Schemas::from([("images", images.schema().into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (row, resolved) in images.rows().zip(resolved) {
            let targets = self.targets(row)?;
            let target = |label: &str| {
                let of_class = targets.iter().any(|target| same_word(target, label));
                Value::from((!targets.is_empty()).then_some(of_class))
            };
            for found in resolved.outcome.read::<Vec<Found>>()? {
                let Found {
                    label,
                    confidence,
                    x0,
                    y0,
                    x1,
                    y1,
                } = found;
                let numbers = [confidence, x0, y0, x1, y1].map(Value::Float);
                let words = [Value::from(label.as_str()), target(&label)];
                table.push(id.values(row).into_iter().chain(words).chain(numbers))?;
            }
        }
        Ok(BTreeMap::from([("detections", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for DetectObjects {
    const NAME: &'static str = "image.detect";
    const SUMMARY: &'static str = "Finds what the class names in each image.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["detector"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("floor", params.floor, &(0.0..=1.0), "");
        if params.vocabulary.is_empty() {
            let message = "`vocabulary` is empty; expected at least one word";
            misfits.add(Misfit::new(["vocabulary"], message));
        }
        for (index, word) in params.vocabulary.iter().enumerate() {
            if let Err(message) = template::check(word, &["class"]) {
                misfits.add(Misfit::new(["vocabulary", &index.to_string()], message));
            }
        }
        misfits.check()?;
        Ok(Self {
            params,
            detector: Role::get(roles, "detector")?,
        })
    }
}

#[cfg(test)]
mod tests;
