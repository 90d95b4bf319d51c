//! `image.caption`: a description of each image, in the words of the suite's judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schemas, Source, Stage,
    StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::added_column::{AddedColumn, SLOTS};
use crate::range::within;
use crate::roles::{Judge, Role, told};
use crate::template;

/// The column of descriptions.
const CAPTION: AddedColumn = AddedColumn {
    name: "caption",
    kind: ColumnType::Text,
    port: "captions",
};

/// Parameters of `image.caption`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// What the judge is told; `{class}` and `{prompt}` stand for the row's.
    pub prompt: String,
    /// The most tokens of a description, from 1 to 65,536.
    pub max_tokens: u32,
}

impl Default for Params {
    fn default() -> Self {
        let prompt = "Describe this image in a few sentences: who or what is to be seen and how many \
                      there are, what they do, where they are, light and colours, and whatever looks odd.";
        Self {
            prompt: prompt.to_owned(),
            max_tokens: 256,
        }
    }
}

/// The stage.
pub struct DescribeImages {
    params: Params,
    judge: Role<dyn Judge>,
}

impl Stage for DescribeImages {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        AddedColumn::input(&self.params.prompt)
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        CAPTION.output(inputs)
    }

    fn sources(&self) -> Vec<Source> {
        self.judge.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        CAPTION.bound(rows)
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let (judge, words) = (("judge", &self.judge), &self.params.prompt);
        AddedColumn::units(inputs, so_far, judge, words, |image, text, model| {
            told(image, text, self.params.max_tokens, model)
        })
    }

    fn batch(&self) -> usize {
        self.judge.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.judge.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.judge.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |text: String| Outcome::of(Value::from(text));
        let said = self.judge.object.tell(batch).into_iter();
        said.map(|text| text.map(outcome)).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        CAPTION.tables(inputs, outcomes, |outcome| {
            let text = outcome.as_text();
            let text = text.ok_or_else(|| StageError::failed("a description is no text"))?;
            Ok(Value::from(text.trim()))
        })
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for DescribeImages {
    const NAME: &'static str = "image.caption";
    const SUMMARY: &'static str = "Describes each image in words.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["judge"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("max_tokens", params.max_tokens, &(1..=65_536), "");
        if let Err(message) = template::check(&params.prompt, &SLOTS) {
            misfits.add(Misfit::new(["prompt"], message));
        }
        misfits.check()?;
        let judge: Role<dyn Judge> = Role::get(roles, "judge")?;
        judge.object.reads_words()?;
        Ok(Self { params, judge })
    }
}

#[cfg(test)]
mod tests;
