//! `test.map`: a unit a row, whose outcome names a blob; and everything that a stage can do wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    /// Enters every unit.
    suffix: String,
    /// Enters the key of the stage, not that of a unit.
    note: String,
    /// Whether the units hold the seed.
    seeded: bool,
    /// Words whose units fail. Not in any key.
    fail: Vec<String>,
    /// What else is wrong with the stage. Not in any key.
    defect: Defect,
    /// Not in any key.
    pause_ms: u64,
    /// Executing a unit says so and never ends. Not in any key.
    stuck: bool,
    /// How many blobs more an outcome names. Not in any key.
    more: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            suffix: "!".to_owned(),
            note: String::new(),
            seeded: false,
            fail: Vec::new(),
            defect: Defect::None,
            pause_ms: 0,
            stuck: false,
            more: 0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Defect {
    None,
    PanicInPartitions,
    PanicInUnits,
    /// In the second wave of the first partition, while the second partition still has units.
    PanicInWave,
    PanicInExecute,
    PanicInCollect,
    PanicInExport,
    PanicInDescribe,
    TooFewResults,
    NoTable,
    MissingColumn,
    UnknownBlob,
    LostBlob,
}

pub(crate) struct Map(Params);

fn schema() -> Schema {
    Schema::new([
        ("word", ColumnType::Text),
        ("image", ColumnType::Image),
        ("length", ColumnType::Int),
    ])
}

impl Map {
    fn unit(&self, word: &str, seed: u64) -> Unit {
        let mut input = vec![
            ("word", Value::from(word)),
            ("suffix", Value::from(self.0.suffix.as_str())),
        ];
        if self.0.seeded {
            input.push(("seed", Value::from(seed.to_string())));
        }
        Unit::new(Value::map(input))
    }

    fn outcome(&self, unit: &Unit) -> Result<Outcome, StageError> {
        let word = text(&unit.input, "word");
        if self.0.fail.contains(&word) {
            return Err(StageError::failed("it does not please"));
        }
        let seed = unit.input.get("seed").and_then(Value::as_text);
        let content = format!(
            "{word}{}{}",
            text(&unit.input, "suffix"),
            seed.unwrap_or("")
        );
        let length = Value::Int(content.len() as i64);
        let mut outcome = Outcome::default();
        let image = match self.0.defect {
            Defect::UnknownBlob => Digest::of(b"nobody gave this"),
            _ => outcome.add_blob(content.into_bytes()),
        };
        let more = (0..self.0.more).map(|number| format!("{word} {number}").into_bytes());
        let more: Vec<_> = more.map(|bytes| outcome.add_blob(bytes)).collect();
        Ok(outcome.with_value(Value::map([
            ("image", Value::Blob(image)),
            ("length", length),
            ("more", Value::list(more.into_iter().map(Value::Blob))),
        ])))
    }
}

impl Stage for Map {
    fn identity(&self) -> Value {
        Value::map([
            ("suffix", Value::from(self.0.suffix.as_str())),
            ("note", Value::from(self.0.note.as_str())),
            ("seeded", Value::Bool(self.0.seeded)),
        ])
    }

    fn seeded(&self) -> bool {
        self.0.seeded
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("rows", [("word", ColumnType::Text)])]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        one_each(rows)
    }

    fn partitions(&self, _: &Inputs<'_>) -> Result<Vec<Partition>, StageError> {
        assert!(self.0.defect != Defect::PanicInPartitions, "in partitions");
        Ok(match self.0.defect {
            Defect::PanicInWave => vec![Partition::new(0, "first"), Partition::new(1, "rest")],
            _ => vec![Partition::whole()],
        })
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        partition: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        assert!(self.0.defect != Defect::PanicInUnits, "in units");
        if !so_far.is_empty() {
            assert!(self.0.defect != Defect::PanicInWave, "in a wave");
            return Ok(Vec::new());
        }
        let words = inputs.table("rows")?.rows().map(|row| row.text("word"));
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let mine = match (self.0.defect, partition.index) {
            (Defect::PanicInWave, 0) => &words[..1],
            (Defect::PanicInWave, _) => &words[1..],
            _ => &words[..],
        };
        Ok(mine
            .iter()
            .map(|word| self.unit(word, inputs.seed))
            .collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        assert!(self.0.defect != Defect::PanicInExecute, "in execute");
        let label = |unit: &Unit| {
            let (word, suffix) = (text(&unit.input, "word"), text(&unit.input, "suffix"));
            format!("{word}{suffix}")
        };
        let mut results = each::<Self>(batch, self.0.pause_ms, label, |unit| {
            if self.0.stuck {
                std::thread::sleep(Duration::from_mins(2));
            }
            if self.0.defect == Defect::LostBlob {
                return Err(StageError::Lost(Digest::of(b"this was never here")));
            }
            self.outcome(unit)
        });
        if self.0.defect == Defect::TooFewResults {
            results.pop();
        }
        results
    }

    fn collect(&self, inputs: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        assert!(self.0.defect != Defect::PanicInCollect, "in collect");
        if self.0.defect == Defect::NoTable {
            return Ok(BTreeMap::new());
        }
        let rows = inputs.table("rows")?.rows();
        let resolved = outcomes.iter().flat_map(|part| &part.resolved);
        let cells = rows.zip(resolved).map(|(row, resolved)| {
            let field = |name| resolved.outcome.get(name).unwrap().clone();
            let word = row.value("word").unwrap().clone();
            vec![word, field("image"), field("length")]
        });
        if self.0.defect == Defect::MissingColumn {
            let short = cells.map(|cells| cells[..2].to_vec());
            return one_table(schema().without(&["length"]), short);
        }
        one_table(schema(), cells)
    }

    fn export(
        &self,
        _: &str,
        _: &Table,
    ) -> Result<Option<Vec<ccsr_stage::ExportFile>>, StageError> {
        assert!(self.0.defect != Defect::PanicInExport, "in export");
        Ok(None)
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        assert!(self.0.defect != Defect::PanicInDescribe, "in describe");
        let word = text(&unit.input, "word");
        (!word.starts_with('?')).then(|| format!("the word `{word}`"))
    }
}

impl StageKind for Map {
    const NAME: &'static str = "test.map";
    const SUMMARY: &'static str = "A blob a row.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        if params.suffix.contains('/') {
            return Err("a suffix has no `/`".into());
        }
        Ok(Self(params))
    }
}
