//! Where the stages of a pipeline stand in a cache, without running anything: what each depends on,
//! its units with the outcomes that are known, its tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ccsr_cache::{
    ActionKey, Digest, FileError, ReadError, StageMemo, Store, StoreError, Stored, Value,
};
use ccsr_stage::{StageError, Table, Unit};

use crate::active::ActiveStage;
use crate::diagnostic::with_causes;
use crate::graph::StageId;
use crate::key::{Sources, look_at_sources, stage_key, stage_value};
use crate::pipeline::{Pipeline, StageNode};

/// A unit and what is known about it.
pub(crate) struct ListedUnit {
    pub(crate) key: ActionKey,
    pub(crate) unit: Arc<Unit>,
    /// Its outcome, if the cache has it.
    pub(crate) stored: Option<Stored>,
}

/// How a stage stands.
pub(crate) enum State {
    /// It is recognised as a whole.
    Unchanged(StageMemo),
    /// All its units have outcomes; its tables are not put together yet.
    Collectable { units: u64 },
    /// Units are missing.
    Missing { missing: u64, reused: u64 },
    /// Tables that it reads are not known; the stages that write them.
    Waiting(Vec<StageId>),
    /// It cannot be looked at.
    Broken(String),
}

/// A stage, looked at.
pub(crate) struct Stand {
    /// What it depends on. Tables that are not known are left out.
    pub(crate) value: Value,
    pub(crate) state: State,
    /// Its tables, if they are known.
    pub(crate) tables: Option<BTreeMap<String, Digest>>,
}

/// Looks at stages one after the other, in the order of their work.
pub(crate) struct Survey<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    stands: HashMap<StageId, Stand>,
    tables: HashMap<Digest, Arc<Table>>,
    units: HashMap<StageId, Arc<Vec<ListedUnit>>>,
}

impl<'a> Survey<'a> {
    /// Looks at every stage of the pipeline.
    pub(crate) fn of(pipeline: &'a Pipeline, store: &'a Store) -> Result<Self, StoreError> {
        let mut survey = Self {
            pipeline,
            store,
            stands: HashMap::new(),
            tables: HashMap::new(),
            units: HashMap::new(),
        };
        for id in pipeline.graph.order() {
            let stand = survey.look(*id)?;
            survey.stands.insert(*id, stand);
        }
        Ok(survey)
    }

    pub(crate) fn stand(&self, id: StageId) -> &Stand {
        &self.stands[&id]
    }

    fn look(&mut self, id: StageId) -> Result<Stand, StoreError> {
        let node = self.pipeline.stage(id);
        let (digests, waiting) = self.bound(node);
        let sources = match look_at_sources(self.store, &node.stage.sources()) {
            Ok(sources) => sources,
            Err(FileError::Store(error)) => return Err(error),
            Err(error) => {
                return Ok(Stand {
                    value: stage_value(self.pipeline, node, &digests, &Sources::default()),
                    state: State::Broken(with_causes(&error)),
                    tables: None,
                });
            }
        };
        let value = stage_value(self.pipeline, node, &digests, &sources);
        let stand = |state, tables| Stand {
            value: value.clone(),
            state,
            tables,
        };
        if !waiting.is_empty() {
            return Ok(stand(State::Waiting(waiting), None));
        }
        if let Some(memo) = self.store.stage(&stage_key(&value))?
            && memo.outputs.values().all(|table| self.store.has(table))
        {
            let tables = Some(memo.outputs.clone());
            return Ok(stand(State::Unchanged(memo), tables));
        }
        let (units, active) = match self.follow(id)? {
            Ok(followed) => followed,
            Err(error) => return Ok(stand(State::Broken(error.to_string()), None)),
        };
        let missing = units.iter().filter(|unit| unit.stored.is_none()).count() as u64;
        let units = units.len() as u64;
        if missing > 0 || !active.waves.is_complete() {
            let reused = units - missing;
            return Ok(stand(State::Missing { missing, reused }, None));
        }
        Ok(match active.collect(node) {
            Err(error) => stand(State::Broken(error.to_string()), None),
            Ok(tables) => {
                let mut digests = BTreeMap::new();
                for (port, table) in tables {
                    let digest = table.digest();
                    digests.insert(port.to_owned(), digest);
                    self.tables.insert(digest, Arc::new(table));
                }
                stand(State::Collectable { units }, Some(digests))
            }
        })
    }

