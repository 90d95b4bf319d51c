//! Training of whole networks, from nothing or from what another training left: one chain, whatever is trained.
//!
//! A [`Recipe`] says which tables it learns from, what is to be prepared once (a tokenizer), and which [`Learner`] follows:
//! its numbers to begin with, the gradient of a step, and the files that numbers become. [`Train`] makes a stage of it:
//! a unit that prepares, then a chain of units of `checkpoint_every` steps, each of which starts from the checkpoint
//! before, then one that writes the files. So more steps train on, and a run that was killed resumes at its last
//! checkpoint. What is drawn in a step depends on the seed and the step's number alone.

mod chain;
mod examples;
mod model_table;
mod params;
mod step;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ccsr_nn::{Parameter, Row};
use ccsr_stage::{
    Batch, Blobs, Bound, ColumnType, Environment, ExportFile, InputPort, Inputs, Misfits, Outcome,
    OutputPort, Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schema,
    Schemas, Stage, StageError, StageKind, Table, Unit, Value,
};
use ccsr_training::Gradient;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::chain::Workshop;
pub(crate) use self::chain::unread;
#[cfg(test)]
pub(crate) use self::examples::listed;
pub(crate) use self::examples::{Pictures, examples, list};
pub(crate) use self::model_table::{
    LaidOut, model_port, model_value, part, put_network, put_parts,
};
pub(crate) use self::params::Training;
pub(crate) use self::step::{Step, below, source};
use crate::cores::StepParts;

/// The columns of a `model` table: a file of its folder a row.
pub(crate) const MODEL: [(&str, ColumnType); 2] =
    [("file", ColumnType::Text), ("content", ColumnType::Blob)];
/// The port of a model to go on from.
pub(crate) const INITIAL: &str = "initial";
/// The columns of a step's row.
const METRICS: [(&str, ColumnType); 4] = [
    ("step", ColumnType::Int),
    ("loss", ColumnType::Float),
    ("learning_rate", ColumnType::Float),
    ("gradient_norm", ColumnType::Float),
];

/// What a kind of training adds to the chain. It is what the stage's `with:` says.
pub(crate) trait Recipe:
    DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static
{
    /// Name in `uses:`.
    const NAME: &'static str;
    /// One sentence for `ccsr-flow stages`.
    const SUMMARY: &'static str;
    /// Bump it when the same steps lead elsewhere.
    const REVISION: u32;

    /// Whether training can go on from a model that is there: the optional port [`INITIAL`].
    const GOES_ON: bool = true;

    /// What [`prepare`](Self::prepare) works out that a model to go on from has already, file by file, since its numbers fit
    /// nothing else: its vocabulary.
    const KEPT: &'static [&'static str] = &[];

    /// What is trained.
    type Learner: Learner;

    /// What all trainings have.
    fn training(&self) -> &Training;

    /// What of the parameters does not fit.
    fn misfits(&self) -> Misfits;

    /// The tables it learns from.
    fn inputs(&self) -> Vec<InputPort>;

    /// All that training reads of the tables: rows of examples, models to begin with. It is kept once, as a blob, and
    /// keys hold its digest.
    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError>;

    /// What [`prepare`](Self::prepare) reads of the parameters, so that another value prepares anew; all else prepares
    /// nothing again.
    fn preparation(&self) -> Value {
        Value::Null
    }

    /// What is worked out once, before the first step, from the material. Blobs go into `outcome`, and the answer names
    /// them.
    fn prepare(
        &self,
        material: &Value,
        blobs: &dyn Blobs,
        device: &burn::prelude::Device,
        outcome: &mut Outcome,
    ) -> Result<Value, StageError> {
        let _ = (material, blobs, device, outcome);
        Ok(Value::Null)
    }

    /// What is to be trained, on a device without graphs. `prepared` is what [`prepare`](Self::prepare) answered.
    fn learner(
        &self,
        material: &Value,
        prepared: &Value,
        blobs: &dyn Blobs,
        device: &burn::prelude::Device,
    ) -> Result<Self::Learner, StageError>;
}

