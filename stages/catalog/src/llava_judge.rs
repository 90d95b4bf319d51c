//! `llava`: a judge that is LLaVA, from a folder as the hub lays it out.
//!
//! What it sees of an image is read once, and all questions about the image go on from there: ten cost little more than
//! one, and each is answered as if it were alone.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::{Device, Tensor};
use ccsr_llava::{Llava, LlavaConfig, Preprocessor, decode_picture};
use ccsr_mistral::{Generator, Prefix, Request, Sampling};
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Source, StageError, Unit,
    Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cores::share_out_each;
use crate::failed;
use crate::model_folder::ModelFolder;
use crate::questions::Question;
use crate::roles::{Judge, Network, YesNo};
use crate::together::together;
use crate::words::{self, Words};

/// Questions, or texts, in a batch: those about four images, as a rule. One image is in memory at a time.
const TOGETHER: usize = 40;
/// Texts about an image that are written side by side.
const WRITTEN_TOGETHER: usize = 8;
/// The resource's name.
const MODEL: &str = "llava";

/// Parameters of `llava`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder, as the hub lays it out: LLaVA-1.5 or LLaVA-1.6 with weights as safetensors, the tokenizer, and
    /// `preprocessor_config.json`.
    pub weights: FolderPath,
    /// How a conversation is written down, as a template of Jinja; the folder's if left out.
    #[serde(default)]
    pub chat_template: Option<String>,
}

/// Judges with LLaVA.
pub struct LlavaJudge {
    folder: ModelFolder,
    chat_template: Option<String>,
}

impl RoleKind for LlavaJudge {
    const ROLE: &'static str = "judge";
    const NAME: &'static str = "llava";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Judge>;

    /// Its files count, not where they lie.
    fn settings(params: &Params) -> Result<Value, Misfits> {
        Ok(words::settings(params.chat_template.as_deref()))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let folder = ModelFolder::whole(params.weights, &["model"]);
        let misfit = |message: String| Misfits::from(Misfit::new(["weights"], message));
        let config = LlavaConfig::open(&folder.path).map_err(|error| misfit(error.to_string()))?;
        Preprocessor::open(&folder.path, &config).map_err(|error| misfit(error.to_string()))?;
        Ok(Arc::new(Self {
            folder,
            chat_template: params.chat_template,
        }))
    }
}

impl Network for LlavaJudge {
    fn sources(&self) -> Vec<Source> {
        self.folder.sources()
    }

    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        self.folder.digest(inputs)
    }

    fn resource(&self) -> Option<&'static str> {
        Some(MODEL)
    }

    fn resource_identity(&self) -> Value {
        let template = Value::from(self.chat_template.as_deref());
        Value::list([self.folder.identity(MODEL), template])
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        let template = self.chat_template.as_deref();
        let model = Model::load(&self.folder.path, template, device)?;
        Ok(Arc::new(model))
    }
}

impl Judge for LlavaJudge {
    fn check(&self, _: &Question) -> Result<(), String> {
        Ok(())
    }

    fn reads_words(&self) -> Result<(), String> {
        Ok(())
    }

    fn batch(&self) -> usize {
        TOGETHER
    }

    fn answer(&self, batch: &Batch<'_>) -> Vec<Result<Value, StageError>> {
        by_image(batch, |model, image, units| {
            let (mut beginnings, mut answers) = (Beginnings::default(), Vec::new());
            for unit in units {
                let asked = model.turn(unit, "question");
                answers.push(asked.and_then(|(beginning, end)| {
                    Ok((model.read(image, beginning, &mut beginnings)?, end))
                }));
            }
            model.answers(&answers)
        })
    }

