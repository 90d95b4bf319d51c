//! The questions a stage answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ccsr_cache::{Digest, Value};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Blobs, Environment, ExportFile, InputPort, Limits, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Resource, Roles, Schemas, Site, StageError, Table, Unit,
};

/// A stage, ready to answer: its parameters are read and its roles are bound.
///
/// All methods but [`load`](Self::load) and [`execute`](Self::execute) are pure and cheap. Equal
/// answers to [`identity`](Self::identity), equal input tables, equal sources and an equal seed
/// must lead to equal units and, with equal outcomes, to equal tables.
pub trait Stage: Send + Sync {
    /// The parameters it reads, defaults included. What is not in here, in a table, in a source or
    /// in a role cannot change its result.
    fn identity(&self) -> Value;

    /// Whether its result depends on the pipeline's seed.
    fn seeded(&self) -> bool {
        false
    }

    /// The tables it reads.
    fn inputs(&self) -> Vec<InputPort>;

    /// The tables it writes, given the schemas of those it reads.
    ///
    /// # Errors
    /// [`StageError::Input`] if no table can follow from these schemas or sources.
    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError>;

    /// Files and folders that it reads besides its tables.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// At most how many units and rows will follow from at most this many input rows.
    fn bound(&self, rows: &RowCounts) -> Bound;

    /// The parts whose waves do not wait for each other.
    fn partitions(&self, inputs: &Inputs<'_>) -> Result<Vec<Partition>, StageError> {
        let _ = inputs;
        Ok(vec![Partition::whole()])
    }

    /// The next wave of a partition, given all that its earlier waves gave. Empty: nothing more.
    /// A stage that is a map over rows answers once and then, when `so_far` is not empty, nothing.
    fn units(
        &self,
        inputs: &Inputs<'_>,
        partition: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let _ = (inputs, partition, so_far);
        Ok(Vec::new())
    }

    /// How many units make a good batch.
    fn batch(&self) -> usize {
        256
    }

    /// What distinguishes `resource` from others of the same name; equal identities are shared
    /// between stages, so that one network is loaded once.
    fn resource_identity(&self, resource: &str) -> Value {
        Value::from(resource)
    }

    /// Brings a resource that a unit named into memory.
    fn load(
        &self,
        resource: &str,
        environment: &Environment,
    ) -> Result<Arc<dyn Resource>, StageError> {
        let _ = environment;
        Err(StageError::failed(format!(
            "there is no resource `{resource}` to load"
        )))
    }

    /// Computes the units of a batch; the answer holds one result a unit, in their order.
    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let missing = || Err(StageError::failed("this stage has no work to execute"));
        batch.units.iter().map(|_| missing()).collect()
    }

    /// The output tables, by port, given every outcome.
    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError>;

    /// The files that the table of `port` becomes in a folder. `None` leaves it to the engine,
    /// which writes the rows' blobs.
    fn export(&self, port: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        let _ = (port, table);
        Ok(None)
    }

    /// Bump it when [`export`](Self::export), or what renders its files, writes other bytes for the
    /// same table.
    fn export_revision(&self) -> u32 {
        1
    }

    /// A unit in a person's words, for errors. `None`: its input is shown.
    fn describe(&self, unit: &Unit) -> Option<String> {
        let _ = unit;
        None
    }
}

/// What the author of a stage writes: a name, revisions, parameters and how a [`Stage`] is built
/// from them. Register it with [`Registry::with`](crate::Registry::with).
pub trait StageKind: Stage + Sized + 'static {
    /// Name in `uses:`, `noun.verb`.
    const NAME: &'static str;
    /// One sentence for `ccsr-flow stages`.
    const SUMMARY: &'static str;
    /// Bump it when the outcome of an unchanged unit would change.
    const REVISION: u32;
    /// Bump it when `units` or `collect` answer differently to the same questions.
    const TABLE_REVISION: u32;
    /// The roles it needs of the suite.
    const ROLES: &'static [&'static str] = &[];
    /// The `with:` block: documented, defaulted, unknown fields refused by the reader.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// Builds the stage.
    ///
    /// # Errors
    /// Everything about the parameters that does not fit, each part by the path that leads to it;
    /// a sentence alone, where it is about how they go together.
    fn new(params: Self::Params, roles: &Roles) -> Result<Self, Misfits>;

    /// Builds the stage where it is written. Only a kind that reaches beyond its parameters (one
    /// that starts external programs) answers this one; all others need to know of no place.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    fn new_at(params: Self::Params, roles: &Roles, site: &Site<'_>) -> Result<Self, Misfits> {
        let _ = site;
        Self::new(params, roles)
    }
}

