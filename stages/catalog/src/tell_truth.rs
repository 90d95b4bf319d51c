//! `image.truth`: whether each image shows what its prompt asks for, and without defect, as an independent witness sees it.
//!
//! A unit is an image: what its prompt asks for is compared when the table is made, so another prompt looks at nothing
//! again. A witness is trained on rendered scenes alone and asked by no stage that tunes a model: what it says is what
//! "better" can be held against. What a prompt leaves open is right whatever it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schemas, Source, Stage,
    StageError, StageKind, Table, Unit, Value,
};
use ccsr_world::Wish;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Fact;
use crate::named_column::taken_column;
use crate::roles::{Role, Testimony, Witness};
use crate::world::rounded;

/// The columns that are added to the images' table.
const COLUMNS: [(&str, ColumnType); 13] = [
    ("is_sound", ColumnType::Bool),
    ("class_right", ColumnType::Bool),
    ("count_right", ColumnType::Bool),
    ("colour_right", ColumnType::Bool),
    ("is_right", ColumnType::Bool),
    ("sound", ColumnType::Float),
    ("class_fits", ColumnType::Float),
    ("count_fits", ColumnType::Float),
    ("colour_fits", ColumnType::Float),
    ("truth", ColumnType::Float),
    ("seen_class", ColumnType::Text),
    ("seen_count", ColumnType::Int),
    ("seen_colour", ColumnType::Text),
];

/// Parameters of `image.truth`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// The stage.
pub struct TellTruth {
    witness: Role<dyn Witness>,
}

/// What stands in the columns of an image with this prompt.
fn cells(said: &Testimony, prompt: &str) -> Vec<Value> {
    let wanted = Fact::of_wish(&Wish::parse(prompt));
    let right = Fact::ALL.map(|fact| {
        let wanted = wanted[fact as usize];
        wanted.is_none_or(|wanted| wanted == said.likeliest(fact))
    });
    let fits = Fact::ALL.map(|fact| {
        let wanted = wanted[fact as usize];
        wanted.map_or(1.0, |wanted| said.share(fact, wanted))
    });
    let [class, count, colour, sound] = right.map(Value::Bool);
    let mut cells = vec![sound, class, count, colour];
    cells.push(Value::Bool(right.iter().all(|right| *right)));
    let [class, count, colour, sound] = fits.map(Value::Float);
    cells.extend([sound, class, count, colour]);
    cells.push(Value::Float(rounded(fits.iter().product())));
    let seen = |fact: Fact| fact.values().swap_remove(said.likeliest(fact));
    cells.extend([
        Value::from(seen(Fact::Class)),
        Value::Int(said.likeliest(Fact::Count) as i64),
        Value::from(seen(Fact::Colour)),
    ]);
    cells
}

impl Stage for TellTruth {
    fn identity(&self) -> Value {
        Value::map::<&str>([])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("image", ColumnType::Image), ("prompt", ColumnType::Text)];
        vec![InputPort::new("images", columns)]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs.get("images").map(|schema| (**schema).clone());
        let mut schema = images.unwrap_or_default();
        for (name, kind) in COLUMNS {
            if schema.get(name).is_some() {
                return Err(taken_column("images", name));
            }
            schema = schema.with(name, kind);
        }
        Ok(vec![OutputPort::new("truth", schema)])
    }

    fn sources(&self) -> Vec<Source> {
        self.witness.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        Bound::new(images, "truth", images)
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
        let model = self.witness.object.model(inputs)?;
        let rows = inputs.table("images")?.rows();
        rows.map(|row| self.witness.look_at(row, &model)).collect()
    }

    fn batch(&self) -> usize {
        self.witness.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.witness.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.witness.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        self.witness.testify(batch)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table("images")?;
        let schemas = Schemas::from([("images", images.schema().into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (row, resolved) in images.rows().zip(resolved) {
            let said = Testimony::read(&resolved.outcome)?;
            let cells = cells(&said, row.text("prompt")?);
            table.push(row.values().cloned().chain(cells))?;
        }
        Ok(BTreeMap::from([("truth", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for TellTruth {
    const NAME: &'static str = "image.truth";
    const SUMMARY: &'static str = "Says whether each image is without defect and as its prompt asks, by an independent witness.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["witness"];
    type Params = Params;

    fn new(_: Params, roles: &Roles) -> Result<Self, Misfits> {
        Ok(Self {
            witness: Role::get(roles, "witness")?,
        })
    }
}

#[cfg(test)]
mod tests;
