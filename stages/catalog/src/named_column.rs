//! Columns that parameters name.

use std::collections::BTreeSet;

use ccsr_stage::params::nearest;
use ccsr_stage::{ColumnType, InputPort, Misfit, Misfits, Schema, StageError, Value};

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

/// A port that takes any table: which columns it needs, parameters say.
pub(crate) fn any_table(port: &'static str) -> InputPort {
    let none: [(&str, ColumnType); 0] = [];
    InputPort::new(port, none)
}

/// That the table of a stage's `rows` has a column of a name that the stage gives one that it adds.
pub(crate) fn taken_column(rows: &str, column: &str) -> StageError {
    StageError::input(format!(
        "the {rows} have a column `{column}`, which is what this stage calls one of its own; `table.select` takes a table without it"
    ))
}

/// That a list of names has at least one, and none twice.
pub(crate) fn distinct_names<'a>(parameter: &str, names: impl Iterator<Item = &'a str>) -> Misfits {
    let mut misfits = Misfits::new();
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let message = format!("`{name}` stands twice in `{parameter}`");
            misfits.add(Misfit::new([parameter, &index.to_string()], message));
        }
    }
    if seen.is_empty() {
        let message = format!("`{parameter}` is empty; expected at least one");
        misfits.add(Misfit::new([parameter], message));
    }
    misfits
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
