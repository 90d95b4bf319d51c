//! `world.render`: captioned pictures of a simulated world, to train models on.
//!
//! A unit is a picture: its scene and its size. Captions, boxes and questions follow from the scene and are worked
//! out each time, so that more questions or other captions render nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::params::Document;
use ccsr_stage::{
    Batch, Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schema, Schemas, Stage, StageError, StageKind,
    Table, Unit, Value,
};
use ccsr_world::questions::Question;
use ccsr_world::truth::Witness;
use ccsr_world::{Class, Example, Fact, MAX_ANIMALS, TrueBox, Web};
use image::RgbImage;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::known_questions;
use crate::png;
use crate::questions::QuestionSet;
use crate::range::within;

/// Pictures a batch: a second's work at 64 pixels.
const BATCH: usize = 256;

/// Parameters of `world.render`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The part of all scenes and captions from which these come. No scene and no caption is in two parts, whatever
    /// the other parameters.
    pub split: Split,
    /// How many scenes, at most 1,000,000. More keep those of fewer.
    pub count: u32,
    /// Width and height of the pictures, in pixels.
    #[serde(default = "size")]
    pub size: u32,
    /// Another seed gives other scenes. The pipeline's seed is not looked at.
    #[serde(default)]
    pub seed: u32,
    /// What the scenes are about, in turn, and what else walks by: every class of the world if left out.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The share of scenes that have a defect (a leg too many, no shadow, …), `0.0..=1.0`.
    #[serde(default = "defects")]
    pub defects: f64,
    /// The share of captions in which one thing is wrong, `0.0..=1.0`.
    #[serde(default = "wrong")]
    pub wrong: f64,
    /// Questions a scene, at most 64.
    #[serde(default)]
    pub questions: u32,
    /// Question sets, such as `questions/paper.yaml`: each of their questions is asked of each scene, in its exact words,
    /// about its class and its caption. What each is about must be one of the ten things that the world knows the truth of.
    #[serde(default)]
    pub sets: Vec<Document<QuestionSet>>,
    /// Whether questions are chosen so that, over many scenes, as many are answered yes as no.
    #[serde(default = "balanced")]
    pub balanced: bool,
    // What follows came later: it is left out of keys while it says what was done before.
    /// The pixels that a defect changes at least, or else it is taken away: what cannot be seen is not to be learnt, and not to
    /// be asked. At 0, all are kept.
    #[serde(default, skip_serializing_if = "keeps_all")]
    pub visible: u32,
    /// Where all animals look: `left` or `right`. To either side, most of a scene's to the same, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facing: Option<Facing>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn keeps_all(visible: &u32) -> bool {
    *visible == 0
}

const fn size() -> u32 {
    64
}

const fn defects() -> f64 {
    0.2
}

const fn wrong() -> f64 {
    0.15
}

const fn balanced() -> bool {
    true
}

/// A part of all scenes and captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// To learn from: eight in ten.
    Train,
    /// To choose settings by: one in ten.
    Validation,
    /// To look at once, at the end: one in ten.
    Test,
}

/// A side to which animals look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Facing {
    /// To the left.
    Left,
    /// To the right.
    Right,
}

/// The stage.
pub struct RenderWorld {
    params: Params,
    web: Web,
}

impl RenderWorld {
    /// Each example with its picture, from what became of the units.
    fn examples(
        &self,
        outcomes: &[PartitionOutcomes],
    ) -> Result<Vec<(Example, Value)>, StageError> {
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        let outcomes: Vec<&Value> = resolved.map(|resolved| &resolved.outcome).collect();
        let example = |(ordinal, outcome): (usize, &&Value)| {
            let ordinal = ordinal as u64;
            let (scene, image) = match outcome.get("image") {
                Some(image) => (crate::world::scene(outcome)?, image),
                None => (self.web.scene(ordinal), *outcome),
            };
            Ok((self.web.example_of(ordinal, scene), image.clone()))
        };
        outcomes.par_iter().enumerate().map(example).collect()
    }

