//! `eval.witness`: how often the witness is right, about scenes whose truth is known.
//!
//! What `image.truth` says is worth as much as this: the table is for the witness's model card.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schema, Schemas, Source,
    Stage, StageError, StageKind, Table, Unit, Value,
};
use ccsr_world::{DefectKind, Scene};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Fact;
use crate::roles::{Role, Testimony, Witness};
use crate::row_id::described;
use crate::statistics::Share;

/// Parameters of `eval.witness`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// The stage.
pub struct MeasureWitness {
    witness: Role<dyn Witness>,
}

/// What is counted.
#[derive(Default)]
struct Counts {
    facts: [Share; 4],
    /// By fact and the number of the true value.
    values: BTreeMap<(usize, usize), Share>,
    /// Of images with a defect, how many are called defective.
    defects: BTreeMap<DefectKind, Share>,
}

impl Counts {
    fn add(&mut self, scene: &Scene, said: &Testimony) {
        let truth = Fact::of_scene(scene);
        for fact in Fact::ALL {
            let index = fact as usize;
            let is_right = said.likeliest(fact) == truth[index];
            self.facts[index].count(is_right);
            let of_value = self.values.entry((index, truth[index])).or_default();
            of_value.count(is_right);
        }
        let mut defects = scene.defects();
        defects.sort_unstable();
        defects.dedup();
        for defect in defects {
            let of_defect = self.defects.entry(defect).or_default();
            of_defect.count(said.likeliest(Fact::Sound) == 0);
        }
    }
}

/// A schema of shares of what these columns name.
fn schema(names: &[&str]) -> Schema {
    let named = names.iter().map(|name| (*name, ColumnType::Text));
    Share::COLUMNS
        .into_iter()
        .fold(Schema::new(named), |schema, (name, kind)| {
            schema.with(name, kind)
        })
}

impl Stage for MeasureWitness {
    fn identity(&self) -> Value {
        Value::map::<&str>([])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("image", ColumnType::Image), ("scene", ColumnType::Text)];
        vec![InputPort::new("scenes", columns)]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![
            OutputPort::new("facts", schema(&["fact"])),
            OutputPort::new("values", schema(&["fact", "value"])),
        ])
    }

    fn sources(&self) -> Vec<Source> {
        self.witness.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let values = Fact::ALL.iter().map(|fact| fact.values().len());
        let values = values.sum::<usize>() + DefectKind::ALL.len();
        let scenes = rows.get("scenes").copied().unwrap_or(0);
        Bound {
            units: scenes,
            rows: RowCounts::from([("facts", Fact::ALL.len() as u64), ("values", values as u64)]),
        }
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
        let rows = inputs.table("scenes")?.rows();
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
        let mut counts = Counts::default();
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (row, resolved) in inputs.table("scenes")?.rows().zip(resolved) {
            let scene = Scene::from_text(row.text("scene")?)
                .map_err(|error| StageError::input(format!("{}: {error}", described(row))))?;
            counts.add(&scene, &Testimony::read(&resolved.outcome)?);
        }
        let mut facts = Table::builder(schema(&["fact"]));
        let mut values = Table::builder(schema(&["fact", "value"]));
        for (fact, share) in Fact::ALL.iter().zip(counts.facts) {
            facts.push([Value::from(fact.name())].into_iter().chain(share.cells()))?;
        }
        let of_value = |((fact, value), share): ((usize, usize), Share)| {
            let fact = Fact::ALL[fact];
            (fact.name(), fact.values().swap_remove(value), share)
        };
        let of_values = counts.values.into_iter().map(of_value);
        let of_defects = counts.defects.into_iter();
        let of_defects = of_defects.map(|(kind, share)| ("defect", kind.name().to_owned(), share));
        for (fact, value, share) in of_values.chain(of_defects) {
            let named = [Value::from(fact), Value::from(value)];
            values.push(named.into_iter().chain(share.cells()))?;
        }
        Ok(BTreeMap::from([
            ("facts", facts.finish()),
            ("values", values.finish()),
        ]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for MeasureWitness {
    const NAME: &'static str = "eval.witness";
    const SUMMARY: &'static str =
        "Says how often the witness is right about scenes whose truth is known.";
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