    /// The tables that a stage reads, as far as they are known, and who writes the others.
    fn bound(&self, node: &StageNode) -> (BTreeMap<&'static str, Digest>, Vec<StageId>) {
        let (mut digests, mut waiting) = (BTreeMap::new(), Vec::new());
        for (port, binding) in &node.bindings {
            let tables = self.stands[&binding.stage].tables.as_ref();
            match tables.and_then(|tables| tables.get(binding.port)) {
                Some(digest) => {
                    digests.insert(*port, *digest);
                }
                None if !waiting.contains(&binding.stage) => waiting.push(binding.stage),
                None => {}
            }
        }
        (digests, waiting)
    }

    /// The units of a stage with the outcomes that the cache has, wave by wave as far as they are
    /// known; nothing if what it reads is not.
    pub(crate) fn units(
        &mut self,
        id: StageId,
    ) -> Result<Result<Arc<Vec<ListedUnit>>, StageError>, StoreError> {
        if let Some(units) = self.units.get(&id) {
            return Ok(Ok(units.clone()));
        }
        Ok(self.follow(id)?.map(|(units, _)| {
            let units = Arc::new(units);
            self.units.insert(id, units.clone());
            units
        }))
    }

    /// Follows the waves of a stage through the ledger.
    fn follow(
        &mut self,
        id: StageId,
    ) -> Result<Result<(Vec<ListedUnit>, ActiveStage), StageError>, StoreError> {
        let mut active = match self.active(id)? {
            Ok(active) => active,
            Err(error) => return Ok(Err(error)),
        };
        let stage = self.pipeline.stage(id).stage.as_ref();
        let mut units = Vec::new();
        loop {
            let wanted = match active.ask(stage) {
                Ok(wanted) => wanted,
                Err(error) => return Ok(Err(error)),
            };
            if wanted.is_empty() {
                return Ok(Ok((units, active)));
            }
            let keys: Vec<_> = wanted.iter().map(|unit| unit.key).collect();
            for (wanted, stored) in wanted.into_iter().zip(self.store.lookup(&keys)?) {
                if let Some(stored) = &stored {
                    active.resolve(wanted.slot, stored.outcome.clone());
                }
                units.push(ListedUnit {
                    key: wanted.key,
                    unit: wanted.unit,
                    stored,
                });
            }
        }
    }

    fn active(&mut self, id: StageId) -> Result<Result<ActiveStage, StageError>, StoreError> {
        let node = self.pipeline.stage(id);
        let (digests, waiting) = self.bound(node);
        if let Some(unknown) = waiting.first() {
            let name = &self.pipeline.stage(*unknown).name;
            let error = StageError::input(format!("the table of `{name}` is not known yet"));
            return Ok(Err(error));
        }
        let sources = match look_at_sources(self.store, &node.stage.sources()) {
            Ok(sources) => sources,
            Err(FileError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(StageError::input(with_causes(&error)))),
        };
        let value = stage_value(self.pipeline, node, &digests, &sources);
        let mut tables = BTreeMap::new();
        for (port, digest) in digests {
            match self.table(&digest) {
                Ok(table) => drop(tables.insert(port, table)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let seed = self.pipeline.seed;
        Ok(ActiveStage::new(
            node,
            stage_key(&value),
            value,
            tables,
            sources.files,
            seed,
        ))
    }

    /// A table: one that was put together here, or one of the cache.
    pub(crate) fn table(&mut self, digest: &Digest) -> Result<Arc<Table>, StageError> {
        if let Some(table) = self.tables.get(digest) {
            return Ok(table.clone());
        }
        let table = Arc::new(read_table(self.store, digest)?);
        self.tables.insert(*digest, table.clone());
        Ok(table)
    }
}

/// A table of the cache.
pub(crate) fn read_table(store: &Store, digest: &Digest) -> Result<Table, StageError> {
    let bytes = store.read(digest).map_err(|error| match error {
        ReadError::Lost { digest, .. } => StageError::Lost(digest),
        error @ ReadError::Io { .. } => StageError::Cache(error.to_string()),
    })?;
    Ok(Table::decode(&bytes)?)
}