    /// The questions about each example.
    fn questions(&self, examples: &[(Example, Value)]) -> Vec<Vec<Question>> {
        let (wanted, even) = (self.params.questions as usize, self.params.balanced);
        let of_example = |(ordinal, (example, _)): (usize, &(Example, Value))| {
            self.web.questions(ordinal as u64, example, wanted, even)
        };
        examples.par_iter().enumerate().map(of_example).collect()
    }

    /// Words, topic and true answer of each question of the sets.
    fn questions_of_sets(&self, example: &Example) -> Vec<[Value; 3]> {
        let witness = Witness::of(&example.scene);
        let questions = self.params.sets.iter().flat_map(|set| &set.0.questions);
        let asked = questions.filter_map(|question| {
            let about = known_questions::about(question)?;
            let caption = &example.caption;
            let words = known_questions::words(&question.text, example.class, &caption.text);
            let answer = witness.truth(&caption.says, example.class, about);
            Some([
                Value::from(words),
                Value::from(about.name()),
                Value::from(answer.name()),
            ])
        });
        asked.collect()
    }
}

/// The picture; and the scene as it is seen, if what is not seen is taken away.
fn render(unit: &Unit) -> Result<Outcome, StageError> {
    let mut scene = crate::world::scene(&unit.input)?;
    let number = |name| unit.input.get(name).and_then(Value::as_int);
    let size = number("size").unwrap_or_default() as u32;
    let visible = number("visible");
    if let Some(least) = visible {
        scene = scene.with_visible_defects(size, least as usize);
    }
    let image = scene.render(size);
    let pixels = RgbImage::from_raw(image.width, image.height, image.pixels)
        .ok_or_else(|| StageError::failed("the world's image has too few pixels"))?;
    let mut outcome = Outcome::default();
    let image = Value::Blob(outcome.add_blob(png::encode(&pixels)));
    Ok(outcome.with_value(if visible.is_some() {
        let scene = Value::from(scene.to_text());
        Value::map([("image", image), ("scene", scene)])
    } else {
        image
    }))
}

