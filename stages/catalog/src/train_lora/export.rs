//! What training becomes in folders: adapters as diffusers loads them, and numbers for TensorBoard.

use ccsr_nn::ADAPTER_FILE;
use ccsr_stage::{ExportFile, StageError, Table, Value};

use super::event_file::EventFile;

/// TensorBoard looks for `tfevents` in names.
const EVENTS: &str = "events.out.tfevents.0.ccsr-flow";
const LINES: &str = "metrics.jsonl";

/// An adapter's file; of several, each in a folder of its epoch.
pub(super) fn adapters(table: &Table, is_one: bool) -> Result<Vec<ExportFile>, StageError> {
    let file = |row: ccsr_stage::Row<'_>| {
        let (adapter, epoch) = (row.blob("adapter")?, row.int("epoch")?);
        let path = if is_one {
            ADAPTER_FILE.to_owned()
        } else {
            format!("epoch-{epoch:04}/{ADAPTER_FILE}")
        };
        Ok(ExportFile::blob(path, adapter))
    };
    table.rows().map(file).collect()
}

/// The numbers of every step: as an event file, and a line each.
pub(crate) fn metrics(table: &Table) -> Result<Vec<ExportFile>, StageError> {
    let mut events = EventFile::new();
    let mut lines = String::new();
    for row in table.rows() {
        let numbers = ["loss", "learning_rate", "gradient_norm"];
        let numbers = numbers.map(|name| row.float(name).map(|number| (name, number)));
        let numbers = numbers.into_iter().collect::<Result<Vec<_>, _>>()?;
        events.scalars(row.int("step")?, &numbers);
        let columns = table.columns().iter().map(|column| {
            let name = column.name();
            (name, row.find(name).cloned().unwrap_or_default())
        });
        lines.push_str(&Value::map(columns).to_json().to_string());
        lines.push('\n');
    }
    Ok(vec![
        ExportFile::bytes(EVENTS, events.finish()),
        ExportFile::bytes(LINES, lines.into_bytes()),
    ])
}
