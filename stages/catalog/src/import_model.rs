//! `model.import`: the folder of a model, as the table that trainings take one from.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Bound, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schema, Schemas, Source, Stage, StageError,
    StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pretraining::MODEL;
use crate::source_folder::{Read, names, source, source_file, unit_of};

/// Parameters of `model.import`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The folder, as the hub lays it out: all of its files are taken, hidden ones apart.
    pub path: FolderPath,
}

/// The stage.
pub struct ImportModel {
    params: Params,
    /// How many files were found when the pipeline was checked.
    files: u64,
}

impl Stage for ImportModel {
    fn identity(&self) -> Value {
        Value::Null
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("model", Schema::new(MODEL))])
    }

    fn sources(&self) -> Vec<Source> {
        vec![source(&self.params.path)]
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(self.files, "model", self.files)
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
        Ok(inputs.source("path")?.iter().map(unit_of).collect())
    }

    /// A file at a time, since weights are large.
    fn batch(&self) -> usize {
        1
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let read = |unit: &Arc<Unit>| Ok(Outcome::of_blob(source_file(unit)?.read()?));
        batch.units.iter().map(read).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let read = Read::new(outcomes);
        let mut table = Table::builder(Schema::new(MODEL));
        for file in inputs.source("path")? {
            let missing = || StageError::failed(format!("`{}` was not read", file.name));
            let content = read.get(file).ok_or_else(missing)?;
            table.push([Value::from(file.name.as_str()), content])?;
        }
        Ok(BTreeMap::from([("model", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        Some(unit.hint.get("name")?.as_text()?.to_owned())
    }
}

impl StageKind for ImportModel {
    const NAME: &'static str = "model.import";
    const SUMMARY: &'static str = "Reads the folder of a model, for trainings to begin with.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    /// Looks for the files, so that a wrong folder is known before anything runs.
    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let files = names(&params.path)?;
        if !files.iter().any(|name| name.ends_with(".safetensors")) {
            let display = &params.path.0.display;
            let message = format!("there are no weights (`.safetensors`) below `{display}`");
            return Err(Misfit::new(["path"], message).into());
        }
        let files = files.len() as u64;
        Ok(Self { params, files })
    }
}

#[cfg(test)]
mod tests;