impl Stage for RenderWorld {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let scenes = Schema::new([
            ("class", ColumnType::Text),
            ("prompt", ColumnType::Text),
            ("image", ColumnType::Image),
            ("scene", ColumnType::Text),
            ("is_sound", ColumnType::Bool),
            ("is_true", ColumnType::Bool),
            ("wrong", ColumnType::Text),
        ]);
        let mut boxes = Schema::new([("image", ColumnType::Image), ("label", ColumnType::Text)]);
        for side in ["x0", "y0", "x1", "y1"] {
            boxes = boxes.with(side, ColumnType::Float);
        }
        let mut questions = Schema::new([("image", ColumnType::Image)]);
        for text in ["question", "about", "answer"] {
            questions = questions.with(text, ColumnType::Text);
        }
        Ok(vec![
            OutputPort::new("scenes", scenes),
            OutputPort::new("boxes", boxes),
            OutputPort::new("questions", questions),
        ])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let count = u64::from(self.params.count);
        let of_sets = self
            .params
            .sets
            .iter()
            .map(|set| set.0.questions.len() as u64);
        let questions = count * (u64::from(self.params.questions) + of_sets.sum::<u64>());
        Bound {
            units: count,
            rows: RowCounts::from([
                ("scenes", count),
                ("boxes", count * MAX_ANIMALS as u64),
                ("questions", questions),
            ]),
        }
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let Params { size, visible, .. } = self.params;
        let number = |number: u32| Value::Int(i64::from(number));
        let unit = |ordinal: u32| {
            let scene = Value::from(self.web.scene(ordinal.into()).to_text());
            let visible = (visible > 0).then(|| ("visible", number(visible)));
            let input = [("scene", scene), ("size", number(size))];
            let unit = Unit::new(Value::map(input.into_iter().chain(visible)));
            unit.with_hint(Value::map([("ordinal", number(ordinal))]))
        };
        Ok((0..self.params.count).into_par_iter().map(unit).collect())
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let render = |unit: &Arc<Unit>| render(unit);
        batch.units.par_iter().map(render).collect()
    }

    fn collect(
        &self,
        _: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let ports = self.outputs(&Schemas::new())?;
        let [mut scenes, mut boxes, mut questions] =
            [0, 1, 2].map(|port: usize| Table::builder(ports[port].schema.clone()));
        let examples = self.examples(outcomes)?;
        let asked = self.questions(&examples);
        for ((example, image), asked) in examples.iter().zip(asked) {
            let Example {
                class,
                scene,
                caption,
            } = example;
            scenes.push([
                Value::from(class.name()),
                Value::from(caption.text.as_str()),
                image.clone(),
                Value::from(scene.to_text()),
                Value::Bool(scene.is_sound()),
                Value::Bool(caption.wrong.is_none()),
                Value::from(caption.wrong.map(Fact::name)),
            ])?;
            let size = self.params.size;
            let seen = scene.boxes(size).into_iter();
            for TrueBox {
                class,
                x0,
                y0,
                x1,
                y1,
                ..
            } in seen.filter(|found| found.is_seen(size))
            {
                let sides = [x0, y0, x1, y1].map(|side| Value::Float(f64::from(side)));
                let head = [image.clone(), Value::from(class.name())];
                boxes.push(head.into_iter().chain(sides))?;
            }
            for question in asked {
                questions.push([
                    image.clone(),
                    Value::from(question.text),
                    Value::from(question.topic.name()),
                    Value::from(question.answer.name()),
                ])?;
            }
            for [text, about, answer] in self.questions_of_sets(example) {
                questions.push([image.clone(), text, about, answer])?;
            }
        }
        Ok(BTreeMap::from([
            ("scenes", scenes.finish()),
            ("boxes", boxes.finish()),
            ("questions", questions.finish()),
        ]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let ordinal = unit.hint.get("ordinal")?.as_int()?;
        Some(format!("scene {ordinal}"))
    }
}

impl StageKind for RenderWorld {
    const NAME: &'static str = "world.render";
    const SUMMARY: &'static str =
        "Renders captioned scenes of a simulated world, with boxes and questions, to train on.";
    const REVISION: u32 = 2;
    const TABLE_REVISION: u32 = 2;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("count", params.count, &(1..=1_000_000), "");
        misfits.add(within("size", params.size, &(16..=4096), " pixels"));
        misfits.add(within("defects", params.defects, &(0.0..=1.0), ""));
        misfits.add(within("wrong", params.wrong, &(0.0..=1.0), ""));
        misfits.add(within("questions", params.questions, &(0..=64), ""));
        for (index, Document(set)) in params.sets.iter().enumerate() {
            let found = known_questions::misfits(set);
            misfits.add(found.below(index.to_string()).below("sets"));
        }
        let mut classes: Vec<Class> = Vec::new();
        for (index, name) in params.classes.iter().enumerate() {
            let path = ["classes", &index.to_string()];
            match crate::world::class(name) {
                Ok(class) if classes.contains(&class) => {
                    misfits.add(Misfit::new(path, format!("`classes` names {class} twice")));
                }
                Ok(class) => classes.push(class),
                Err(message) => misfits.add(Misfit::new(path, message)),
            }
        }
        misfits.check()?;
        let web = Web {
            seed: u64::from(params.seed),
            split: match params.split {
                Split::Train => ccsr_world::Split::Train,
                Split::Validation => ccsr_world::Split::Validation,
                Split::Test => ccsr_world::Split::Test,
            },
            classes,
            defects: params.defects,
            wrong: params.wrong,
            facing: params.facing.map(|facing| match facing {
                Facing::Left => ccsr_world::Facing::Left,
                Facing::Right => ccsr_world::Facing::Right,
            }),
        };
        Ok(Self { params, web })
    }
}

#[cfg(test)]
mod tests;
