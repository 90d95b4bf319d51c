//! `world.truth`: how good the choices were, measured against the truth of a simulated world.
//!
//! For each way to choose among a prompt's candidates: how often the choice has no defect (sound),
//! how often it shows what the prompt asks for (faithful), and how often both. Where a way leaves
//! several candidates of a prompt, one of them is taken at random: the prompt counts their mean. A second table has
//! the truth about each image.

use std::collections::{BTreeMap, HashMap, HashSet};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfits, OutputPort, PartitionOutcomes, Roles, Row,
    RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use ccsr_world::{About, Answer, Class, Scene, Wish, truth};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::row_id::{Key, RowId, described};
use crate::world::rounded;

/// Parameters of `world.truth`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// The stage.
pub struct MeasureTruth;

/// What is true of a candidate.
#[derive(Clone, Copy, Default)]
struct Truth {
    sound: bool,
    faithful: bool,
}

impl Truth {
    fn of(row: Row<'_>) -> Result<Self, StageError> {
        let at = |problem: String| StageError::input(format!("{}: {problem}", described(row)));
        let scene = Scene::from_text(row.text("scene")?).map_err(|e| at(e.to_string()))?;
        let class = row.text("class")?;
        let class = Class::from_name(class)
            .ok_or_else(|| at(format!("the world knows no class `{class}`")))?;
        let wish = Wish::parse(row.text("prompt")?);
        Ok(Self {
            sound: scene.is_sound(),
            faithful: truth(&scene, &wish, class, About::PromptRespected) == Answer::Yes,
        })
    }

    fn measures(self) -> [bool; 3] {
        [self.sound, self.faithful, self.sound && self.faithful]
    }

    /// The share of the two that hold, for those who want the best.
    fn share(self) -> f64 {
        f64::from(u8::from(self.sound) + u8::from(self.faithful)) / 2.0
    }
}

/// The columns of the truth about an image, beside those that identify it.
const OF_IMAGE: [(&str, ColumnType); 3] = [
    ("is_sound", ColumnType::Bool),
    ("is_faithful", ColumnType::Bool),
    ("truth", ColumnType::Float),
];

/// A prompt's candidates: what identifies each, and what is true of it.
type Prompt = Vec<(Key, Truth)>;

/// One row: how many images were chosen from, and the share of each measure over prompts.
fn row(selector: &str, prompts: &[Vec<Truth>], best: bool) -> Vec<Value> {
    let prompts: Vec<&Vec<Truth>> = prompts.iter().filter(|prompt| !prompt.is_empty()).collect();
    let images: usize = prompts.iter().map(|prompt| prompt.len()).sum();
    let shares = (0..3).map(|measure| {
        let of_prompt = |prompt: &&Vec<Truth>| {
            let good = prompt
                .iter()
                .filter(|truth| truth.measures()[measure])
                .count();
            if best {
                f64::from(u8::from(good > 0))
            } else {
                good as f64 / prompt.len() as f64
            }
        };
        let sum: f64 = prompts.iter().map(of_prompt).sum();
        Value::from((!prompts.is_empty()).then(|| rounded(sum / prompts.len() as f64)))
    });
    let head = [
        Value::from(selector),
        Value::Int(prompts.len() as i64),
        Value::Int(images as i64),
    ];
    head.into_iter().chain(shares).collect()
}

/// The candidates of each prompt that a table chose.
fn chosen(prompts: &[Prompt], keep: &HashSet<Key>) -> Vec<Vec<Truth>> {
    let of_prompt = |prompt: &Prompt| {
        let kept = prompt.iter().filter(|(key, _)| keep.contains(key));
        kept.map(|(_, truth)| *truth).collect()
    };
    prompts.iter().map(of_prompt).collect()
}

/// What identifies the candidates with the best score of their prompt.
fn best_scored(scores: &Table, id: &RowId) -> Result<HashSet<Key>, StageError> {
    let group = RowId::group_of(&scores.schema());
    let mut best: HashMap<Key, f64> = HashMap::new();
    for row in scores.rows() {
        let best = best.entry(group.key(row)).or_insert(f64::NEG_INFINITY);
        *best = best.max(row.float("score")?);
    }
    let mut keys = HashSet::new();
    for row in scores.rows() {
        if row.float("score")? >= best[&group.key(row)] {
            keys.insert(id.key(row));
        }
    }
    Ok(keys)
}

