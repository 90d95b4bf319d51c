//! Roles that stand in for models in tests: they need a resource and have a model, as those do, and what they say is
//! known.

use std::any::Any;
use std::sync::Arc;

use ccsr_stage::testing::bind;
use ccsr_stage::{
    Batch, Digest, Environment, Inputs, Misfits, Registry, Resource, RoleKind, Roles, StageError,
    Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::facts::Fact;
use crate::png;
use crate::questions::Question;
use crate::roles::{
    Completion, Judge, Network, Testimony, TokenSampling, Witness, Wording, Writer, YesNo,
};

/// The catalog's registry with the fakes.
pub(crate) fn registry() -> Registry {
    crate::registry()
        .with_role::<FakeWriter>()
        .with_role::<FakeJudge>()
        .with_role::<FakeWitness>()
}

/// A writer of this manner.
pub(crate) fn writer(manner: &str) -> Roles {
    bind(
        &registry(),
        &[("writer", "fake", json!({ "manner": manner }))],
    )
    .unwrap()
}

/// A judge of this manner.
pub(crate) fn judge(manner: &str) -> Roles {
    bind(
        &registry(),
        &[("judge", "fake", json!({ "manner": manner }))],
    )
    .unwrap()
}

/// A witness of this manner.
pub(crate) fn witness(manner: &str) -> Roles {
    bind(
        &registry(),
        &[("witness", "fake", json!({ "manner": manner }))],
    )
    .unwrap()
}

/// Parameters of the fakes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// How it behaves.
    pub(crate) manner: String,
}

/// What the fakes load.
struct Loaded;

impl Resource for Loaded {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// That the batch came with it.
fn is_loaded(batch: &Batch<'_>) {
    batch.resource::<Loaded>().unwrap();
    assert!(
        batch
            .units
            .iter()
            .all(|unit| unit.resource.as_deref() == Some("fake"))
    );
}

/// Draws from a unit's input, which determines all that is drawn.
struct Draws(Digest, u8);

impl Draws {
    fn below(&mut self, most: u64) -> u64 {
        self.1 += 1;
        let parts = [
            Value::from(self.0.to_string()),
            Value::Int(i64::from(self.1)),
        ];
        let digest = Value::list(parts).digest();
        u64::from(digest.as_bytes()[0]) % most
    }
}

/// A writer that is told a class and a number.
pub(crate) struct FakeWriter(String);

impl FakeWriter {
    fn completion(&self, unit: &Unit) -> Completion {
        let wording: Wording = unit.input.get("wording").unwrap().read().unwrap();
        let _: TokenSampling = unit.input.get("sampling").unwrap().read().unwrap();
        let (Wording::Raw(text)
        | Wording::Chat {
            instruction: text, ..
        }) = &wording;
        let (class, count) = text.split_once('|').unwrap_or((text, "10"));
        let count: u64 = count.parse().unwrap_or(10);
        let mut draws = Draws(unit.input.digest(), 0);
        let mut lines = Vec::new();
        for number in 1..=count {
            let noun = draws.below(200);
            lines.push(match self.0.as_str() {
                // Of 200 prompts, each line another with luck.
                "diverse" | "breathless" => {
                    format!("{number}. Photo of a {class}, place {noun}, f/2.8")
                }
                // Some lines are of no use.
                "sloppy" => match draws.below(5) {
                    _ if number == 1 => "Here they are:\n1. Photo of a stone".to_owned(),
                    0 => format!("{number}. Photo of a stone {noun}"),
                    2 => format!("- \"Photo of a {class}, place {}\"", noun % 7),
                    _ => format!("{number}) Photo of a {class} and an elephant, place {noun}"),
                },
                // As the paper's model did: it repeats itself.
                "loops" => format!("{number}. Photo of a {class}, place {}", draws.below(3)),
                // Prompts that would do for two classes.
                "both" => format!("An elephant and a giraffe, place {}", noun % 20),
                "junk" => format!("{number}. Photo of a stone {noun}"),
                "wordy" => format!("{number}. Photo of a {class}{}", ", very".repeat(60)),
                "silent" => String::new(),
                other => panic!("there is no manner `{other}`"),
            });
        }
        Completion {
            text: lines.join("\n"),
            is_cut: self.0 == "breathless",
        }
    }
}

impl Network for FakeWriter {
    fn model(&self, _: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::from("a model"))
    }

    fn resource(&self) -> Option<&'static str> {
        Some("fake")
    }

    fn load(&self, _: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        Ok(Arc::new(Loaded))
    }
}

