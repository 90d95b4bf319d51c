//! Looking at a stage's table without running anything.

use std::collections::BTreeMap;

use ccsr_cache::{ReadError, StageMemo, Store, StoreError};
use ccsr_stage::Table;

use crate::graph::StageId;
use crate::key::{look_at_sources, stage_key, stage_value};
use crate::pipeline::Pipeline;

/// What there is to look at.
pub enum Shown {
    /// The table.
    Table(ShownTable),
    /// The stage was never computed, or writes no such table.
    Never,
    /// It was computed, and the cache lost the table.
    Lost,
}

/// A table to look at.
pub struct ShownTable {
    /// The table.
    pub table: Table,
    /// Whether it is what the pipeline would give now; else it is the last that was computed.
    pub current: bool,
    /// The run that computed it.
    pub run: String,
}

/// The table that a stage wrote on `port`: the one of the pipeline as it is now, else the latest.
pub fn show(
    pipeline: &Pipeline,
    store: &Store,
    stage: StageId,
    port: &str,
) -> Result<Shown, StoreError> {
    let known = known(pipeline, store)?;
    let mut found = known.get(&stage).map(|memo| (memo.clone(), true));
    let name = &pipeline.stage(stage).name;
    if found.is_none() {
        found = store
            .latest_stage(&pipeline.name, name)?
            .map(|(_, memo)| (memo, false));
    }
    let Some((memo, current)) = found else {
        return Ok(Shown::Never);
    };
    let Some(digest) = memo.outputs.get(port) else {
        return Ok(Shown::Never);
    };
    match store.read(digest) {
        Ok(bytes) => Ok(Table::decode(&bytes).map_or(Shown::Lost, |table| {
            Shown::Table(ShownTable {
                table,
                current,
                run: memo.run,
            })
        })),
        Err(ReadError::Lost { .. }) => Ok(Shown::Lost),
        Err(ReadError::Io { path, source }) => Err(StoreError::Io {
            path,
            operation: "read",
            source,
        }),
    }
}

/// What is known of the pipeline as it is now, stage by stage. A stage that reads something unknown
/// is unknown.
pub(crate) fn known(
    pipeline: &Pipeline,
    store: &Store,
) -> Result<BTreeMap<StageId, StageMemo>, StoreError> {
    let mut known: BTreeMap<StageId, StageMemo> = BTreeMap::new();
    for id in pipeline.graph.order() {
        let node = pipeline.stage(*id);
        let bound = node.bindings.iter().map(|(port, from)| {
            let memo = known.get(&from.stage)?;
            Some((*port, *memo.outputs.get(from.port)?))
        });
        let (Some(tables), Ok(sources)) = (
            bound.collect::<Option<BTreeMap<_, _>>>(),
            look_at_sources(store, &node.stage.sources()),
        ) else {
            continue;
        };
        let key = stage_key(&stage_value(pipeline, node, &tables, &sources));
        if let Some(memo) = store.stage(&key)? {
            known.insert(*id, memo);
        }
    }
    Ok(known)
}