/// The candidates of each prompt, identified by `id`.
fn prompts(images: &Table, id: &RowId) -> Result<Vec<Prompt>, StageError> {
    let group = RowId::group_of(&images.schema());
    let mut prompts: Vec<Prompt> = Vec::new();
    let mut positions: HashMap<Key, usize> = HashMap::new();
    for row in images.rows() {
        let position = *positions.entry(group.key(row)).or_insert_with(|| {
            prompts.push(Vec::new());
            prompts.len() - 1
        });
        prompts[position].push((id.key(row), Truth::of(row)?));
    }
    Ok(prompts)
}

impl Stage for MeasureTruth {
    fn identity(&self) -> Value {
        Value::map::<&str>([])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let texts = ["class", "prompt"].map(|name| (name, ColumnType::Text));
        vec![
            InputPort::new("images", texts),
            InputPort::new("scores", [("score", ColumnType::Float)]).optional(),
            InputPort::new::<&str>("pairs", []).optional(),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs
            .get("images")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        if images.get("scene") != Some(ColumnType::Text) {
            return Err(StageError::input(
                "the images have no column `scene`: their truth is known only under a suite that \
                 simulates its drawer, such as `world`",
            ));
        }
        RowId::check_matched(&images, inputs, &["scores", "pairs"])?;
        let mut schema = Schema::new([
            ("selector", ColumnType::Text),
            ("prompts", ColumnType::Int),
            ("n", ColumnType::Int),
        ]);
        for name in ["sound", "faithful", "both"] {
            schema = schema.with(name, ColumnType::Float);
        }
        let of_images = OF_IMAGE
            .into_iter()
            .fold(RowId::of(&images).schema(), |schema, (name, kind)| {
                schema.with(name, kind)
            });
        Ok(vec![
            OutputPort::new("truth", schema),
            OutputPort::new("images", of_images),
        ])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        Bound {
            units: 0,
            rows: RowCounts::from([("truth", 4), ("images", images)]),
        }
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table("images")?;
        let schema = images.schema();
        let schemas = Schemas::from([("images", schema.clone().into())]);
        let mut ports = self.outputs(&schemas)?;
        let mut of_images = Table::builder(ports.remove(1).schema);
        let mut table = Table::builder(ports.remove(0).schema);
        let id = RowId::of(&schema);
        for row in images.rows() {
            let truth = Truth::of(row)?;
            let said = [truth.sound, truth.faithful].map(Value::Bool);
            let said = said.into_iter().chain([Value::Float(truth.share())]);
            of_images.push(id.values(row).into_iter().chain(said))?;
        }
        let whole = prompts(images, &id)?;
        let all: Vec<Vec<Truth>> = whole
            .iter()
            .map(|prompt| prompt.iter().map(|(_, truth)| *truth).collect())
            .collect();
        table.push(row("all candidates", &all, false))?;
        if let Some(scores) = inputs.tables.get("scores") {
            let id = RowId::shared(("images", &schema), ("scores", &scores.schema()))?;
            let kept = chosen(&prompts(images, &id)?, &best_scored(scores, &id)?);
            table.push(row("shortlist", &kept, false))?;
        }
        if let Some(pairs) = inputs.tables.get("pairs") {
            let id = RowId::shared(("images", &schema), ("pairs", &pairs.schema()))?;
            let keys = pairs.rows().map(|row| id.key(row)).collect();
            table.push(row(
                "selected pairs",
                &chosen(&prompts(images, &id)?, &keys),
                false,
            ))?;
        }
        table.push(row("best possible", &all, true))?;
        Ok(BTreeMap::from([
            ("truth", table.finish()),
            ("images", of_images.finish()),
        ]))
    }
}

impl StageKind for MeasureTruth {
    const NAME: &'static str = "world.truth";
    const SUMMARY: &'static str = "Measures the choices against the truth of a simulated world.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 2;
    type Params = Params;

    fn new(_: Params, _: &Roles) -> Result<Self, Misfits> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests;
