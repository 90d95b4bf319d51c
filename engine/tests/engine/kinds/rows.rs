//! `test.rows`: words from the parameters and the lines of a file. Pure.

use ccsr_stage::params::FilePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    words: Vec<String>,
    file: Option<FilePath>,
    /// Enters the key and changes nothing.
    note: String,
}

pub(crate) struct Rows(Params);

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text)])
}

impl Stage for Rows {
    fn identity(&self) -> Value {
        let words = Value::list(self.0.words.iter().map(|word| Value::from(word.as_str())));
        let note = Value::from(self.0.note.as_str());
        Value::map([("words", words), ("note", note)])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn sources(&self) -> Vec<Source> {
        let source = |FilePath(file): &FilePath| Source {
            name: "file",
            path: file.path.clone(),
            display: file.display.clone(),
            folder: false,
        };
        self.0.file.iter().map(source).collect()
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(0, "rows", self.0.words.len() as u64)
    }

    fn collect(&self, inputs: &Inputs<'_>, _: &[PartitionOutcomes]) -> Tables {
        let mut words = self.0.words.clone();
        if self.0.file.is_some() {
            let text = inputs.read_source("file")?;
            let text = String::from_utf8(text).unwrap();
            words.extend(text.lines().map(str::to_owned));
        }
        one_table(schema(), words.into_iter().map(|word| vec![word.into()]))
    }
}

impl StageKind for Rows {
    const NAME: &'static str = "test.rows";
    const SUMMARY: &'static str = "Words.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