/// A file or folder that a stage reads besides its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The parameter that names it.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// The path as people wrote it.
    pub display: String,
    /// Whether it is a folder, whose files are all looked at.
    pub folder: bool,
}

/// A file found under a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path below the folder, with `/`; the file's name if the source is a file.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Digest of its content.
    pub digest: Digest,
}

impl SourceFile {
    /// Its bytes, which are those that its digest, and so the stage's key, stands for.
    pub fn read(&self) -> Result<Vec<u8>, StageError> {
        let bytes = std::fs::read(&self.path)
            .map_err(|error| StageError::input(format!("cannot read `{}`: {error}", self.name)))?;
        if Digest::of(&bytes) == self.digest {
            Ok(bytes)
        } else {
            Err(StageError::input(format!(
                "`{}` changed while it was read; run again",
                self.name
            )))
        }
    }
}

/// What a stage may look at when it answers.
pub struct Inputs<'a> {
    /// The tables bound to its ports.
    pub tables: &'a BTreeMap<&'static str, Arc<Table>>,
    /// The files of its sources, by source name, sorted by their names.
    pub sources: &'a BTreeMap<&'static str, Vec<SourceFile>>,
    /// The pipeline's seed. Only a stage that is [`seeded`](Stage::seeded) may read it.
    pub seed: u64,
}

impl Inputs<'_> {
    /// The table of a port that is not optional.
    pub fn table(&self, port: &'static str) -> Result<&Arc<Table>, StageError> {
        let missing = || StageError::input(format!("no table is bound to the port `{port}`"));
        self.tables.get(port).ok_or_else(missing)
    }

    /// The files of a source.
    pub fn source(&self, name: &'static str) -> Result<&[SourceFile], StageError> {
        let missing = || StageError::input(format!("no file was found for `{name}`"));
        let files = self.sources.get(name).ok_or_else(missing)?;
        Ok(files)
    }

    /// The bytes of the one file of a source.
    pub fn read_source(&self, name: &'static str) -> Result<Vec<u8>, StageError> {
        match self.source(name)? {
            [file] => file.read(),
            files => Err(StageError::input(format!(
                "one file was expected for `{name}`, {} were found",
                files.len()
            ))),
        }
    }

    /// The bytes of the file `file` of a folder, by its path below the folder.
    pub fn read_source_file(&self, name: &'static str, file: &str) -> Result<Vec<u8>, StageError> {
        let found = self.source(name)?.iter().find(|known| known.name == file);
        let missing = || StageError::input(format!("there is no file `{file}`"));
        found.ok_or_else(missing)?.read()
    }
}

/// Units to execute together, and what they need.
pub struct Batch<'a> {
    /// The units, all naming the same resource.
    pub units: &'a [Arc<Unit>],
    /// The resource they name, loaded.
    pub resource: Option<&'a dyn Resource>,
    /// Input blobs.
    pub blobs: &'a dyn Blobs,
    /// Device and threads.
    pub environment: &'a Environment,
    /// When it has to end.
    pub limits: &'a Limits,
    /// Who is told how far it is, while it is under way.
    pub listener: &'a (dyn Fn(&str) + Sync),
}

impl Batch<'_> {
    /// Says how far the batch is, in a few words: for one that takes long. They are shown and forgotten.
    pub fn tell(&self, words: &str) {
        (self.listener)(words);
    }

    /// The loaded resource as the type that [`Stage::load`] made.
    pub fn resource<T: 'static>(&self) -> Result<&T, StageError> {
        self.resource
            .and_then(|resource| resource.as_any().downcast_ref())
            .ok_or_else(|| StageError::failed("the batch came without its resource"))
    }
}

/// Upper bounds on the rows of a stage's input tables, by port.
pub type RowCounts = BTreeMap<&'static str, u64>;

/// Upper bounds on what a stage will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Units.
    pub units: u64,
    /// Rows of each output table.
    pub rows: RowCounts,
}

impl Bound {
    /// At most this many units, and this many rows on one port.
    pub fn new(units: u64, port: &'static str, rows: u64) -> Self {
        Self {
            units,
            rows: RowCounts::from([(port, rows)]),
        }
    }
}

#[cfg(test)]
mod tests;
