//! Columns that parameters name.

use ccsr_stage::params::nearest;
use ccsr_stage::{ColumnType, Schema, StageError};

/// What the column holds that the parameter `parameter` names; `rows` is what people call the table's rows.
///
/// # Errors
/// If there is none: which there are, and the nearest.
pub(crate) fn named_column(
    rows: &str,
    schema: &Schema,
    parameter: &str,
    column: &str,
) -> Result<ColumnType, StageError> {
    schema.get(column).ok_or_else(|| {
        let there: Vec<&str> = schema.columns().map(|(name, _)| name).collect();
        let hint = nearest(column, there.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        StageError::input(format!(
            "the {rows} have no column `{column}`, which `{parameter}` names; they have {}{hint}",
            there.join(", ")
        ))
    })
}
