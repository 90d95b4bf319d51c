//! `yolo-world`: a detector that is YOLO-World, from a folder that `ccsr-flow models convert` has made.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::Device;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Row, Source, StageError, Unit,
    Value,
};
use ccsr_yolo_world::{Settings, TextEncoder, Vocabulary, YoloWorld};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failed;
use crate::model_folder::ModelFolder;
use crate::png;
use crate::range::within;
use crate::roles::{Detector, Found, Network, Reads};
use crate::together::together;
use crate::world::rounded;

/// Images in a batch.
const TOGETHER: usize = 32;
/// The resource's name.
const MODEL: &str = "yolo-world";

/// Parameters of `yolo-world`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The detector's folder, with `model.safetensors`, as `ccsr-flow models convert` makes it of `yolov8x-worldv2.pt`.
    pub weights: FolderPath,
    /// The folder of the text encoder, as the hub lays it out: CLIP ViT-B/32, whole or its text tower.
    pub text_encoder: FolderPath,
    /// The longer side that images are scaled to, in pixels: a multiple of 32 from 32 to 4096. Left out, what the detector's
    /// `config.json` says, and 640 where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Of two boxes of a word whose intersection is more than this part of their union, the surer one stays, `0.0..=1.0`.
    #[serde(default = "overlap")]
    pub overlap: f64,
}

const fn overlap() -> f64 {
    0.7
}

/// Detects with YOLO-World.
pub struct YoloWorldDetector {
    detector: ModelFolder,
    text_encoder: ModelFolder,
    size: Option<u32>,
    overlap: f64,
}

impl RoleKind for YoloWorldDetector {
    const ROLE: &'static str = "detector";
    const NAME: &'static str = "yolo-world";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Detector>;

    /// Its files count, not where they lie.
    fn settings(params: &Params) -> Result<Value, Misfits> {
        Ok(Value::map([
            ("overlap", Value::Float(params.overlap)),
            ("size", Value::from(params.size.map(i64::from))),
        ]))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let mut misfits = within("overlap", params.overlap, &(0.0..=1.0), "");
        if let Some(size) = params.size {
            misfits.add(within("size", size, &(32..=4096), " pixels"));
            if !size.is_multiple_of(32) {
                let message = format!("`size: {size}` is no multiple of 32");
                misfits.add(Misfit::new(["size"], message));
            }
        }
        let detector = ModelFolder::whole(params.weights, &["detector"]);
        if !detector.path.join("model.safetensors").is_file() {
            let message = format!(
                "`{}` has no `model.safetensors`; expected a detector that `ccsr-flow models convert` has made of a \
                 file such as yolov8x-worldv2.pt",
                detector.display
            );
            misfits.add(Misfit::new(["weights"], message));
        }
        let text_encoder = ModelFolder::whole(params.text_encoder, &["text-encoder"]);
        let read = [
            "config.json",
            "model.safetensors",
            "vocab.json",
            "merges.txt",
        ];
        let mut read = read.into_iter();
        if let Some(missing) = read.find(|name| !text_encoder.path.join(name).is_file()) {
            let message = format!(
                "`{}` has no `{missing}`; expected CLIP ViT-B/32 as the hub lays it out, openai/clip-vit-base-patch32",
                text_encoder.display
            );
            misfits.add(Misfit::new(["text_encoder"], message));
        }
        misfits.check()?;
        Ok(Arc::new(Self {
            detector,
            text_encoder,
            size: params.size,
            overlap: params.overlap,
        }))
    }
}

impl Network for YoloWorldDetector {
    fn sources(&self) -> Vec<Source> {
        let mut sources = self.detector.sources();
        sources.extend(self.text_encoder.sources());
        sources
    }

    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::map([
            ("detector", self.detector.digest(inputs)?),
            ("text_encoder", self.text_encoder.digest(inputs)?),
        ]))
    }

    fn resource(&self) -> Option<&'static str> {
        Some(MODEL)
    }

    fn resource_identity(&self) -> Value {
        Value::list([
            self.detector.identity(MODEL),
            self.text_encoder.identity("text-encoder"),
        ])
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        let (detector, text) = (&self.detector.path, &self.text_encoder.path);
        Ok(Arc::new(Model::load(detector, text, &device)?))
    }
}

