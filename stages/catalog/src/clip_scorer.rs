//! `clip`: a scorer that is CLIP, from a folder as the hub lays it out.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use ccsr_clip::{Clip, Padding, Preprocessor, Tokenizer, load_clip};
use ccsr_nn::read_config;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Source, StageError, Unit,
    Value,
};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failed;
use crate::model_folder::ModelFolder;
use crate::png;
use crate::prompt_length::note_of_cut;
use crate::roles::{Network, Scored, Scorer};
use crate::together::together;

/// Images that are looked at together.
const TOGETHER: usize = 32;
/// The resource's name.
const MODEL: &str = "clip";

/// Parameters of `clip`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder, as the hub lays it out: both towers as safetensors, the tokenizer, and
    /// `preprocessor_config.json`.
    pub weights: FolderPath,
    /// How texts are cleaned before they become tokens: `plain`, or `openai`.
    #[serde(default)]
    pub cleaning: Cleaning,
}

/// How texts are cleaned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cleaning {
    /// As transformers and torchmetrics do.
    #[default]
    Plain,
    /// As OpenAI's `clip` does, which the paper's code scores with: entities of HTML, curly quotes and the
    /// like become plain letters.
    OpenAi,
}

impl From<Cleaning> for ccsr_clip::Cleaning {
    fn from(cleaning: Cleaning) -> Self {
        match cleaning {
            Cleaning::Plain => Self::Plain,
            Cleaning::OpenAi => Self::OpenAi,
        }
    }
}

/// Scores with CLIP.
pub struct ClipScorer {
    folder: ModelFolder,
    cleaning: Cleaning,
}

impl RoleKind for ClipScorer {
    const ROLE: &'static str = "scorer";
    const NAME: &'static str = "clip";
    const REVISION: u32 = 2;
    type Params = Params;
    type Object = Arc<dyn Scorer>;

    /// Its files count, not where they lie.
    fn settings(params: &Params) -> Result<Value, Misfits> {
        Ok(Value::map(match params.cleaning {
            Cleaning::Plain => None,
            Cleaning::OpenAi => Some(("cleaning", crate::identity_of(&params.cleaning))),
        }))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let folder = ModelFolder::whole(params.weights, &["model"]);
        let misfit = |message: String| Misfits::from(Misfit::new(["weights"], message));
        let parts: BTreeMap<String, serde_json::Value> =
            read_config(&folder.path.join("config.json"))
                .map_err(|error| misfit(error.to_string()))?;
        let towers = ["text_config", "vision_config"];
        if let Some(missing) = towers.into_iter().find(|tower| !parts.contains_key(*tower)) {
            return Err(misfit(format!(
                "`{}/config.json` has no `{missing}`; expected a CLIP with both towers, such as \
                 openai/clip-vit-base-patch32",
                folder.display
            )));
        }
        let read = ["preprocessor_config.json", "vocab.json", "merges.txt"];
        if let Some(missing) = read
            .into_iter()
            .find(|name| !folder.path.join(name).is_file())
        {
            return Err(misfit(format!(
                "`{}` has no `{missing}`; expected a CLIP as the hub lays it out",
                folder.display
            )));
        }
        let cleaning = params.cleaning;
        Ok(Arc::new(Self { folder, cleaning }))
    }
}

impl Network for ClipScorer {
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
        let folder = self.folder.identity(MODEL);
        let cleaning = crate::identity_of(&self.cleaning);
        Value::list([folder, cleaning])
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        Ok(Arc::new(Model::load(
            &self.folder.path,
            self.cleaning,
            device,
        )?))
    }
}

impl Scorer for ClipScorer {
    fn batch(&self) -> usize {
        TOGETHER
    }

    fn score(&self, batch: &Batch<'_>) -> Vec<Result<Scored, StageError>> {
        let pairs = batch.units.iter().map(|unit| pair(batch, unit));
        together(pairs, |pairs| batch.resource::<Model>()?.score(&pairs))
    }

    fn compare(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Vec<f64>>, StageError>> {
        let compared = |unit: &Arc<Unit>| {
            let (images, texts) = lists(batch, unit)?;
            batch.resource::<Model>()?.compare(&images, &texts)
        };
        batch.units.iter().map(compared).collect()
    }
}

/// The images and the texts of a unit that compares all of them.
fn lists<'a>(
    batch: &Batch<'_>,
    unit: &'a Unit,
) -> Result<(Vec<RgbImage>, Vec<&'a str>), StageError> {
    let list = |name| unit.input.get(name).and_then(Value::as_list);
    let (Some(images), Some(texts)) = (list("images"), list("texts")) else {
        return Err(StageError::failed(
            "a unit came without its images or texts",
        ));
    };
    let images = images.iter().filter_map(Value::as_blob);
    let images = images.map(|image| png::read(batch.blobs, &image));
    Ok((
        images.collect::<Result<_, _>>()?,
        texts.iter().filter_map(Value::as_text).collect(),
    ))
}