/// A network that is trained, with what it learns from.
pub(crate) trait Learner: Send + Sync + 'static {
    /// All that a step looks at.
    type Drawn: Sync;

    /// What the names have of its first layers and last ones, and of tables, in which a row is looked up: Muon is not for
    /// these.
    const OUTER: &'static [&'static str];

    /// The network's numbers.
    fn row(&self) -> &Row;

    /// The numbers to begin with.
    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError>;

    /// The same with those of a model, as [`files`](Self::files) wrote it: what is in none of its files stays as it was.
    fn put(
        &self,
        numbers: &mut [f32],
        folder: &Path,
        device: &burn::prelude::Device,
    ) -> Result<(), StageError> {
        let _ = (numbers, folder, device);
        Err(StageError::failed("this training begins from nothing"))
    }

    /// What is drawn by chance for a step.
    fn draw(&self, step: &Step) -> Result<Self::Drawn, StageError>;

    /// The loss at these numbers of a step, and its gradient, of examples that may be computed apart.
    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &Self::Drawn,
        examples: &StepParts<'_>,
    ) -> Result<Gradient, StageError>;

    /// What a parameter's numbers get of the learning rate: 1, all of it, as a rule.
    fn share_of_rate(&self, parameter: &Parameter) -> f64 {
        let _ = parameter;
        1.0
    }

    /// What is done to the numbers after each step, and to their average: bounds that they keep.
    fn bound(&self, numbers: &mut [f32]) {
        let _ = numbers;
    }

    /// The files of the network with these numbers, by their paths in its folder. Blobs that are there already are named
    /// by digest.
    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError>;
}

/// A file of a model.
pub(crate) enum File {
    Bytes(Vec<u8>),
    Blob(ccsr_stage::Digest),
}

impl From<Vec<u8>> for File {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&serde_json::Value> for File {
    /// A configuration.
    fn from(json: &serde_json::Value) -> Self {
        let mut text = serde_json::to_string_pretty(json).expect("JSON is text");
        text.push('\n');
        Self::Bytes(text.into_bytes())
    }
}

/// The stage of a recipe.
pub(crate) struct Train<R>(R);

impl<R: Recipe> Stage for Train<R> {
    fn identity(&self) -> Value {
        crate::identity_of(&self.0)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports = self.0.inputs();
        if R::GOES_ON {
            ports.push(model_port(INITIAL).optional());
        }
        ports
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![
            OutputPort::new("model", Schema::new(MODEL)),
            OutputPort::new("metrics", Schema::new(METRICS)),
        ])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let training = self.0.training();
        let mut bound = Bound::new(training.segments() + 2, "metrics", training.steps.into());
        bound.rows.insert("model", MOST_FILES);
        bound
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let unit = chain::next(&self.0, inputs, so_far)?;
        Ok(unit.into_iter().collect())
    }

    /// A chain has no two units at a time.
    fn batch(&self) -> usize {
        1
    }

    fn resource_identity(&self, resource: &str) -> Value {
        Value::list([Value::from(resource), self.identity()])
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        Ok(Arc::new(Workshop::<R::Learner>::new(device)))
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let execute = |unit: &Arc<Unit>| {
            let workshop = batch.resource::<Workshop<R::Learner>>()?;
            workshop.execute(&self.0, unit, batch)
        };
        batch.units.iter().map(execute).collect()
    }

    fn collect(
        &self,
        _: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut metrics = Table::builder(Schema::new(METRICS));
        let mut model = Table::builder(Schema::new(MODEL));
        for done in outcomes.iter().flat_map(|partition| &partition.resolved) {
            let list = |name| done.outcome.get(name).and_then(Value::as_list);
            for step in list("metrics").into_iter().flatten() {
                let numbers = step.as_list().ok_or_else(|| unread("metrics"))?;
                metrics.push(numbers.iter().cloned())?;
            }
            for file in list("files").into_iter().flatten() {
                let file = file.as_list().ok_or_else(|| unread("files"))?;
                model.push(file.iter().cloned())?;
            }
        }
        Ok(BTreeMap::from([
            ("model", model.finish()),
            ("metrics", metrics.finish()),
        ]))
    }

    fn export(&self, port: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        if port == "metrics" {
            return crate::train_lora::metrics(table).map(Some);
        }
        let file = |row: ccsr_stage::Row<'_>| {
            Ok(ExportFile::blob(row.text("file")?, row.blob("content")?))
        };
        table.rows().map(file).collect::<Result<_, _>>().map(Some)
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let number = |name: &str| unit.input.get(name).and_then(Value::as_int);
        Some(match (number("first_step"), number("end_step")) {
            (Some(first), Some(end)) => format!("training, steps {} to {end}", first + 1),
            _ if unit.input.get("state").is_some() => "writing the model".to_owned(),
            _ => "preparing the training".to_owned(),
        })
    }
}

impl<R: Recipe> StageKind for Train<R> {
    const NAME: &'static str = R::NAME;
    const SUMMARY: &'static str = R::SUMMARY;
    const REVISION: u32 = R::REVISION;
    const TABLE_REVISION: u32 = 1;
    type Params = R;

    fn new(params: R, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = params.training().misfits().below("training");
        misfits.add(params.misfits());
        misfits.check()?;
        Ok(Self(params))
    }
}

/// More files than any model has.
const MOST_FILES: u64 = 64;