    fn tell(&self, batch: &Batch<'_>) -> Vec<Result<String, StageError>> {
        by_image(batch, |model, image, units| {
            let mut beginnings = Beginnings::default();
            let requests = units.iter().map(|unit| {
                let (beginning, end) = model.turn(unit, "text")?;
                let most = unit.input.get("max_tokens").and_then(Value::as_int);
                let most =
                    most.ok_or_else(|| StageError::failed("a unit came without its `max_tokens`"))?;
                Ok(Request {
                    after: Some(model.read(image, beginning, &mut beginnings)?),
                    prompt: end.into(),
                    sampling: Sampling::GREEDY,
                    seed: [0; 32],
                    most: most as usize,
                })
            });
            model.tell(requests)
        })
    }
}

/// A question: what was read before it, and its tokens.
type Asked = (Arc<Prefix>, Vec<u32>);

/// What was read of an image already, by the tokens before it.
type Beginnings = BTreeMap<Vec<u32>, Arc<Prefix>>;

/// Answers the units of a batch image by image: all about an image stand together.
fn by_image<T: Send>(
    batch: &Batch<'_>,
    answer: impl Fn(&Model, &Tensor<2>, &[Arc<Unit>]) -> Vec<Result<T, StageError>> + Sync,
) -> Vec<Result<T, StageError>> {
    let of = |unit: &Arc<Unit>| unit.input.get("image").and_then(Value::as_blob);
    let about = |model: &Model, units: &[Arc<Unit>]| {
        let image =
            of(&units[0]).ok_or_else(|| StageError::failed("a unit came without its image"));
        let seen = image.and_then(|image| model.look(&batch.blobs.read(&image)?));
        match seen {
            Ok(image) => answer(model, &image, units),
            Err(error) => units.iter().map(|_| Err(error.again())).collect(),
        }
    };
    let images = batch.units.chunk_by(|a, b| of(a) == of(b)).collect();
    let answers = batch.resource::<Model>().and_then(|model| {
        share_out_each(model.bytes(), &model.device, images, |units| {
            Ok(about(model, units))
        })
    });
    match answers {
        Ok(answers) => answers.into_iter().flatten().collect(),
        Err(error) => batch.units.iter().map(|_| Err(error.again())).collect(),
    }
}

/// The model in memory.
struct Model {
    network: Llava,
    preprocessor: Preprocessor,
    words: Words,
    /// The tokens that say yes, and those that say no.
    yes: Vec<u32>,
    no: Vec<u32>,
    device: Device,
}