/// The image and the text of a unit.
fn pair<'a>(batch: &Batch<'_>, unit: &'a Unit) -> Result<(RgbImage, &'a str), StageError> {
    let text = unit.input.get("text").and_then(Value::as_text);
    let image = unit.input.get("image").and_then(Value::as_blob);
    let (Some(text), Some(image)) = (text, image) else {
        return Err(StageError::failed("a unit came without its image or text"));
    };
    let image = png::decode(&batch.blobs.read(&image)?).map_err(failed)?;
    Ok((image, text))
}

/// The model in memory.
struct Model {
    device: Device,
    clip: Clip,
    tokenizer: Tokenizer,
    preprocessor: Preprocessor,
}

impl Resource for Model {
    fn bytes(&self) -> u64 {
        crate::device::bytes_of(&self.clip)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Model {
    fn load(folder: &Path, cleaning: Cleaning, device: Device) -> Result<Self, StageError> {
        let (clip, config) = load_clip(folder, &device).map_err(failed)?;
        let tokens = config.text_config.max_position_embeddings;
        Ok(Self {
            clip,
            tokenizer: Tokenizer::open(folder, tokens)
                .map_err(failed)?
                .with_cleaning(cleaning.into()),
            preprocessor: Preprocessor::open(folder).map_err(failed)?,
            device,
        })
    }

    /// The cosine of the angle between each image and its text. A text that several images share is
    /// encoded once.
    fn score(&self, pairs: &[(RgbImage, &str)]) -> Result<Vec<Scored>, StageError> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let (mut texts, mut ids, mut notes) = (HashMap::new(), Vec::new(), Vec::new());
        let mut text_of = Vec::with_capacity(pairs.len());
        for (_, text) in pairs {
            let known = texts.len();
            let row = *texts.entry(*text).or_insert(known);
            if row == known {
                let tokens = self.tokenizer.tokenise(text, Padding::Checkpoint);
                let tokens = tokens.map_err(failed)?;
                notes.push(note_of_cut(text, &tokens));
                ids.extend(tokens.ids);
            }
            text_of.push(row);
        }
        let shape = [texts.len(), self.tokenizer.length()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
        let rows: Vec<i64> = text_of.iter().map(|row| *row as i64).collect();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &self.device);
        // `[pairs, space]`, both.
        let texts = self.clip.text_features(ids).select(0, rows);
        let images = pairs.iter().map(|(image, _)| image);
        let images = self.preprocessor.pixels(images, &self.device);
        let cosines = (self.clip.image_features(images) * texts).sum_dim(1);
        let cosines = cosines.into_data().convert::<f64>();
        let cosines: Vec<f64> = cosines.try_to_vec().expect("it was converted above");
        let scored = cosines.into_iter().zip(text_of);
        let scored = scored.map(|(cosine, row)| Scored {
            cosine,
            note: notes[row].clone(),
        });
        Ok(scored.collect())
    }

    /// The cosine of the angle between each image and each text.
    fn compare(&self, images: &[RgbImage], texts: &[&str]) -> Result<Vec<Vec<f64>>, StageError> {
        let mut features = Vec::new();
        for texts in texts.chunks(TOGETHER) {
            let mut ids = Vec::new();
            for text in texts {
                let tokens = self.tokenizer.tokenise(text, Padding::Checkpoint);
                ids.extend(tokens.map_err(failed)?.ids);
            }
            let shape = [texts.len(), self.tokenizer.length()];
            let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
            features.push(self.clip.text_features(ids));
        }
        if images.is_empty() || features.is_empty() {
            return Ok(vec![Vec::new(); images.len()]);
        }
        // `[space, texts]`
        let texts = Tensor::cat(features, 0).transpose();
        let [_, count] = texts.dims();
        let mut cosines = Vec::with_capacity(images.len());
        for images in images.chunks(TOGETHER) {
            let images = self.preprocessor.pixels(images.iter(), &self.device);
            let found = self.clip.image_features(images).matmul(texts.clone());
            let found: Vec<f64> = found
                .into_data()
                .convert::<f64>()
                .try_to_vec()
                .expect("it was converted above");
            cosines.extend(found.chunks(count).map(<[f64]>::to_vec));
        }
        Ok(cosines)
    }
}

#[cfg(test)]
pub(crate) mod tests;
