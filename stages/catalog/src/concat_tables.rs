//! `table.concat`: the rows of several tables, one table after the other.
//!
//! So what several drawers drew is compared by one `eval.winrate`: each table's rows are given a label.

use std::collections::BTreeMap;

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    Row, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_column::any_table;
use crate::number_label::number_label;
use crate::template;

/// The tables.
const PORTS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

/// Parameters of `table.concat`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What the rows of each table are called, in the tables' order, such as `["lora {scale}", sdxs]`; a column's name in
    /// braces stands for the row's value.
    pub labels: Vec<String>,
    /// The column of these labels.
    #[serde(default = "variant")]
    pub column: String,
}

fn variant() -> String {
    "variant".to_owned()
}

/// The stage.
pub struct ConcatTables {
    params: Params,
}

impl ConcatTables {
    /// The tables that are bound, in order, with their labels.
    fn parts<'a, T>(
        &self,
        bound: impl Fn(&str) -> Option<&'a T>,
    ) -> Result<Vec<(&'a T, &str)>, StageError> {
        let tables: Vec<&T> = PORTS.iter().filter_map(|port| bound(port)).collect();
        let labels = &self.params.labels;
        if tables.len() != labels.len() {
            return Err(StageError::input(format!(
                "`labels` has {} for {} tables; expected one a table",
                labels.len(),
                tables.len()
            )));
        }
        Ok(tables
            .into_iter()
            .zip(labels.iter().map(String::as_str))
            .collect())
    }

    /// The columns that all tables have, in the first one's order.
    fn shared(&self, schemas: &[&Schema]) -> Result<Schema, StageError> {
        let column = self.params.column.as_str();
        let mut shared = Schema::new([(column, ColumnType::Text)]);
        let Some((first, others)) = schemas.split_first() else {
            return Ok(shared);
        };
        for (name, kind) in first.columns() {
            if name == column {
                return Err(StageError::input(format!(
                    "the tables have a column `{column}` already; `column` gives the labels' another name"
                )));
            }
            if others.iter().all(|other| other.get(name) == Some(kind)) {
                shared = shared.with(name, kind);
            }
        }
        Ok(shared)
    }
}

/// A row's label.
fn label(template: &str, row: Row<'_>) -> Result<String, StageError> {
    let mut label = String::new();
    for piece in template::pieces(template).map_err(StageError::Input)? {
        match piece {
            template::Piece::Text(text) => label.push_str(text),
            template::Piece::Slot(name) => match row.value(name)? {
                Value::Float(number) => label.push_str(&number_label(*number)),
                other => label.push_str(&other.to_text()),
            },
        }
    }
    Ok(label)
}

impl Stage for ConcatTables {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let needed = PORTS[..2].iter().map(|name| any_table(name));
        let more = PORTS[2..].iter().map(|name| any_table(name).optional());
        needed.chain(more).collect()
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let parts = self.parts(|port| inputs.get(port).map(AsRef::as_ref))?;
        for (schema, label) in &parts {
            let known: Vec<&str> = schema.columns().map(|(name, _)| name).collect();
            template::check(label, &known)
                .map_err(|error| StageError::input(format!("`labels`: {error}")))?;
        }
        let schemas: Vec<_> = parts.iter().map(|(schema, _)| *schema).collect();
        Ok(vec![OutputPort::new("rows", self.shared(&schemas)?)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let all = rows
            .values()
            .fold(0_u64, |sum, rows| sum.saturating_add(*rows));
        Bound::new(0, "rows", all)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let parts = self.parts(|port| inputs.tables.get(port).map(AsRef::as_ref))?;
        let schemas: Vec<Schema> = parts.iter().map(|(table, _)| table.schema()).collect();
        let schema = self.shared(&schemas.iter().collect::<Vec<_>>())?;
        let mut rows = Table::builder(schema.clone());
        for (table, template) in parts {
            for row in table.rows() {
                let label = label(template, row)?;
                rows.push(schema.columns().map(|(name, _)| {
                    if name == self.params.column {
                        Value::from(label.as_str())
                    } else {
                        row.find(name).cloned().unwrap_or_default()
                    }
                }))?;
            }
        }
        Ok(BTreeMap::from([("rows", rows.finish())]))
    }
}

impl StageKind for ConcatTables {
    const NAME: &'static str = "table.concat";
    const SUMMARY: &'static str =
        "Puts tables one after the other, and says of each row which it is from.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = Misfits::new();
        for (index, label) in params.labels.iter().enumerate() {
            if let Err(error) = template::pieces(label) {
                misfits.add(Misfit::new(["labels".to_owned(), index.to_string()], error));
            }
        }
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests {
    use ccsr_stage::testing::{Lab, check_kind};
    use serde_json::json;

    use super::*;
    use crate::samples::{files, rows, run, table};

    fn scores() -> [std::sync::Arc<Table>; 2] {
        let scaled = [
            ("prompt", ColumnType::Text),
            ("scale", ColumnType::Float),
            ("score", ColumnType::Float),
        ];
        let plain = [("score", ColumnType::Float), ("prompt", ColumnType::Text)];
        [
            table(
                &scaled,
                &[
                    json!({"prompt": "a", "scale": 0.4, "score": 0.3}),
                    json!({"prompt": "a", "scale": 0.0, "score": 0.2}),
                ],
            ),
            table(&plain, &[json!({"prompt": "a", "score": 0.1})]),
        ]
    }

    #[test]
    fn rows_come_one_table_after_the_other_with_their_labels() {
        let [lora, sdxs] = scores();
        let with = json!({"labels": ["lora {scale}", "sdxs"]});
        let tables = [("first", &lora), ("second", &sdxs)];
        let ran =
            check_kind::<ConcatTables>(&with, &files(), &Roles::default(), &Lab::new(1), &tables);
        assert_eq!(
            rows(ran.table("rows")),
            [
                json!({"variant": "lora 0.4", "prompt": "a", "score": 0.3}),
                json!({"variant": "lora 0", "prompt": "a", "score": 0.2}),
                json!({"variant": "sdxs", "prompt": "a", "score": 0.1}),
            ]
        );
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let [lora, sdxs] = scores();
        let says = |with: serde_json::Value| {
            let tables = [("first", &lora), ("second", &sdxs)];
            run(&Lab::new(1), "table.concat", &with, &tables)
                .err()
                .unwrap()
        };
        for (with, expected) in [
            (json!({"labels": ["a"]}), "`labels` has 1 for 2 tables"),
            (
                json!({"labels": ["{scal}", "b"]}),
                "did you mean `{scale}`?",
            ),
            (
                json!({"labels": ["a", "{scale}"]}),
                "`{scale}` stands for nothing",
            ),
            (
                json!({"labels": ["a", "b"], "column": "prompt"}),
                "have a column `prompt` already",
            ),
        ] {
            let said = says(with.clone());
            assert!(said.contains(expected), "{with}: {said}");
        }
    }
}
