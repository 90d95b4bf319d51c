//! Executing units again whose outcomes are in the cache, to see whether the same comes out. Nothing
//! in the cache changes.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ccsr_cache::{Digest, Store, StoreError, Value};
use ccsr_stage::{Batch, Environment, Limits, Outcome, Resource, StageError, Unit};
use serde::Serialize;

use crate::active::guarded;
use crate::explain::{Change, changes};
use crate::graph::StageId;
use crate::pipeline::{Pipeline, StageNode};
use crate::standing::Survey;
use crate::worker::StoreBlobs;

/// What to verify.
pub struct VerifyOptions<'a> {
    /// How many units.
    pub units: usize,
    /// Which: equal seeds choose the same of equal units.
    pub seed: &'a str,
    /// Device and threads.
    pub environment: &'a Environment,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verification {
    /// Units whose outcomes are in the cache.
    pub known: u64,
    /// Units that were executed again.
    pub verified: u64,
    /// Those of them that came out as they were, by stage.
    pub agreed: BTreeMap<String, u64>,
    /// Those that did not.
    pub differing: Vec<DifferingUnit>,
}

/// A unit that did not come out as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DifferingUnit {
    /// Its stage.
    pub stage: String,
    /// Its stage kind.
    pub kind: String,
    /// What the stage calls it.
    pub unit: Option<String>,
    /// What it depends on.
    pub input: Value,
    /// The fields of its outcome that differ: what the cache has, and what came out now.
    pub changes: Vec<Change>,
    /// Why it could not be executed.
    pub error: Option<String>,
}

/// A unit to execute again.
struct Chosen {
    rank: Digest,
    stage: StageId,
    unit: Arc<Unit>,
    outcome: Value,
}

/// Executes some of the pipeline's units again and compares what comes out with what the cache has.
pub fn verify(
    pipeline: &Pipeline,
    store: &Store,
    options: &VerifyOptions<'_>,
) -> Result<Verification, StoreError> {
    let mut survey = Survey::of(pipeline, store)?;
    let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
    for id in pipeline.graph.order() {
        let Ok(units) = survey.units(*id)? else {
            continue;
        };
        for listed in units.iter() {
            let Some(stored) = listed.stored.as_ref().filter(|_| seen.insert(listed.key)) else {
                continue;
            };
            let key = Value::from(listed.key.to_string());
            chosen.push(Chosen {
                rank: Value::list([Value::from(options.seed), key]).digest(),
                stage: *id,
                unit: listed.unit.clone(),
                outcome: stored.outcome.clone(),
            });
        }
    }
    let known = chosen.len() as u64;
    chosen.sort_unstable_by_key(|chosen| chosen.rank);
    chosen.truncate(options.units);
    // Stages one after the other, and what needs the same resource together.
    chosen.sort_by(|a, b| (a.stage, &a.unit.resource).cmp(&(b.stage, &b.unit.resource)));
    let mut verification = Verification {
        known,
        verified: chosen.len() as u64,
        ..Verification::default()
    };
    let alike = |a: &Chosen, b: &Chosen| a.stage == b.stage && a.unit.resource == b.unit.resource;
    for batch in chosen.chunk_by(alike) {
        let node = pipeline.stage(batch[0].stage);
        let size = node
            .execution
            .batch
            .unwrap_or_else(|| node.stage.batch())
            .max(1);
        let environment = node.execution.environment(options.environment);
        for batch in batch.chunks(size) {
            let results = execute(node, batch, store, &environment);
            for (chosen, result) in batch.iter().zip(results) {
                verification.note(node, chosen, result);
            }
        }
    }
    Ok(verification)
}

impl Verification {
    fn note(&mut self, node: &StageNode, chosen: &Chosen, result: Result<Outcome, StageError>) {
        let (found, error) = match result {
            Ok(outcome) => (changes(&chosen.outcome, &outcome.into_parts().0), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if found.is_empty() && error.is_none() {
            *self.agreed.entry(node.name.clone()).or_default() += 1;
            return;
        }
        self.differing.push(DifferingUnit {
            stage: node.name.clone(),
            kind: node.kind.to_owned(),
            unit: guarded(|| Ok(node.stage.describe(&chosen.unit)))
                .ok()
                .flatten(),
            input: chosen.unit.input.clone(),
            changes: found,
            error,
        });
    }
}

/// Executes units that need the same resource.
fn execute(
    node: &StageNode,
    chosen: &[Chosen],
    store: &Store,
    environment: &Environment,
) -> Vec<Result<Outcome, StageError>> {
    let units: Vec<Arc<Unit>> = chosen.iter().map(|chosen| chosen.unit.clone()).collect();
    let all = |error: &StageError| {
        let text = error.to_string();
        units
            .iter()
            .map(|_| Err(StageError::failed(text.clone())))
            .collect()
    };
    let resource: Option<Arc<dyn Resource>> = match &units[0].resource {
        None => None,
        Some(name) => match guarded(|| node.stage.load(name, environment)) {
            Ok(resource) => Some(resource),
            Err(error) => return all(&error),
        },
    };
    let (blobs, limits) = (StoreBlobs(store), Limits::none());
    let batch = Batch {
        units: &units,
        resource: resource.as_deref(),
        blobs: &blobs,
        environment,
        limits: &limits,
        listener: &|_| (),
    };
    match catch_unwind(AssertUnwindSafe(|| node.stage.execute(&batch))) {
        Ok(results) if results.len() == units.len() => results,
        Ok(results) => {
            let text = format!("{} results for {} units", results.len(), units.len());
            all(&StageError::Panicked(text))
        }
        Err(panic) => all(&StageError::of_panic(panic.as_ref())),
    }
}