impl Writer for FakeWriter {
    fn write(&self, batch: &Batch<'_>) -> Vec<Result<Completion, StageError>> {
        is_loaded(batch);
        let units = batch.units.iter();
        units.map(|unit| Ok(self.completion(unit))).collect()
    }
}

impl RoleKind for FakeWriter {
    const ROLE: &'static str = "writer";
    const NAME: &'static str = "fake";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Writer>;

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        Ok(Arc::new(Self(params.manner)))
    }
}

/// A judge that reads words: `tell` answers with its manner, or repeats what it is told.
pub(crate) struct FakeJudge(String);

impl Network for FakeJudge {
    fn model(&self, _: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::from("a model"))
    }

    fn resource(&self) -> Option<&'static str> {
        Some("fake")
    }

    fn load(&self, _: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        Ok(Arc::new(Loaded))
    }
}

impl Judge for FakeJudge {
    fn check(&self, _: &Question) -> Result<(), String> {
        Ok(())
    }

    fn reads_words(&self) -> Result<(), String> {
        Ok(())
    }

    /// The longer the question, the surer it says yes.
    fn answer(&self, batch: &Batch<'_>) -> Vec<Result<Value, StageError>> {
        is_loaded(batch);
        let answer = |unit: &Arc<Unit>| {
            unit.input.get("image").and_then(Value::as_blob).unwrap();
            let question = unit.input.get("question").and_then(Value::as_text).unwrap();
            if self.0 == "broken" {
                let (yes, no) = (f64::NAN, -1.0);
                return YesNo { yes, no }.outcome();
            }
            let yes = 1.0 - 1.0 / question.len() as f64;
            let (yes, no) = (yes.ln(), (1.0 - yes).ln());
            YesNo { yes, no }.outcome()
        };
        batch.units.iter().map(answer).collect()
    }

    fn tell(&self, batch: &Batch<'_>) -> Vec<Result<String, StageError>> {
        is_loaded(batch);
        let said = |unit: &Arc<Unit>| {
            unit.input.get("image").and_then(Value::as_blob).unwrap();
            unit.input
                .get("max_tokens")
                .and_then(Value::as_int)
                .unwrap();
            let text = unit.input.get("text").and_then(Value::as_text).unwrap();
            let repeats = self.0.is_empty();
            Ok(if repeats {
                format!(" {text}\n")
            } else {
                self.0.clone()
            })
        };
        batch.units.iter().map(said).collect()
    }
}

impl RoleKind for FakeJudge {
    const ROLE: &'static str = "judge";
    const NAME: &'static str = "fake";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Judge>;

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        Ok(Arc::new(Self(params.manner)))
    }
}

/// A witness to whom the levels of an image's first pixel are the numbers of class, count and colour, and that of the
/// second, if it is not 0, that it is sound. It is sure by nine in ten, or says what makes no sense.
pub(crate) struct FakeWitness(String);

impl Network for FakeWitness {
    fn model(&self, _: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::from("a model"))
    }

    fn resource(&self) -> Option<&'static str> {
        Some("fake")
    }

    fn load(&self, _: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        Ok(Arc::new(Loaded))
    }
}

impl Witness for FakeWitness {
    fn look(&self, batch: &Batch<'_>) -> Vec<Result<Testimony, StageError>> {
        is_loaded(batch);
        let look = |unit: &Arc<Unit>| {
            let image = unit.input.get("image").and_then(Value::as_blob).unwrap();
            let image = png::read(batch.blobs, &image)?;
            let [class, count, colour] = image.get_pixel(0, 0).0;
            let sound = image.get_pixel(1, 0).0[0].min(1);
            let seen = [class, count, colour, sound].map(usize::from);
            let shares = Fact::ALL.map(|fact| {
                let others = fact.values().len() - 1;
                let share = |value| {
                    if value == seen[fact as usize] {
                        0.9
                    } else {
                        0.1 / others as f64
                    }
                };
                (0..=others).map(share).collect()
            });
            if self.0 == "broken" {
                return Testimony::new(shares.map(|_: Vec<f64>| vec![f64::NAN]));
            }
            Testimony::new(shares)
        };
        batch.units.iter().map(look).collect()
    }
}

impl RoleKind for FakeWitness {
    const ROLE: &'static str = "witness";
    const NAME: &'static str = "fake";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Witness>;

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        Ok(Arc::new(Self(params.manner)))
    }
}
