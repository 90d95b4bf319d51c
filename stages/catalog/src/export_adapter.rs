//! `adapter.export`: LoRA adapters as files that other programs load.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_nn::AdapterFormat;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Bound, InputPort, Inputs, Misfits, Outcome, OutputPort, Partition, PartitionOutcomes,
    Resolved, Roles, Row, RowCounts, Schemas, Source, Stage, StageError, StageKind, Table, Unit,
    Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter_input::AdapterInput;
use crate::failed;

/// Parameters of `adapter.export`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// For whom: `diffusers` (`pytorch_lora_weights.safetensors`), `peft` (`adapter_config.json` and
    /// `adapter_model.safetensors`) or `kohya` (`lora.safetensors`, which web interfaces load, too).
    pub format: Format,
    /// The folder of an adapter of any of the three, where none comes from a table.
    pub adapter: Option<FolderPath>,
}

/// Who loads the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Hugging Face diffusers.
    #[default]
    Diffusers,
    /// Hugging Face PEFT.
    Peft,
    /// kohya's scripts.
    Kohya,
}

impl Format {
    const fn of_files(self) -> AdapterFormat {
        match self {
            Self::Diffusers => AdapterFormat::Diffusers,
            Self::Peft => AdapterFormat::Peft,
            Self::Kohya => AdapterFormat::Kohya,
        }
    }
}

/// The stage.
pub struct ExportAdapter {
    format: Format,
    adapter: AdapterInput,
}

/// The folder of one adapter of several: by its epoch, or by its row.
fn folder(row: Row<'_>) -> String {
    match row.find("epoch").and_then(Value::as_int) {
        Some(epoch) => format!("epoch-{epoch:04}/"),
        None => format!("{:04}/", row.index() + 1),
    }
}

impl Stage for ExportAdapter {
    /// Without the folder's path: its files are among the sources.
    fn identity(&self) -> Value {
        Value::map([("format", crate::identity_of(&self.format))])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![AdapterInput::port()]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        self.adapter.check(inputs)?;
        Ok(vec![OutputPort::new("files", AdapterInput::files())])
    }

    fn sources(&self) -> Vec<Source> {
        self.adapter.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        // Of PEFT's, at most two files for each of two networks.
        let adapters = rows.get("adapter").copied().unwrap_or(1);
        Bound::new(adapters, "files", adapters.saturating_mul(4))
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
        let unit = |(_, adapter): (Option<Row<'_>>, Value)| {
            let format = crate::identity_of(&self.format);
            Unit::new(Value::map([("adapter", adapter), ("format", format)]))
        };
        Ok(self.adapter.all(inputs)?.into_iter().map(unit).collect())
    }

    fn batch(&self) -> usize {
        1
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let written = |unit: &Arc<Unit>| {
            let adapter = unit.input.get("adapter").unwrap_or(&Value::Null);
            let adapter = self.adapter.open(adapter, batch.blobs)?;
            let mut outcome = Outcome::default();
            let mut files = Vec::new();
            for (file, bytes) in adapter.files(self.format.of_files()).map_err(failed)? {
                files.push((file, Value::Blob(outcome.add_blob(bytes))));
            }
            Ok(outcome.with_value(Value::map(files)))
        };
        batch.units.iter().map(written).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut table = Table::builder(AdapterInput::files());
        let adapters = self.adapter.all(inputs)?;
        let alone = adapters.len() == 1;
        let outcomes = outcomes.iter().flat_map(|partition| &partition.resolved);
        for ((row, _), resolved) in adapters.into_iter().zip(outcomes) {
            let below = row.filter(|_| !alone).map_or_else(String::new, folder);
            if let Value::Map(files) = &resolved.outcome {
                for (file, blob) in files.iter() {
                    table.push([Value::from(format!("{below}{file}")), blob.clone()])?;
                }
            }
        }
        Ok(BTreeMap::from([("files", table.finish())]))
    }
}

impl StageKind for ExportAdapter {
    const NAME: &'static str = "adapter.export";
    const SUMMARY: &'static str = "Writes LoRA adapters for diffusers, PEFT or kohya's scripts.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        Ok(Self {
            format: params.format,
            adapter: AdapterInput::new(params.adapter)?,
        })
    }
}

#[cfg(test)]
mod tests;