impl Detector for YoloWorldDetector {
    fn input(&self, _: Row<'_>, model: &Value) -> Result<Reads, StageError> {
        Ok(vec![("model", model.clone())])
    }

    fn batch(&self) -> usize {
        TOGETHER
    }

    fn detect(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Found>, StageError>> {
        let looks = batch.units.iter().map(|unit| Look::of(unit, batch));
        together(looks, |looks| {
            let model = batch.resource::<Model>()?;
            let mut found = Vec::with_capacity(looks.len());
            for looks in looks.chunk_by(Look::is_like) {
                found.extend(model.look(looks, self.size, self.overlap)?);
            }
            Ok(found)
        })
    }
}

/// An image, and what to look for in it.
struct Look {
    image: RgbImage,
    words: Vec<String>,
    floor: f64,
}

impl Look {
    /// Whether both are searched for the same.
    fn is_like(&self, other: &Self) -> bool {
        self.words == other.words && self.floor.total_cmp(&other.floor).is_eq()
    }

    fn of(unit: &Unit, batch: &Batch<'_>) -> Result<Self, StageError> {
        let image = unit.input.get("image").and_then(Value::as_blob);
        let words: Option<Result<Vec<String>, _>> = unit.input.get("vocabulary").map(Value::read);
        let floor = unit.input.get("floor").and_then(Value::as_float);
        let (Some(image), Some(words), Some(floor)) = (image, words, floor) else {
            return Err(StageError::failed(
                "a unit came without its image, vocabulary or floor",
            ));
        };
        Ok(Self {
            image: png::read(batch.blobs, &image)?,
            words: words?,
            floor,
        })
    }
}

/// The model in memory, with the vocabularies that were looked for.
struct Model {
    network: YoloWorld,
    text_encoder: TextEncoder,
    vocabularies: Mutex<BTreeMap<Vec<String>, Arc<Vocabulary>>>,
}

impl Resource for Model {
    fn bytes(&self) -> u64 {
        crate::device::bytes_of(self.network.network())
            + crate::device::bytes_of(self.text_encoder.network())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Model {
    fn load(detector: &Path, text: &Path, device: &Device) -> Result<Self, StageError> {
        Ok(Self {
            network: YoloWorld::load(detector, device).map_err(failed)?,
            text_encoder: TextEncoder::load(text, device).map_err(failed)?,
            vocabularies: Mutex::default(),
        })
    }

    /// A vocabulary, whose features are computed once.
    fn vocabulary(&self, words: &[String]) -> Result<Arc<Vocabulary>, StageError> {
        let known = self.vocabularies.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(vocabulary) = known.get(words) {
            return Ok(Arc::clone(vocabulary));
        }
        let features = self.text_encoder.features(words).map_err(failed)?;
        let vocabulary = Arc::new(self.network.vocabulary(&features).map_err(failed)?);
        known.insert(words.to_vec(), Arc::clone(&vocabulary));
        Ok(vocabulary)
    }

    /// What is seen in images that are searched for the same.
    fn look(
        &self,
        looks: &[Look],
        size: Option<u32>,
        overlap: f64,
    ) -> Result<Vec<Vec<Found>>, StageError> {
        let (words, floor) = (&looks[0].words, looks[0].floor);
        let vocabulary = self.vocabulary(words)?;
        let settings = Settings {
            floor: floor as f32,
            overlap: overlap as f32,
            size: size.map_or(self.network.size(), |size| size as usize),
            ..Settings::default()
        };
        let images: Vec<&RgbImage> = looks.iter().map(|look| &look.image).collect();
        let detections = self.network.detect(&images, &vocabulary, &settings);
        let found = |detection: &ccsr_yolo_world::Detection| {
            let [x0, y0, x1, y1] = detection.bounds.map(|side| rounded(f64::from(side)));
            Found {
                label: words[detection.class].clone(),
                confidence: rounded(f64::from(detection.confidence)),
                x0,
                y0,
                x1,
                y1,
            }
        };
        let detections = detections.map_err(failed)?;
        let of_image = detections.iter();
        Ok(of_image
            .map(|all| all.iter().map(found).collect())
            .collect())
    }
}

#[cfg(test)]
mod tests;
