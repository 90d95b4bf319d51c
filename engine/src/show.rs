//! Looking at a stage's table without running anything.

use std::collections::BTreeMap;

use ccsr_cache::{Digest, ReadError, Store, StoreError};
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
    let mut known: BTreeMap<StageId, BTreeMap<String, Digest>> = BTreeMap::new();
    let mut found = None;
    for id in pipeline.graph.order() {
        let node = pipeline.stage(*id);
        let tables: Option<BTreeMap<_, _>> = node
            .bindings
            .iter()
            .map(|(port, from)| Some((*port, *known.get(&from.stage)?.get(from.port)?)))
            .collect();
        let (Some(tables), Ok(sources)) = (tables, look_at_sources(store, &node.stage.sources()))
        else {
            continue;
        };
        let key = stage_key(&stage_value(pipeline, node, &tables, &sources));
        if let Some(memo) = store.stage(&key)? {
            if *id == stage {
                found = Some((memo.clone(), true));
            }
            known.insert(*id, memo.outputs);
        }
    }
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
