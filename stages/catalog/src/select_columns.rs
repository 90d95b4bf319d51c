//! `table.select`: some of a table's columns, in the order in which they are named.
//!
//! So what a stage would add may take the place of what is there: the captions of pictures become prompts to draw.

use std::collections::BTreeMap;

use ccsr_stage::{
    Bound, InputPort, Inputs, Misfits, OutputPort, PartitionOutcomes, Roles, RowCounts, Schema,
    Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_column::{any_table, distinct_names, named_column};

/// Parameters of `table.select`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The columns that are kept, such as `[class, prompt]`, in this order.
    pub columns: Vec<String>,
}

/// The stage.
pub struct SelectColumns {
    params: Params,
}

impl SelectColumns {
    fn schema(&self, rows: &Schema) -> Result<Schema, StageError> {
        self.params
            .columns
            .iter()
            .try_fold(Schema::default(), |schema, name| {
                let kind = named_column("rows", rows, "columns", name)?;
                Ok(schema.with(name.as_str(), kind))
            })
    }
}

impl Stage for SelectColumns {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![any_table("rows")]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let schema = inputs
            .get("rows")
            .map_or_else(|| Ok(Schema::default()), |rows| self.schema(rows))?;
        Ok(vec![OutputPort::new("rows", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(0, "rows", rows.get("rows").copied().unwrap_or(0))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let table = inputs.table("rows")?;
        let mut rows = Table::builder(self.schema(&table.schema())?);
        for row in table.rows() {
            let kept: Result<Vec<_>, _> = self
                .params
                .columns
                .iter()
                .map(|name| row.value(name).cloned())
                .collect();
            rows.push(kept?)?;
        }
        Ok(BTreeMap::from([("rows", rows.finish())]))
    }
}

impl StageKind for SelectColumns {
    const NAME: &'static str = "table.select";
    const SUMMARY: &'static str = "Keeps some of a table's columns.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        distinct_names("columns", params.columns.iter().map(String::as_str)).check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests {
    use ccsr_stage::ColumnType;
    use ccsr_stage::testing::{Lab, check_kind};
    use serde_json::json;

    use super::*;
    use crate::samples::{files, rows, run, table};

    fn captions() -> std::sync::Arc<Table> {
        table(
            &[
                ("image", ColumnType::Text),
                ("prompt", ColumnType::Text),
                ("class", ColumnType::Text),
                ("count", ColumnType::Int),
            ],
            &[
                json!({"image": "1", "prompt": "a grey bird", "class": "bird", "count": 2}),
                json!({"image": "2", "prompt": "a lion at noon", "class": "lion"}),
            ],
        )
    }

    #[test]
    fn the_columns_that_are_named_are_kept_in_their_order() {
        let with = json!({"columns": ["class", "count", "prompt"]});
        let (roles, lab, table) = (Roles::default(), Lab::new(1), captions());
        let ran = check_kind::<SelectColumns>(&with, &files(), &roles, &lab, &[("rows", &table)]);
        let kept = ran.table("rows");
        assert_eq!(
            rows(kept),
            [
                json!({"class": "bird", "count": 2, "prompt": "a grey bird"}),
                json!({"class": "lion", "count": null, "prompt": "a lion at noon"}),
            ]
        );
        let schema = kept.schema();
        let names: Vec<_> = schema.columns().map(|(name, _)| name).collect();
        assert_eq!(names, ["class", "count", "prompt"]);
    }

    #[test]
    fn columns_that_are_not_there_are_said() {
        for (columns, expected) in [
            (
                json!(["promt"]),
                "the rows have no column `promt`, which `columns` names; they have image, prompt, class, count; did you mean \
                 `prompt`?",
            ),
            (
                json!(["class", "class"]),
                "`class` stands twice in `columns`",
            ),
            (json!([]), "`columns` is empty; expected at least one"),
        ] {
            let with = json!({ "columns": columns });
            let said = run(
                &Lab::new(1),
                "table.select",
                &with,
                &[("rows", &captions())],
            );
            let said = said.err().unwrap();
            assert!(said.contains(expected), "{with}: {said}");
        }
    }
}
