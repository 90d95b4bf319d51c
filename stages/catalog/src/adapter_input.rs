//! Where a stage takes a LoRA adapter from: a folder that its parameters name, or a table.

use std::path::Path;

use ccsr_nn::{ADAPTER_FILE, Adapter, PEFT_CONFIG};
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, Row, Schema, Schemas, Source,
    StageError, Value,
};

use crate::failed;
use crate::model_folder::ModelFolder;

/// The port, its column, and the parameter.
pub(crate) const ADAPTER: &str = "adapter";

/// A folder with an adapter.
///
/// # Errors
/// If there is none in it, by the names of its files.
pub(crate) fn folder_of(folder: FolderPath) -> Result<ModelFolder, Misfits> {
    let folder = ModelFolder::whole(folder, &[ADAPTER]);
    if Adapter::is_in(&folder.path) {
        return Ok(folder);
    }
    let message = format!(
        "`{}` holds no LoRA adapter; expected `{ADAPTER_FILE}` as diffusers writes it, PEFT's `{PEFT_CONFIG}`, or \
         one file of safetensors as kohya's scripts write it",
        folder.display
    );
    Err(Misfit::new([ADAPTER], message).into())
}

/// What a stage that works on adapters reads.
pub(crate) struct AdapterInput(Option<ModelFolder>);

impl AdapterInput {
    /// From this folder, or, if none is named, from the table at the port.
    pub(crate) fn new(folder: Option<FolderPath>) -> Result<Self, Misfits> {
        folder.map(folder_of).transpose().map(Self)
    }

    /// The port.
    pub(crate) fn port() -> InputPort {
        InputPort::new(ADAPTER, [(ADAPTER, ColumnType::Blob)]).optional()
    }

    /// What a stage writes that makes files of adapters: their paths and contents.
    pub(crate) fn files() -> Schema {
        Schema::new([("file", ColumnType::Text), ("blob", ColumnType::Blob)])
    }

    /// That there is an adapter, and only one place that it is taken from.
    pub(crate) fn check(&self, inputs: &Schemas) -> Result<(), StageError> {
        match (&self.0, inputs.contains_key(ADAPTER)) {
            (Some(_), false) | (None, true) => Ok(()),
            (None, false) => Err(StageError::input(
                "there is no adapter; name its folder (`with: {adapter: …}`) or a table (`from: {adapter: …}`)",
            )),
            (Some(folder), true) => Err(StageError::input(format!(
                "there are two adapters, that of the folder `{}` and that of the table; leave one out",
                folder.display
            ))),
        }
    }

    pub(crate) fn sources(&self) -> Vec<Source> {
        self.0.iter().flat_map(ModelFolder::sources).collect()
    }

    /// Each adapter, for keys, with the row of the table that it is from.
    pub(crate) fn all<'a>(
        &self,
        inputs: &'a Inputs<'_>,
    ) -> Result<Vec<(Option<Row<'a>>, Value)>, StageError> {
        if let Some(folder) = &self.0 {
            return Ok(vec![(None, folder.digest(inputs)?)]);
        }
        let rows = inputs.table(ADAPTER)?.rows();
        rows.map(|row| Ok((Some(row), Value::Blob(row.blob(ADAPTER)?))))
            .collect()
    }

    /// The one adapter, for keys.
    pub(crate) fn one(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let mut all = self.all(inputs)?;
        match (all.pop(), all.len()) {
            (Some((_, adapter)), 0) => Ok(adapter),
            (_, before) => Err(StageError::input(format!(
                "one adapter was expected, and the table has {} rows",
                before + usize::from(before > 0)
            ))),
        }
    }

    /// The adapter that a key names.
    pub(crate) fn open(&self, adapter: &Value, blobs: &dyn Blobs) -> Result<Adapter, StageError> {
        match (&self.0, adapter) {
            (Some(folder), _) => Adapter::open(&folder.path).map_err(failed),
            (None, Value::Blob(digest)) => {
                let bytes = blobs.read(digest)?;
                Adapter::from_bytes(Path::new("the table's adapter"), &bytes).map_err(failed)
            }
            (None, _) => Err(StageError::failed("a unit came without its adapter")),
        }
    }
}
