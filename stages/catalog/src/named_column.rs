//! Columns that parameters name.

use ccsr_stage::params::nearest;
use ccsr_stage::{ColumnType, Schema, StageError, Value};

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

/// The columns that one of two parameters names, with its name: that of several if it names any, else that of one.
pub(crate) const fn one_or_several<'a>(
    (one, column): (&'static str, &'a String),
    (several, columns): (&'static str, &'a [String]),
) -> (&'static str, &'a [String]) {
    if columns.is_empty() {
        (one, std::slice::from_ref(column))
    } else {
        (several, columns)
    }
}

/// Checks that a column that a parameter names holds numbers, or true and false, which count as 1 and 0.
///
/// # Errors
/// If there is none, or it holds something else.
pub(crate) fn numeric_column(
    rows: &str,
    schema: &Schema,
    parameter: &str,
    column: &str,
) -> Result<(), StageError> {
    match named_column(rows, schema, parameter, column)? {
        ColumnType::Int | ColumnType::Float | ColumnType::Bool => Ok(()),
        other => Err(StageError::input(format!(
            "`{column}` holds {}; expected numbers, or true or false",
            other.described()
        ))),
    }
}

/// The finite number that a cell of such a column holds.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    let number = value.as_bool().map(f64::from);
    let number = number.or_else(|| value.as_float());
    number.filter(|number| number.is_finite())
}
