//! `eval.retrieval`: how often the scorer finds an image's caption among others, and a caption's image.
//!
//! What is measured of CLIPs since the first. Captions are to be right and about all that is to be seen: a vague one fits
//! several images. Rows are taken in their order, so many together, and a unit is one such lot; what is left over after the
//! last is not looked at, since the fewer there are, the easier it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, Row, RowCounts, Schema, Schemas,
    Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::roles::{Role, Scorer};
use crate::statistics::Share;

/// Parameters of `eval.retrieval`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Among how many the right one is to be found, from 2 to 10,000.
    pub among: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { among: 100 }
    }
}

/// The stage.
pub struct MeasureRetrieval {
    among: usize,
    scorer: Role<dyn Scorer>,
}

/// Rows that are told apart.
struct Lot<'a>(Vec<Row<'a>>);

impl Lot<'_> {
    fn texts(&self) -> Result<Vec<&str>, StageError> {
        self.0.iter().map(|row| Ok(row.text("prompt")?)).collect()
    }

    fn images(&self) -> Result<Vec<ccsr_stage::Digest>, StageError> {
        self.0.iter().map(|row| Ok(row.blob("image")?)).collect()
    }
}

/// Whether the score at a place is the best. Others of the same thing are no rivals; all others are, be they equal.
fn is_best<T: PartialEq>(scores: &[f64], things: &[T], place: usize) -> bool {
    let own = scores[place];
    let mut rivals = scores.iter().zip(things);
    rivals.all(|(score, thing)| *thing == things[place] || own > *score)
}

impl MeasureRetrieval {
    fn lots<'a>(&self, images: &'a Table) -> Result<Vec<Lot<'a>>, StageError> {
        let rows: Vec<Row<'a>> = images.rows().collect();
        if rows.len() < self.among {
            return Err(StageError::input(format!(
                "there are {} images; expected {} at least, or a smaller `among`",
                rows.len(),
                self.among
            )));
        }
        Ok(rows
            .chunks_exact(self.among)
            .map(|rows| Lot(rows.to_vec()))
            .collect())
    }
}

impl Stage for MeasureRetrieval {
    fn identity(&self) -> Value {
        Value::map([("among", Value::Int(self.among as i64))])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("image", ColumnType::Image), ("prompt", ColumnType::Text)];
        vec![InputPort::new("images", columns)]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let found = [("found", ColumnType::Text), ("among", ColumnType::Int)];
        let schema = Schema::new(found.into_iter().chain(Share::COLUMNS));
        Ok(vec![OutputPort::new("retrieval", schema)])
    }

    fn sources(&self) -> Vec<Source> {
        self.scorer.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        Bound::new(images / self.among as u64, "retrieval", 2)
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
        let model = self.scorer.object.model(inputs)?;
        let lots = self.lots(inputs.table("images")?)?;
        let unit = |(number, lot): (usize, &Lot<'_>)| {
            let images = lot.images()?.into_iter().map(Value::Blob);
            let texts = lot.texts()?.into_iter().map(Value::from);
            let reads = vec![
                ("images", Value::list(images)),
                ("texts", Value::list(texts)),
                ("model", model.clone()),
            ];
            let first = number * self.among + 1;
            let hint = format!("rows {first} to {}", first + self.among - 1);
            Ok(self
                .scorer
                .unit("scorer", reads)
                .with_hint(Value::from(hint)))
        };
        lots.iter().enumerate().map(unit).collect()
    }

    /// Each is many images already.
    fn batch(&self) -> usize {
        1
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.scorer.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.scorer.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |cosines: Vec<Vec<f64>>| {
            if let Some(cosine) = cosines.iter().flatten().find(|cosine| !cosine.is_finite()) {
                return Err(StageError::failed(format!(
                    "the model's cosine is {cosine}: its weights, or what it computes, are no numbers"
                )));
            }
            let rows = cosines.into_iter();
            let rows = rows.map(|row| Value::list(row.into_iter().map(Value::Float)));
            Ok(Outcome::of(Value::list(rows)))
        };
        let compared = self.scorer.object.compare(batch).into_iter();
        compared.map(|cosines| cosines.and_then(outcome)).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let (mut captions, mut pictures) = (Share::default(), Share::default());
        let lots = self.lots(inputs.table("images")?)?;
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (lot, resolved) in lots.iter().zip(resolved) {
            let cosines: Vec<Vec<f64>> = resolved.outcome.read()?;
            let (texts, images) = (lot.texts()?, lot.images()?);
            for (place, of_image) in cosines.iter().enumerate() {
                captions.count(is_best(of_image, &texts, place));
                let of_text: Vec<f64> = cosines.iter().map(|row| row[place]).collect();
                pictures.count(is_best(&of_text, &images, place));
            }
        }
        let mut table = Table::builder(self.outputs(&Schemas::new())?.remove(0).schema);
        for (found, share) in [("caption", captions), ("image", pictures)] {
            let head = [Value::from(found), Value::Int(self.among as i64)];
            table.push(head.into_iter().chain(share.cells()))?;
        }
        Ok(BTreeMap::from([("retrieval", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for MeasureRetrieval {
    const NAME: &'static str = "eval.retrieval";
    const SUMMARY: &'static str =
        "Says how often the scorer finds an image's caption among others, and a caption's image.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["scorer"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        within("among", params.among, &(2..=10_000), "").check()?;
        Ok(Self {
            among: params.among as usize,
            scorer: Role::get(roles, "scorer")?,
        })
    }
}

#[cfg(test)]
mod tests;