impl Resource for Model {
    fn bytes(&self) -> u64 {
        crate::device::bytes_of(&self.network)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Model {
    fn load(folder: &Path, template: Option<&str>, device: Device) -> Result<Self, StageError> {
        let words = Words::open(folder, template)?;
        let config = LlavaConfig::open(folder).map_err(failed)?;
        let preprocessor = Preprocessor::open(folder, &config).map_err(failed)?;
        let network = Llava::load(folder, &device).map_err(failed)?;
        let rows = network.language().config().vocabulary;
        words.tokenizer.fits(rows).map_err(failed)?;
        let saying = |word: &str| {
            let tokens = (0..rows as u32).filter(|token| says(&words, *token, word));
            let tokens: Vec<u32> = tokens.collect();
            let none =
                || StageError::failed(format!("the tokenizer has no token that says {word}"));
            (!tokens.is_empty()).then_some(tokens).ok_or_else(none)
        };
        Ok(Self {
            yes: saying("yes")?,
            no: saying("no")?,
            network,
            preprocessor,
            words,
            device,
        })
    }

    /// What it sees of an image.
    fn look(&self, bytes: &[u8]) -> Result<Tensor<2>, StageError> {
        let picture = decode_picture(bytes).map_err(failed)?;
        let prepared = self.preprocessor.prepare(&picture, &self.device);
        let mut seen = self.network.look(&[prepared.map_err(failed)?]);
        Ok(seen.remove(0))
    }

    /// The tokens of a turn about an image: up to and with the image, and what follows.
    fn turn(&self, unit: &Unit, name: &str) -> Result<(Vec<u32>, Vec<u32>), StageError> {
        let text = unit.input.get(name).and_then(Value::as_text);
        let text =
            text.ok_or_else(|| StageError::failed(format!("a unit came without its `{name}`")))?;
        self.words.of_image(text, self.network.image_token())
    }

    /// A beginning with the image in it, read if it was not.
    fn read(
        &self,
        image: &Tensor<2>,
        beginning: Vec<u32>,
        read: &mut Beginnings,
    ) -> Result<Arc<Prefix>, StageError> {
        if let Some(prefix) = read.get(&beginning) {
            return Ok(Arc::clone(prefix));
        }
        let seen = std::slice::from_ref(image);
        let prefix = self.network.read(&beginning, seen).map_err(failed)?;
        read.insert(beginning, Arc::clone(&prefix));
        Ok(prefix)
    }

    /// How likely yes and no come after each question, of all that go on from one beginning in one pass.
    fn answers(&self, asked: &[Result<Asked, StageError>]) -> Vec<Result<Value, StageError>> {
        let same = |a: &Result<Asked, _>, b: &Result<Asked, _>| match (a, b) {
            (Ok((a, _)), Ok((b, _))) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let mut answers = Vec::with_capacity(asked.len());
        for together in asked.chunk_by(same) {
            match &together[0] {
                Ok((beginning, _)) => answers.extend(self.answers_after(beginning, together)),
                Err(error) => answers.push(Err(error.again())),
            }
        }
        answers
    }

    fn answers_after(
        &self,
        beginning: &Arc<Prefix>,
        asked: &[Result<Asked, StageError>],
    ) -> Vec<Result<Value, StageError>> {
        let ends = asked.iter().flatten().map(|(_, end)| end.as_slice());
        let ends: Vec<&[u32]> = ends.collect();
        let language = self.network.language();
        match language.next(beginning, &ends) {
            Ok(logits) => logits.iter().map(|logits| self.answer(logits)).collect(),
            // One that is too long must not take the others with it.
            Err(_) if ends.len() > 1 => {
                let alone = asked.chunks(1);
                alone
                    .flat_map(|asked| self.answers_after(beginning, asked))
                    .collect()
            }
            Err(error) => vec![Err(failed(error))],
        }
    }

    fn answer(&self, logits: &[f32]) -> Result<Value, StageError> {
        let of = |tokens: &[u32]| log_sum(tokens.iter().map(|token| logits[*token as usize]));
        let all = log_sum(logits.iter().copied());
        let answer = YesNo {
            yes: of(&self.yes) - all,
            no: of(&self.no) - all,
        };
        answer.outcome()
    }

    /// What is written about an image, greedily.
    fn tell(
        &self,
        requests: impl Iterator<Item = Result<Request, StageError>>,
    ) -> Vec<Result<String, StageError>> {
        let ends = self.words.tokenizer.eos().to_vec();
        let generator = Generator::new(self.network.language(), ends, WRITTEN_TOGETHER);
        let checked = requests.map(|request| {
            let request = request?;
            generator.check(&request).map_err(failed)?;
            Ok(request)
        });
        together(checked, |requests| {
            let written = generator.generate(&requests, |_, _| true).map_err(failed)?;
            let decoded = written
                .iter()
                .map(|written| self.words.tokenizer.decode(&written.tokens, true));
            decoded.collect::<Result<_, _>>().map_err(failed)
        })
    }
}

/// Whether a token by itself says a word, in whatever case, with or without a blank before it.
fn says(words: &Words, token: u32, word: &str) -> bool {
    let text = words.tokenizer.id_to_token(token);
    text.is_some_and(|text| {
        // A blank is `▁` in SentencePiece and `Ġ` among GPT-2's bytes.
        let bare = text.trim_start_matches(['▁', 'Ġ', ' ']);
        bare.eq_ignore_ascii_case(word)
    })
}

/// The logarithm of the sum of exponentials.
fn log_sum(logits: impl Iterator<Item = f32> + Clone) -> f64 {
    let most = f64::from(logits.clone().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.map(|logit| (f64::from(logit) - most).exp()).sum();
    most + sum.ln()
}

#[cfg(test)]
mod tests;
